//! Offering language models, as in `wit/provider.wit`,
//! and the loop that streams an answer.

use crate::Error;
pub use crate::bindings::provider_component::exports::cara::plugin::provider::{
    Abilities, Effort, EmbedRequest, Embeddings, Guest as Provider, JsonSchema, Model, Outcome, Request,
    ResponseFormat, StopReason, ToolChoice,
};
use crate::http::Chunks;
use crate::turn::{Gathered, Sink};
use crate::types::{Message, Part, ToolCall};

/// ```
/// use cara_sdk::provider::{Request, ToolChoice};
///
/// let request = Request { seed: Some(7), ..Request::new("small", Vec::new()) };
/// assert_eq!((request.tool_choice, request.temperature), (ToolChoice::Auto, None));
/// ```
impl Request {
    /// A request that leaves all else to the vendor.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            system: None,
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            response_format: ResponseFormat::Text,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            presence_penalty: None,
            frequency_penalty: None,
            seed: None,
            stop: Vec::new(),
            effort: None,
        }
    }

    /// The names of all that can be asked for besides a model's answer to messages, as the contract spells them.
    pub const OPTIONS: [&str; 12] = [
        "tool-choice",
        "parallel-tool-calls",
        "response-format",
        "max-output-tokens",
        "temperature",
        "top-p",
        "top-k",
        "presence-penalty",
        "frequency-penalty",
        "seed",
        "stop",
        "effort",
    ];

    /// Refuses what is asked for and is not in `known`, so that a provider which passes on a few options drops none of the
    /// others. A choice counts where it demands a call.
    ///
    /// # Errors
    /// `unsupported`, with the name of the first.
    ///
    /// ```
    /// use cara_sdk::provider::Request;
    ///
    /// let request = Request { seed: Some(7), ..Request::new("small", Vec::new()) };
    /// assert_eq!(request.only(&["stop"]).unwrap_err().message, "this provider has no `seed`");
    /// assert!(request.only(&["seed"]).is_ok());
    /// ```
    pub fn only(&self, known: &[&str]) -> Result<(), Error> {
        let asked = [
            matches!(self.tool_choice, ToolChoice::Required | ToolChoice::Named(_)),
            self.parallel_tool_calls.is_some(),
            self.response_format != ResponseFormat::Text,
            self.max_output_tokens.is_some(),
            self.temperature.is_some(),
            self.top_p.is_some(),
            self.top_k.is_some(),
            self.presence_penalty.is_some(),
            self.frequency_penalty.is_some(),
            self.seed.is_some(),
            !self.stop.is_empty(),
            self.effort.is_some(),
        ];
        let mut asked = Self::OPTIONS.into_iter().zip(asked).filter(|&(_, asked)| asked);
        match asked.find(|(name, _)| !known.contains(name)) {
            Some((name, _)) => Err(Error::unsupported(format!("this provider has no `{name}`"))),
            None => Ok(()),
        }
    }
}

/// ```
/// use cara_sdk::provider::{Outcome, StopReason};
///
/// let outcome = Outcome { request_id: Some("req_1".to_owned()), ..Outcome::new(StopReason::Complete, "small") };
/// assert_eq!(outcome.stop_sequence, None);
/// ```
impl Outcome {
    /// An end of which the vendor tells no more.
    pub fn new(stop: StopReason, model: impl Into<String>) -> Self {
        Self { stop, model: model.into(), request_id: None, stop_sequence: None, fingerprint: None }
    }
}

/// ```
/// use cara_sdk::provider::{Abilities, Model};
///
/// let abilities = Abilities { tools: Some(true), ..Abilities::unknown() };
/// assert_eq!(Model { abilities, ..Model::new("small") }.name, "small");
/// ```
impl Model {
    /// A model of which the vendor tells only the id.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        let name = id.clone();
        Self { id, name, context_tokens: None, output_tokens: None, abilities: Abilities::unknown() }
    }
}

/// ```
/// assert_eq!(cara_sdk::provider::Abilities::unknown().images, None);
/// ```
impl Abilities {
    /// Nothing of which is said.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            tools: None,
            images: None,
            audio: None,
            files: None,
            structured_output: None,
            reasoning: None,
            embeddings: None,
        }
    }
}

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
///         Ok(Outcome::new(StopReason::Complete, "plain"))
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
///         Ok(Outcome::new(StopReason::Complete, "plain"))
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
/// use cara_sdk::provider::{CallIds, Request};
///
/// let mut ids = CallIds::after(&Request::new("small", Vec::new()));
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
/// use cara_sdk::provider::{Request, find_call};
/// use cara_sdk::types::{Message, Part, Role, ToolCall};
///
/// let call = ToolCall { id: "call_1".into(), name: "greet".into(), arguments: "{}".into() };
/// let message = Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] };
/// let request = Request::new("small", vec![message]);
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
            Ok(Outcome::new(StopReason::Complete, "echo"))
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
                Ok(Outcome::new(StopReason::Complete, "lines"))
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
