//! A chat network, as in `wit/channel.wit`.
//!
//! ```
//! use cara_sdk::Error;
//! use cara_sdk::channel::{Account, Action, Channel, Delivery, Event, Handled, Identity, Started, poll};
//! use cara_sdk::http::Request;
//! use cara_sdk::types::{Address, Outbound, Receipt};
//!
//! struct Wall;
//! cara_sdk::export_channel!(Wall);
//!
//! impl Channel for Wall {
//!     fn start(_: String) -> Result<Started, Error> {
//!         let me = Identity { id: "7".to_owned(), name: "wall".to_owned() };
//!         let next = poll("news", Request::get("https://wall.example/news"), 1_000)?;
//!         Ok(Started { me, delivery: Delivery::Blind, sources: vec![next] })
//!     }
//!     fn on_event(_: Account, event: Event) -> Result<Handled, Error> {
//!         let Event::Answered(answer) = event else { return Ok(Handled { next: Vec::new() }) };
//!         // Here would stand what reads `answer.response` and hands it in.
//!         Ok(Handled { next: vec![poll(&answer.id, Request::get("https://wall.example/news"), 1_000)?] })
//!     }
//!     fn send(_: Account, _: Address, message: Outbound) -> Result<Receipt, Error> {
//!         Ok(Receipt { message_id: message.idempotency_key })
//!     }
//!     fn confirm(_: Account, _: Address, _: String) -> Result<Option<Receipt>, Error> {
//!         Err(Error::unsupported("a wall cannot be asked"))
//!     }
//!     fn act(_: Account, _: Action) -> Result<(), Error> {
//!         Err(Error::unsupported("a wall shows messages and nothing else"))
//!     }
//! }
//!
//! let mock = cara_sdk::testing::MockHost::new();
//! assert_eq!(mock.run(|| Wall::start("main".to_owned())).unwrap().me.name, "wall");
//! ```

use crate::Error;
use crate::http::{Method, Request};

pub use crate::bindings::channel_component::exports::cara::plugin::channel::{
    Account, Action, Answer, Delivery, Event, Guest as Channel, Handled, Identity, Poll, Response, Source, Started,
    Timer,
};

/// Checks that a type is a channel, where no export is made.
#[doc(hidden)]
pub const fn check<T: Channel>() {}

/// A request for the host to make after some milliseconds. Its answer comes as an event with this id.
///
/// # Errors
/// A header of the request is no text.
///
/// ```
/// use cara_sdk::channel::{Source, poll};
/// use cara_sdk::http::Request;
///
/// let Ok(Source::Poll(poll)) = poll("news", Request::get("https://wall.example/"), 500) else { panic!() };
/// assert_eq!((poll.request.method.as_str(), poll.after_ms), ("GET", 500));
/// ```
pub fn poll(id: &str, request: Request, after_ms: u32) -> Result<Source, Error> {
    let headers = request.headers.into_iter().map(|(name, value)| {
        let value = String::from_utf8(value);
        value.map(|value| (name.clone(), value)).map_err(|_| Error::bad_request(format!("header `{name}` is no text")))
    });
    let request = crate::bindings::channel_component::exports::cara::plugin::channel::Request {
        method: name(request.method),
        url: request.url,
        headers: headers.collect::<Result<_, _>>()?,
        body: request.body,
    };
    Ok(Source::Poll(Poll { id: id.to_owned(), request, after_ms }))
}

fn name(method: Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(other) => return other,
    }
    .to_owned()
}

/// ```
/// use cara_sdk::channel::Response;
///
/// let response = Response { status: 200, headers: vec![("Retry-After".into(), "3".into())], body: Vec::new() };
/// assert_eq!(response.header("retry-after"), Some("3"));
/// assert!(response.is_success());
/// ```
impl Response {
    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// The first header of a name, any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}
