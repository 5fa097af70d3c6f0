//! Attacks through HTTP: wrong places, dripping, hoarding.

use crate::{Answer, say};
use cara_sdk::Error;
use cara_sdk::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;
use cara_sdk::bindings::provider_component::wasi::http::outgoing_handler::handle;
use cara_sdk::bindings::provider_component::wasi::http::types::{Fields, OutgoingBody, OutgoingRequest, Scheme};
use cara_sdk::bindings::provider_component::wasi::io::streams::StreamError;
use cara_sdk::http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

/// A request to be made.
#[derive(Deserialize)]
pub(crate) struct Plan {
    pub(crate) url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
    /// The media type of the body.
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Sends a request and tells everything about the answer.
pub(crate) fn request(plan: &Plan) -> Answer {
    let (response, body) = send(plan)?;
    say(json!({ "status": response, "body": body }).to_string())
}

/// Sends a request; the status and body that came back, the headers as first lines of the body.
pub(crate) fn send(plan: &Plan) -> Result<(u16, String), Error> {
    let method = match plan.method.as_deref() {
        None if plan.body.is_some() => Method::Post,
        None | Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some(other) => Method::Other(other.to_owned()),
    };
    let mut request = Request::new(method, plan.url.clone());
    for (name, value) in &plan.headers {
        request = request.header(name, value.clone());
    }
    if let Some(body) = &plan.body {
        request = request.body(plan.kind.as_deref().unwrap_or("text/plain"), body.clone().into_bytes());
    }
    let response = request.send()?;
    let status = response.status();
    Ok((status, everything(response)?))
}

/// Headers that a test looks at, and the body.
fn everything(response: Response) -> Result<String, Error> {
    let mut text = String::new();
    for name in ["location", "x-echo", "x-echo-base64", "set-cookie", "content-encoding"] {
        if let Some(value) = response.header(name) {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text.push_str(&String::from_utf8_lossy(&response.bytes(32 << 20)?));
    Ok(text)
}

#[derive(Deserialize)]
pub(crate) struct Hoard {
    url: String,
    count: usize,
}

/// Opens requests and reads no answer; says how many the host let it open.
pub(crate) fn hoard_requests(args: &Hoard) -> Answer {
    let mut kept = Vec::new();
    for _ in 0..args.count {
        match Request::get(&args.url).send() {
            Ok(response) => kept.push(response),
            Err(_) => break,
        }
    }
    say(kept.len().to_string())
}

#[derive(Deserialize)]
pub(crate) struct Drip {
    authority: String,
    every_ms: u64,
    count: usize,
}

/// Sends a body byte by byte with a pause after each, and never ends it.
pub(crate) fn drip_request(args: &Drip) -> Answer {
    let broken = || Error::network("the request could not be made");
    let request = plain(&args.authority, Fields::new())?;
    let body: OutgoingBody = request.body().map_err(|()| broken())?;
    let stream = body.write().map_err(|()| broken())?;
    let answer = handle(request, None).map_err(|code| Error::network(code.to_string()))?;
    for _ in 0..args.count {
        stream.blocking_write_and_flush(b".").map_err(|_| broken())?;
        subscribe_duration(args.every_ms * 1_000_000).block();
    }
    answer.subscribe().block();
    say("dripped")
}

/// A request to an authority, by the host's interface alone.
fn plain(authority: &str, headers: Fields) -> Result<OutgoingRequest, Error> {
    let broken = |()| Error::network("the request could not be made");
    let request = OutgoingRequest::new(headers);
    request.set_method(&Method::Post).map_err(broken)?;
    request.set_scheme(Some(&Scheme::Http)).map_err(broken)?;
    request.set_authority(Some(authority)).map_err(broken)?;
    request.set_path_with_query(Some("/")).map_err(broken)?;
    Ok(request)
}

#[derive(Deserialize)]
pub(crate) struct Bodies {
    count: usize,
}

/// Fills bodies of requests that are never sent, as far as the host lets it, and keeps them.
pub(crate) fn hoard_bodies(args: &Bodies) -> Answer {
    let broken = || Error::network("the body could not be made");
    let filling = vec![b'x'; 1 << 20];
    for _ in 0..args.count {
        let request = plain("127.0.0.1:9", Fields::new())?;
        let body = request.body().map_err(|()| broken())?;
        let stream = body.write().map_err(|()| broken())?;
        loop {
            let room = usize::try_from(stream.check_write().map_err(|_| broken())?).unwrap_or(0);
            if room == 0 {
                break;
            }
            stream.write(&filling[..room.min(filling.len())]).map_err(|_| broken())?;
        }
        drop(stream);
        std::mem::forget((request, body));
    }
    say("hoarded")
}

#[derive(Deserialize)]
pub(crate) struct Strict {
    authority: String,
    bytes: usize,
}

/// Sends a body as a client of another make does: each step of writing it has to succeed.
pub(crate) fn strict_request(args: &Strict) -> Answer {
    let failed = |step: &'static str| move |error: StreamError| Error::network(format!("{step}: {error}"));
    let length = [("content-length".to_owned(), args.bytes.to_string().into_bytes())];
    let fields = Fields::from_list(&length).map_err(|error| Error::other(error.to_string()))?;
    let request = plain(&args.authority, fields)?;
    let body = request.body().map_err(|()| Error::network("no body"))?;
    let answer = handle(request, None).map_err(|code| Error::network(code.to_string()))?;
    let stream = body.write().map_err(|()| Error::network("no stream"))?;
    let mut left = args.bytes;
    while left > 0 {
        let room = usize::try_from(stream.check_write().map_err(failed("check"))?).unwrap_or(0).min(left);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        stream.write(&vec![b'x'; room]).map_err(failed("write"))?;
        left -= room;
    }
    // What a client waits for after the other side took everything.
    answer.subscribe().block();
    stream.blocking_flush().map_err(failed("flush"))?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| Error::network(code.to_string()))?;
    match answer.get() {
        Some(Ok(Ok(response))) => say(response.status().to_string()),
        other => Err(Error::network(format!("{other:?}"))),
    }
}
