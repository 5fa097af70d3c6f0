//! Answers of a server, whatever the format of their bodies.

use cara_sdk::Error;
use cara_sdk::http::{Request, Response};
use cara_sdk::provider::EmbedRequest;
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
    let (status, after, id) = (response.status(), response.retry_after_ms(), request_id(&response));
    let mut error = failure(status, &response.excerpt(FAULT_LIMIT)).after(after);
    if let Some(id) = id {
        let end = error.message.find('\n').unwrap_or(error.message.len());
        error.message.insert_str(end, &format!(" (request `{id}`)"));
    }
    Err(error)
}

/// The id under which the vendor's support finds a request, where the answer has one that is fit to be shown.
#[must_use]
pub fn request_id(response: &Response) -> Option<String> {
    let id = response.header("x-request-id").or_else(|| response.header("request-id"))?;
    let fit = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'`');
    fit.then(|| id.to_owned())
}

/// The vectors, when there is one for each input, as long as was asked for.
///
/// # Errors
/// `network` when there are more or fewer; `unsupported` when the server took no notice of `dimensions`.
pub fn counted(vectors: Vec<Vec<f32>>, request: &EmbedRequest) -> Result<Vec<Vec<f32>>, Error> {
    let (count, found) = (request.inputs.len(), vectors.len());
    if found != count {
        return Err(Error::network(format!("the server answered {count} inputs with {found} vectors")));
    }
    let wanted = request.dimensions.and_then(|wanted| usize::try_from(wanted).ok());
    match vectors.first().map(Vec::len) {
        Some(length) if wanted.is_some_and(|wanted| wanted != length) => {
            let model = &request.model;
            Err(Error::unsupported(format!("`{model}` has no `dimensions`: its vectors have {length} numbers")))
        }
        _ => Ok(vectors),
    }
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
