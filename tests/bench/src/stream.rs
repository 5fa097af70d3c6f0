//! A streamed answer through a provider component, and through a plain client.

use crate::Counts;
use crate::samples::timed_in_turns;
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use cara_harness::{Subject, Testbed};
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The component, and the key it spends.
const PROVIDER: &str = "openai";
const KEY: &str = "sk-bench-6f0a1d2c3b4e5968778695a4b3c2d1e0";

/// How the server cuts the answer.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// As it comes from a fast model: a chunk for each event.
    Events,
    /// As it comes through a buffering proxy.
    Whole,
}

impl Cut {
    /// The path below which the server answers like this.
    fn base(self) -> &'static str {
        match self {
            Self::Events => "/events",
            Self::Whole => "/whole",
        }
    }
}

/// Streams both ways, cut both ways.
pub(crate) async fn measure(counts: Counts) -> Result<Vec<Row>> {
    let events = counts.events;
    let address = serve(answer(events))?;
    let testbed = Testbed::new().await;
    testbed.secrets.set(PROVIDER, "api-key", KEY);
    let client: Plain = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut rows = Vec::new();
    for cut in [Cut::Events, Cut::Whole] {
        let base = format!("http://{address}{}", cut.base());
        let subject = testbed.first_party(PROVIDER).setting("base-url", base.clone()).load();
        let ours = || through_component(&subject, events);
        let floor = || through_client(&client, &base, events);
        let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
        let (how, most) = match cut {
            Cut::Events => ("a chunk each", 1.2),
            Cut::Whole => ("in one body", 2.5),
        };
        rows.push(Row {
            name: format!("stream: {events} events, {how}"),
            against: "a plain hyper client with typed serde_json",
            ours,
            floor,
            unit: Unit::Time,
            aim: Aim::Times(most),
        });
    }
    Ok(rows)
}

async fn through_component(subject: &Subject, events: usize) -> Result<()> {
    let completed = subject.complete("gpt-5-mini").await;
    // Pieces of text that came together are one event: what counts is that no word is missing.
    let texts = completed.text().matches(" word").count();
    completed.ended?.map_err(|error| anyhow::anyhow!("`{PROVIDER}` failed: {error:?}"))?;
    ensure!(texts == events, "{texts} events came of {events}");
    Ok(())
}

type Plain = Client<HttpConnector, Full<Bytes>>;

/// What the plain client reads of an event; the rest is skipped, as a component does.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

async fn through_client(client: &Plain, base: &str, events: usize) -> Result<()> {
    let request = Request::post(format!("{base}/chat/completions"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(br#"{"model":"gpt-5-mini","stream":true,"messages":[]}"#)))?;
    let mut body = client.request(request).await?.into_body();
    let (mut held, mut texts) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        held.extend_from_slice(&data);
        let mut done = 0;
        while let Some(end) = memchr::memchr(b'\n', &held[done..]) {
            texts.extend(text(&held[done..done + end])?);
            done += end + 1;
        }
        held.drain(..done);
    }
    ensure!(texts.len() == events, "{} events came of {events}", texts.len());
    Ok(())
}

/// The text of one line, if it has one.
fn text(line: &[u8]) -> Result<Option<String>> {
    let Some(data) = line.strip_prefix(b"data: ").filter(|data| *data != b"[DONE]") else { return Ok(None) };
    let chunk: Chunk<'_> = serde_json::from_slice(data)?;
    Ok(chunk.choices.into_iter().next().and_then(|choice| choice.delta.content).map(Cow::into_owned))
}

/// The events of an answer, as OpenAI's API sends them: so many texts, a reason to stop, and the end.
fn answer(events: usize) -> Vec<Bytes> {
    let event = |delta: &str, reason: &str| {
        Bytes::from(format!(
            "data: {{\"id\":\"chatcmpl-CbXk2vQm0PjTz1aR8sYw3uLh5nEd\",\"object\":\"chat.completion.chunk\",\
             \"created\":1795212000,\"model\":\"gpt-5-mini\",\"service_tier\":\"default\",\"system_fingerprint\":null,\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}],\
             \"obfuscation\":\"q0Zr8\"}}\n\n"
        ))
    };
    let text = |number: usize| event(&format!("{{\"content\":\" word{number}\"}}"), "null");
    let mut all: Vec<Bytes> = (0..events).map(text).collect();
    all.extend([event("{}", "\"stop\""), Bytes::from_static(b"data: [DONE]\n\n")]);
    all
}

/// Starts the server on a thread of its own, so that it takes no turn of either client. It ends with the process.
fn serve(events: Vec<Bytes>) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("loopback has no free port")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let whole: Bytes = events.concat().into();
    let events = Arc::new(events);
    std::thread::Builder::new()
        .name("server".into())
        .spawn(move || runtime.block_on(accept(listener, events, whole)))?;
    Ok(address)
}

async fn accept(listener: std::net::TcpListener, events: Arc<Vec<Bytes>>, whole: Bytes) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (events, whole) = (events.clone(), whole.clone());
        let service = service_fn(move |request| respond(request, events.clone(), whole.clone()));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn respond(
    request: Request<Incoming>,
    events: Arc<Vec<Bytes>>,
    whole: Bytes,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let cut = if request.uri().path().starts_with(Cut::Events.base()) { Cut::Events } else { Cut::Whole };
    request.into_body().collect().await?;
    let body = match cut {
        Cut::Whole => Full::new(whole).boxed(),
        Cut::Events => {
            let frames = (0..events.len()).map(move |at| Ok(Frame::data(events[at].clone())));
            BodyExt::boxed(StreamBody::new(stream::iter(frames)))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/event-stream"));
    Ok(response)
}
