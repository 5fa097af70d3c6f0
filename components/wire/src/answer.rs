//! Answers of a server, whatever the format of their bodies.

use cara_sdk::Error;
use cara_sdk::http::{Request, Response};
use cara_sdk::turn::{Event, Sink};
use cara_sdk::types::Usage;

/// The most bytes of a list of models or of vectors.
pub const LIST_LIMIT: u64 = 32 << 20;

/// The most bytes that are read of an answer without success.
const FAULT_LIMIT: usize = 64 << 10;

/// Sends a request and answers with a success.
///
/// # Errors
/// As sending does; and what `failure` makes of a status and body without success, with the time the server asks to wait.
pub fn send(request: Request, failure: fn(u16, &[u8]) -> Error) -> Result<Response, Error> {
    let response = request.send()?;
    if response.is_success() {
        return Ok(response);
    }
    let (status, after) = (response.status(), response.retry_after_ms());
    Err(failure(status, &response.excerpt(FAULT_LIMIT)).after(after))
}

/// The vectors, when there is one for each of the `count` inputs.
///
/// # Errors
/// `network` when there are more or fewer.
pub fn counted(vectors: Vec<Vec<f32>>, count: usize) -> Result<Vec<Vec<f32>>, Error> {
    let found = vectors.len();
    if found == count {
        return Ok(vectors);
    }
    Err(Error::network(format!("the server answered {count} inputs with {found} vectors")))
}

/// Tells the tokens, when they have changed.
///
/// # Errors
/// What `sink` answers.
pub fn report(usage: Usage, known: &mut Usage, sink: &mut dyn Sink) -> Result<(), Error> {
    if usage == *known {
        return Ok(());
    }
    *known = usage;
    sink.emit(Event::Usage(usage))
}

/// The error of a stream that stopped in the middle.
#[must_use]
pub fn cut_off() -> Error {
    Error::network("the stream ended before the answer was complete")
}
