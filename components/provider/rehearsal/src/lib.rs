//! An honest offline stand-in for a language model.
//!
//! No network, no secret, nothing remembered: the same request gets the same answer. Two models: `builtin` knows a few
//! plain words and says how to connect a real model; `script` plays the script in the setting of that name.
//!
//! ```text
//! request ── intents::answer ─────────────────┐
//!         └─ Script::parse ─ Script::select ──┴─ steps ── play ── turn.emit
//! ```

use cara_sdk::provider::{EmbedRequest, Embeddings, Model, Outcome, Provider, Request};
use cara_sdk::turn::{Event, Sink, Turn};
use cara_sdk::{Error, clock, settings};

pub mod conversation;
pub mod intents;
pub mod play;
pub mod script;

use conversation::Conversation;
use play::{Stage, play};
use script::Script;

/// The model that answers by itself.
const BUILTIN: &str = "builtin";

/// The model that plays the setting `script`.
const SCRIPT: &str = "script";

/// The options that both keep to. The same request gets the same answer, whatever the seed.
const HONOURED: [&str; 3] = ["max-output-tokens", "stop", "seed"];

/// The component.
#[derive(Debug)]
pub struct Rehearsal;

cara_sdk::export_provider!(Rehearsal);

impl Provider for Rehearsal {
    fn models() -> Result<Vec<Model>, Error> {
        Ok(models(script_text()?.is_some()))
    }

    fn complete(request: Request) -> Result<Outcome, Error> {
        let conversation = Conversation::of(&request);
        let played = match request.model.as_str() {
            BUILTIN => {
                // It calls one tool at most.
                request.only(&[&HONOURED[..], &["parallel-tool-calls"]].concat())?;
                play(&intents::answer(&request, &conversation), &request, &mut Live)?
            }
            SCRIPT => {
                let script = Script::parse(&script_text()?.ok_or_else(no_script)?)?;
                request.only(&[&HONOURED[..], script.honours()].concat())?;
                play(script.select(&conversation)?, &request, &mut Live)?
            }
            other => {
                let why = format!("there is no model `{other}`, only `{BUILTIN}` and `{SCRIPT}`");
                return Err(Error::bad_request(why));
            }
        };
        Ok(Outcome { stop_sequence: played.stop_sequence, ..Outcome::new(played.stop, request.model) })
    }

    fn embed(_: EmbedRequest) -> Result<Embeddings, Error> {
        Err(Error::unsupported("`rehearsal` is no language model and makes no embeddings"))
    }
}

/// The setting `script`.
fn script_text() -> Result<Option<String>, Error> {
    settings::get("script")
}

fn no_script() -> Error {
    Error::bad_request(format!("the model `{SCRIPT}` has no script to play: `cara chat --script FILE` gives it one"))
}

/// What is on offer; the script only where there is one.
fn models(script: bool) -> Vec<Model> {
    let model = |id: &str, name: &str| Model { name: name.to_owned(), ..Model::new(id) };
    let mut models = vec![model(BUILTIN, "a few plain words, no language model")];
    if script {
        models.push(model(SCRIPT, "plays the script that was set"));
    }
    models
}

/// The turn of the call, and real time.
struct Live;

impl Sink for Live {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        Turn.emit(event)
    }
}

impl Stage for Live {
    fn wait(&mut self, milliseconds: u64) {
        clock::sleep_ms(milliseconds);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn the_script_is_offered_only_where_there_is_one() {
        let ids = |script| models(script).into_iter().map(|model| model.id).collect::<Vec<_>>();
        assert_eq!(ids(false), ["builtin"]);
        assert_eq!(ids(true), ["builtin", "script"]);
    }

    #[test]
    fn an_unknown_model_is_a_bad_request_and_embeddings_are_unsupported() {
        let mut request = conversation::tests::request(&[]);
        request.model = "gpt".to_owned();
        assert_eq!(Rehearsal::complete(request).unwrap_err().kind, ErrorKind::BadRequest);
        let mut request = conversation::tests::request(&[]);
        request.temperature = Some(0.5);
        let error = Rehearsal::complete(request).unwrap_err();
        assert_eq!((error.kind, &*error.message), (ErrorKind::Unsupported, "this provider has no `temperature`"));
        let request = EmbedRequest { model: "builtin".to_owned(), inputs: Vec::new(), dimensions: None };
        assert_eq!(Rehearsal::embed(request).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
