//! The server's JSON: requests from the contract's types, answers into them.
//!
//! Pure: knows no host and no network. Text only: tools are not offered to the model, which its abilities say, and a
//! message of anything but text is an error.

use cara_sdk::Error;
use cara_sdk::error::excerpt;
use cara_sdk::provider::{
    Abilities, Decoder as Decode, Model, Outcome, Progress, Request, StopReason,
};
use cara_sdk::sse;
use cara_sdk::turn::{Event, Sink};
use cara_sdk::types::{Message, Part, Role, Usage};
use serde::{Deserialize, Serialize};

/// The body of a chat completion request.
#[derive(Debug, Serialize)]
pub(crate) struct Chat<'a> {
    model: &'a str,
    messages: Vec<Line>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    role: &'static str,
    content: String,
}

/// The options that are passed on.
const OPTIONS: [&str; 3] = ["max-output-tokens", "temperature", "stop"];

/// What is sent for a request.
///
/// # Errors
/// `unsupported` for a message of anything but text, and for an option that is not passed on: none is left out silently.
pub(crate) fn chat(request: &Request) -> Result<Chat<'_>, Error> {
    request.only(&OPTIONS)?;
    let system = request.system.iter().map(|text| {
        Ok(Line {
            role: "system",
            content: text.clone(),
        })
    });
    let messages = system
        .chain(request.messages.iter().map(message))
        .collect::<Result<_, _>>()?;
    Ok(Chat {
        model: &request.model,
        messages,
        stream: true,
        stream_options: StreamOptions {
            include_usage: true,
        },
        max_tokens: request.max_output_tokens,
        temperature: request.temperature,
        stop: &request.stop,
    })
}

fn message(message: &Message) -> Result<Line, Error> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return Err(Error::unsupported("this provider knows no tools")),
    };
    let mut content = String::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => content.push_str(text),
            // A model's earlier reasoning: the server takes none back. It keeps what it can without being told.
            Part::Thinking(_) | Part::CachePoint(_) => {}
            _ => return Err(Error::unsupported("this provider takes text only")),
        }
    }
    Ok(Line { role, content })
}

/// The models of a list answer.
///
/// # Errors
/// `network` when it is something else.
pub(crate) fn models(answer: &[u8]) -> Result<Vec<Model>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        id: String,
    }
    let abilities = Abilities {
        tools: Some(false),
        ..Abilities::unknown()
    };
    let model = |item: Item| Model {
        abilities: abilities.clone(),
        ..Model::new(item.id)
    };
    Ok(read::<Answer>(answer)?
        .data
        .into_iter()
        .map(model)
        .collect())
}

/// The error that an answer without success means: its kind from the status, its text from the server.
pub(crate) fn failure(status: u16, body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Answer {
        error: Fault,
    }
    let said = serde_json::from_slice(body).map(|answer: Answer| answer.error.message);
    let said = excerpt(said.as_deref().map_or(body, str::as_bytes));
    Error::from_status(status, format!("the server answered {status}: {said}"))
}

/// What a server says of a failure, in a body or in the stream.
#[derive(Deserialize)]
struct Fault {
    message: String,
}

/// One event of the stream.
#[derive(Deserialize)]
struct Chunk {
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// Decodes the answer to one request, while it comes.
#[derive(Debug)]
pub(crate) struct Decoder {
    events: sse::Parser,
    answer: Answer,
}

/// What is known of the answer so far.
#[derive(Debug)]
struct Answer {
    model: String,
    stop: Option<StopReason>,
    done: bool,
}

impl Decoder {
    /// A decoder at the beginning of an answer of this model.
    pub(crate) fn new(model: String) -> Self {
        Self {
            events: sse::Parser::new(),
            answer: Answer {
                model,
                stop: None,
                done: false,
            },
        }
    }
}

impl Decode for Decoder {
    fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
        let Self { events, answer } = self;
        events.push(piece, |event| answer.read(event.data, sink))?;
        Ok(if answer.done {
            Progress::Done
        } else {
            Progress::More
        })
    }

    fn finish(&mut self, _: &mut dyn Sink) -> Result<Outcome, Error> {
        let Answer { model, stop, done } = &mut self.answer;
        match stop {
            // Without either the stream was cut off.
            None if !*done => Err(Error::network(
                "the stream ended before the answer was complete",
            )),
            stop => Ok(Outcome::new(
                stop.unwrap_or(StopReason::Complete),
                std::mem::take(model),
            )),
        }
    }
}

impl Answer {
    /// Reads the data of one event.
    fn read(&mut self, data: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
        }
        if self.done {
            return Ok(());
        }
        let chunk: Chunk = read(data)?;
        if let Some(fault) = chunk.error {
            return Err(Error::other(format!(
                "the server ended the answer: {}",
                excerpt(fault.message.as_bytes())
            )));
        }
        if let Some(model) = chunk.model {
            self.model = model;
        }
        for choice in chunk.choices {
            if let Some(text) = choice
                .delta
                .and_then(|delta| delta.content)
                .filter(|text| !text.is_empty())
            {
                sink.emit(Event::Text(text))?;
            }
            if let Some(reason) = choice.finish_reason {
                self.stop = Some(match reason.as_str() {
                    "length" => StopReason::Length,
                    "content_filter" => StopReason::Refused,
                    _ => StopReason::Complete,
                });
            }
        }
        if let Some(tokens) = chunk.usage {
            let (input, output) = (tokens.prompt_tokens, tokens.completion_tokens);
            sink.emit(Event::Usage(Usage {
                input,
                output,
                ..Usage::zero()
            }))?;
        }
        Ok(())
    }
}

fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(answer)
        .map_err(|error| Error::network(format!("the answer is not the JSON expected: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    const STREAM: &str = concat!(
        "data: {\"model\":\"small-2\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\" there\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    fn request(part: Part) -> Request {
        let message = Message {
            role: Role::User,
            parts: vec![part],
        };
        Request {
            system: Some("Be brief.".to_owned()),
            max_output_tokens: Some(10),
            ..Request::new("small", vec![message])
        }
    }

    #[test]
    fn a_request_is_written_as_the_server_takes_it() {
        let request = request(Part::Text("Hello".to_owned()));
        let body = serde_json::to_value(chat(&request).unwrap()).unwrap();
        let expected = serde_json::json!({
            "model": "small",
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }],
            "stream": true,
            "stream_options": { "include_usage": true },
            "max_tokens": 10,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_message_of_anything_but_text_is_not_supported() {
        let file = cara_sdk::types::Blob {
            media_type: "application/pdf".to_owned(),
            name: None,
            data: Vec::new(),
        };
        assert_eq!(
            chat(&request(Part::File(file))).unwrap_err().kind,
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn an_option_that_is_not_passed_on_is_refused() {
        let asked = Request {
            seed: Some(1),
            ..request(Part::Text("Hello".to_owned()))
        };
        assert_eq!(
            chat(&asked).unwrap_err().message,
            "this provider has no `seed`"
        );
    }

    #[test]
    fn an_answer_is_the_same_wherever_its_stream_is_cut() {
        for cut in 0..=STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            let (mut decoder, mut events) = (Decoder::new("small".to_owned()), Vec::new());
            decoder.feed(first, &mut events).unwrap();
            decoder.feed(second, &mut events).unwrap();
            let outcome = decoder.finish(&mut events).unwrap();
            assert_eq!(
                (outcome.stop, outcome.model.as_str()),
                (StopReason::Complete, "small-2")
            );
            let usage = Usage {
                input: 3,
                output: 2,
                ..Usage::zero()
            };
            let expected = [
                Event::Text("Hi".to_owned()),
                Event::Text(" there".to_owned()),
                Event::Usage(usage),
            ];
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error_worth_another_try() {
        let (mut decoder, mut events) = (Decoder::new("small".to_owned()), Vec::new());
        decoder.feed(&STREAM.as_bytes()[..70], &mut events).unwrap();
        let error = decoder.finish(&mut events).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Network, true));
    }

    #[test]
    fn a_failure_has_the_kind_of_its_status_and_the_servers_words() {
        let error = failure(429, br#"{"error":{"message":"slow down"}}"#);
        assert_eq!((error.kind, error.retry), (ErrorKind::RateLimit, true));
        assert_eq!(error.message, "the server answered 429: slow down");
        assert_eq!(
            failure(500, b"<h1>Oops</h1>").message,
            "the server answered 500: <h1>Oops</h1>"
        );
    }

    #[test]
    fn the_models_are_those_of_the_list() {
        let models =
            models(br#"{"data":[{"id":"small"},{"id":"large","owned_by":"us"}]}"#).unwrap();
        assert_eq!(
            models
                .iter()
                .map(|model| model.id.as_str())
                .collect::<Vec<_>>(),
            ["small", "large"]
        );
        assert_eq!(super::models(b"[]").unwrap_err().kind, ErrorKind::Network);
    }
}
