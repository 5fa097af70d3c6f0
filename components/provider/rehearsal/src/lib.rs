//! An honest offline stand-in for a language model.
//!
//! No network, no secret, nothing remembered: the same request gets the same answer. Two models: `builtin` knows a few
//! plain words and says how to connect a real model; `script` plays the script in the setting of that name.
//!
//! ```text
//! request ── intents::answer ─────────────────┐
//!         └─ Script::parse ─ Script::select ──┴─ steps ── play ── turn.emit
//! ```

use cara_sdk::provider::{EmbedRequest, Model, Outcome, Provider, Request};
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
        let stop = match request.model.as_str() {
            BUILTIN => play(&intents::answer(&request, &conversation), &request, &mut Live),
            SCRIPT => {
                let script = Script::parse(&script_text()?.ok_or_else(no_script)?)?;
                play(script.select(&conversation)?, &request, &mut Live)
            }
            other => Err(Error::bad_request(format!("there is no model `{other}`, only `{BUILTIN}` and `{SCRIPT}`"))),
        };
        Ok(Outcome { stop: stop?, model: request.model })
    }

    fn embed(_: EmbedRequest) -> Result<Vec<Vec<f32>>, Error> {
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
    let model = |id: &str, name: &str| Model {
        id: id.to_owned(),
        name: name.to_owned(),
        context_tokens: None,
        output_tokens: None,
    };
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
        let request = EmbedRequest { model: "builtin".to_owned(), inputs: Vec::new() };
        assert_eq!(Rehearsal::embed(request).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
