//! Offering language models, as in `wit/provider.wit`,
//! and the loop that streams an answer.

use crate::Error;
pub use crate::bindings::provider_component::exports::cara::plugin::provider::{
    Effort, EmbedRequest, Guest as Provider, Model, Outcome, Request, StopReason, ToolChoice,
};
use crate::http::Chunks;
use crate::turn::{Gathered, Sink};
use crate::types::{Part, ToolCall};

/// Whether a decoder wants more of the stream.
///
/// ```
/// use cara_sdk::provider::Progress;
///
/// let progress = |line: &[u8]| if line == b"[DONE]" { Progress::Done } else { Progress::More };
/// assert_eq!(progress(b"[DONE]"), Progress::Done);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The answer goes on.
    More,
    /// The answer is complete; what else the server sends is not read.
    Done,
}

/// Turns the bytes of a vendor's stream into the contract's events.
///
/// ```
/// use cara_sdk::Error;
/// use cara_sdk::provider::{Decoder, Outcome, Progress, StopReason};
/// use cara_sdk::turn::{Event, Sink};
///
/// struct Plain;
/// impl Decoder for Plain {
///     fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
///         sink.emit(Event::Text(String::from_utf8_lossy(piece).into_owned()))?;
///         Ok(Progress::More)
///     }
///     fn finish(&mut self, _: &mut dyn Sink) -> Result<Outcome, Error> {
///         Ok(Outcome { stop: StopReason::Complete, model: "plain".to_owned() })
///     }
/// }
/// let mut events = Vec::new();
/// Plain.feed(b"hello", &mut events).unwrap();
/// assert_eq!(events, [Event::Text("hello".to_owned())]);
/// ```
pub trait Decoder {
    /// Reads a piece, cut anywhere, and emits what is complete.
    ///
    /// # Errors
    /// What the vendor reported, what cannot be read, or what `sink` answered.
    fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error>;

    /// Says how the answer ended, once the stream has.
    ///
    /// # Errors
    /// `network` when the stream ended before the answer did.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Outcome, Error>;
}

/// Reads a stream to the end of the answer. Stops at the first error, so also when nobody listens any more. What one
/// read brought is emitted together; pieces of text that follow each other in it become one event.
///
/// # Errors
/// The first of source, decoder or sink.
///
/// ```
/// use cara_sdk::Error;
/// use cara_sdk::http::{Method, Request};
/// use cara_sdk::provider::{self, Decoder, Outcome, Progress, StopReason};
/// use cara_sdk::testing::{Reply, MockHost};
/// use cara_sdk::turn::{Event, Sink, Turn};
///
/// struct Plain;
/// impl Decoder for Plain {
///     fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
///         sink.emit(Event::Text(String::from_utf8_lossy(piece).into_owned()))?;
///         Ok(Progress::More)
///     }
///     fn finish(&mut self, _: &mut dyn Sink) -> Result<Outcome, Error> {
///         Ok(Outcome { stop: StopReason::Complete, model: "plain".to_owned() })
///     }
/// }
/// let reply = Reply::new(200).body("hel").body("lo");
/// let mock = MockHost::new().reply(Method::Post, "https://h.example/chat", reply);
/// mock.run(|| {
///     let mut response = Request::post("https://h.example/chat").send()?;
///     provider::stream(&mut response, &mut Plain, &mut Turn)
/// })?;
/// assert_eq!(mock.events().len(), 2);
/// # Ok::<(), Error>(())
/// ```
pub fn stream(source: &mut dyn Chunks, decoder: &mut dyn Decoder, sink: &mut dyn Sink) -> Result<Outcome, Error> {
    while let Some(piece) = source.next_chunk()? {
        if gathered(sink, |events| decoder.feed(&piece, events))? == Progress::Done {
            break;
        }
    }
    gathered(sink, |events| decoder.finish(events))
}

/// Hands over at once what `work` emits, also what comes before an error.
fn gathered<T>(sink: &mut dyn Sink, work: impl FnOnce(&mut Gathered) -> Result<T, Error>) -> Result<T, Error> {
    let mut events = Gathered::default();
    let done = work(&mut events);
    if !events.0.is_empty() {
        sink.emit_all(events.0)?;
    }
    done
}

/// A tool call whose arguments have all come: they must be a JSON object; nothing at all counts as an empty one.
///
/// # Errors
/// `other` when they are anything else: the limit cut them off, or (worth another try) the model made a mistake.
///
/// ```
/// use cara_sdk::provider::{StopReason, complete_call};
///
/// let call = |arguments: &str| complete_call(StopReason::ToolCalls, "1".into(), "greet".into(), arguments.into());
/// assert_eq!(call("").unwrap().arguments, "{}");
/// assert!(call("{\"name\":").unwrap_err().retry);
/// ```
pub fn complete_call(stop: StopReason, id: String, name: String, arguments: String) -> Result<ToolCall, Error> {
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    let valid = serde_json::from_str::<serde::de::IgnoredAny>(&arguments).is_ok();
    if valid && arguments.trim_start().starts_with('{') && !name.is_empty() {
        return Ok(ToolCall { id, name, arguments });
    }
    if stop == StopReason::Length {
        return Err(Error::other(format!("the limit of the answer cut off a call of the tool `{name}`")));
    }
    let mut error = Error::other(format!("the model called the tool `{name}` with arguments that are no JSON object"));
    error.retry = true;
    Err(error)
}

/// Gives ids to tool calls where a vendor sends none, or one the contract does not allow.
///
/// The same for the same conversation, and unlike any earlier id in it.
///
/// ```
/// # use cara_sdk::provider::{CallIds, Request, ToolChoice};
/// # let request = Request {
/// #     model: String::new(), system: None, messages: Vec::new(), tools: Vec::new(), tool_choice: ToolChoice::Auto,
/// #     max_output_tokens: None, temperature: None, stop: Vec::new(), effort: None,
/// # };
/// let mut ids = CallIds::after(&request);
/// assert_eq!(ids.assign("call_abc"), "call_abc");
/// assert_eq!(ids.assign("not allowed!"), "call_2");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CallIds {
    next: usize,
}

impl CallIds {
    /// Counts on from the tool calls the conversation already has.
    #[must_use]
    pub fn after(request: &Request) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let next = parts.filter(|part| matches!(part, Part::ToolCall(_))).count();
        Self { next }
    }

    /// The vendor's id where it is `[A-Za-z0-9_-]{1,64}`, else one made here.
    pub fn assign(&mut self, vendor: &str) -> String {
        self.next += 1;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&vendor.len()) && vendor.bytes().all(allowed) {
            return vendor.to_owned();
        }
        format!("call_{}", self.next)
    }
}

/// Finds the tool call of the conversation that a result answers.
///
/// ```
/// # use cara_sdk::provider::{Request, ToolChoice, find_call};
/// # use cara_sdk::types::{Message, Part, Role, ToolCall};
/// # let call = ToolCall { id: "call_1".into(), name: "greet".into(), arguments: "{}".into() };
/// # let request = Request {
/// #     model: String::new(), system: None, tools: Vec::new(), tool_choice: ToolChoice::Auto,
/// #     messages: vec![Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] }],
/// #     max_output_tokens: None, temperature: None, stop: Vec::new(), effort: None,
/// # };
/// assert_eq!(find_call(&request, "call_1").unwrap().name, "greet");
/// assert!(find_call(&request, "call_2").is_none());
/// ```
#[must_use]
pub fn find_call<'a>(request: &'a Request, id: &str) -> Option<&'a ToolCall> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
        .find(|call| call.id == id)
}

/// Checks that a type is a provider, where no export is made.
#[doc(hidden)]
pub const fn check<T: Provider>() {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::turn::Event;

    struct Echo;
    impl Decoder for Echo {
        fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
            sink.emit(Event::Text(String::from_utf8_lossy(piece).into_owned()))?;
            Ok(if piece == b"end" { Progress::Done } else { Progress::More })
        }
        fn finish(&mut self, _: &mut dyn Sink) -> Result<Outcome, Error> {
            Ok(Outcome { stop: StopReason::Complete, model: "echo".to_owned() })
        }
    }

    struct Pieces(Vec<&'static [u8]>);
    impl Chunks for Pieces {
        fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
            Ok((!self.0.is_empty()).then(|| self.0.remove(0).to_vec()))
        }
    }

    struct Gone;
    impl Sink for Gone {
        fn emit(&mut self, _: Event) -> Result<(), Error> {
            Err(crate::types::Refusal::Cancelled.into())
        }
    }

    #[test]
    fn nothing_is_read_after_the_answer_is_complete() {
        let mut source = Pieces(vec![b"a", b"end", b"more"]);
        let mut events = Vec::new();
        stream(&mut source, &mut Echo, &mut events).unwrap();
        assert_eq!((events.len(), source.0.len()), (2, 1));
    }

    #[test]
    fn what_one_read_brought_is_handed_over_at_once() {
        struct Lines;
        impl Decoder for Lines {
            fn feed(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<Progress, Error> {
                for line in piece.split(|&byte| byte == b'\n') {
                    if line == b"!" {
                        return Err(Error::other("broken"));
                    }
                    sink.emit(Event::Text(String::from_utf8_lossy(line).into_owned()))?;
                }
                Ok(Progress::More)
            }
            fn finish(&mut self, _: &mut dyn Sink) -> Result<Outcome, Error> {
                Ok(Outcome { stop: StopReason::Complete, model: "lines".to_owned() })
            }
        }
        #[derive(Default)]
        struct Lists(Vec<Vec<Event>>);
        impl Sink for Lists {
            fn emit(&mut self, event: Event) -> Result<(), Error> {
                self.emit_all(vec![event])
            }
            fn emit_all(&mut self, events: Vec<Event>) -> Result<(), Error> {
                self.0.push(events);
                Ok(())
            }
        }
        let mut lists = Lists::default();
        let error = stream(&mut Pieces(vec![b"a\nb", b"c\n!"]), &mut Lines, &mut lists).unwrap_err();
        let text = |text: &str| vec![Event::Text(text.to_owned())];
        assert_eq!((lists.0, error.message.as_str()), (vec![text("ab"), text("c")], "broken"));
    }

    #[test]
    fn nothing_is_read_after_nobody_listens() {
        let mut source = Pieces(vec![b"a", b"b"]);
        let error = stream(&mut source, &mut Echo, &mut Gone).unwrap_err();
        assert!(!error.retry);
        assert_eq!(source.0.len(), 1);
    }

    #[test]
    fn arguments_are_an_object_or_an_error() {
        let call = |stop, arguments: &str| complete_call(stop, "1".to_owned(), "t".to_owned(), arguments.to_owned());
        let stop = StopReason::ToolCalls;
        assert_eq!(call(stop, " ").unwrap().arguments, "{}");
        assert_eq!(call(stop, "{\"a\":1}").unwrap().arguments, "{\"a\":1}");
        for broken in ["{\"a\":", "[1]", "null", "{} {}"] {
            assert!(call(stop, broken).unwrap_err().retry, "{broken}");
            assert!(!call(StopReason::Length, broken).unwrap_err().retry);
        }
    }

    #[test]
    fn an_id_the_contract_does_not_allow_is_replaced() {
        let mut ids = CallIds { next: 2 };
        assert_eq!(ids.assign("call_abc-1"), "call_abc-1");
        assert_eq!(ids.assign("functions.f:0"), "call_4");
        assert_eq!(ids.assign(""), "call_5");
        assert_eq!(ids.assign(&"x".repeat(65)), "call_6");
    }
}
