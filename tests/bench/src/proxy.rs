//! Two servers in processes of their own: a model's, which answers at once,
//! and a bare hyper proxy before it.
//!
//! `cara-bench serve model` and `cara-bench serve proxy ADDRESS` print the address they listen at, and end with their
//! standard input.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// The word with which this program serves: `serve model`, `serve proxy ADDRESS`.
pub(crate) const SERVE: &str = "serve";

/// Chunks of a long answer, each with a word.
pub(crate) const CHUNKS: usize = 64;

/// What asks for a long answer.
pub(crate) const MUCH: &str = "Say much, please.";

/// A server in a process of its own, ended with the value.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts `cara-bench serve` with these words.
    pub(crate) fn start(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(SERVE).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("the output is a pipe")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        let address = line.trim().parse().with_context(|| format!("`serve {}` does not listen", words.join(" ")))?;
        Ok(Self { child, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the standard input ends.
pub(crate) fn serve(words: &[&str]) -> Result<()> {
    // As many threads as the machine of the figures has cores.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::table::answer(&listener.local_addr()?.to_string());
        let serving = match words {
            ["model"] => tokio::spawn(model(listener)),
            ["proxy", address] => tokio::spawn(proxy(listener, address.parse()?)),
            _ => bail!("`serve` serves `model` or `proxy ADDRESS`"),
        };
        let mut end = Vec::new();
        tokio::io::stdin().take(1).read_to_end(&mut end).await?;
        serving.abort();
        Ok(())
    })
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn model(listener: TcpListener) {
    while let Ok((connection, _)) = listener.accept().await {
        let _ = connection.set_nodelay(true);
        let service = service_fn(|request: Request<Incoming>| async {
            let body = request.into_body().collect().await?.to_bytes();
            let says = |text: &str| memchr::memmem::find(&body, text.as_bytes()).is_some();
            let answer = match says(r#""stream":true"#) {
                true if says(MUCH) => in_chunks((0..CHUNKS).map(|_| " word")),
                // A provider component streams always, also for who wants the whole.
                true => in_chunks(["Hello, world"].into_iter()),
                false => whole(),
            };
            Ok::<_, hyper::Error>(answer)
        });
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(serving);
    }
}

/// An answer as a model's server sends it, in one body.
fn whole() -> Answer {
    let text = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hello, world"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":3,"total_tokens":11}}"#;
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never: Infallible| match never {});
    let answer = Response::builder().header("content-type", "application/json");
    answer.body(body.boxed()).unwrap_or_default()
}

/// The same with each text in an event, and each event sent by itself.
fn in_chunks(texts: impl Iterator<Item = &'static str> + Send + Sync + 'static) -> Answer {
    let event = |delta: &str, finish: &str| {
        format!(
            r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-5-mini","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
        ) + "\n\n"
    };
    let texts = texts.map(move |text| event(&format!(r#"{{"content":"{text}"}}"#), "null"));
    let usage = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":64,"total_tokens":72}}"#;
    let end = [event("{}", r#""stop""#), format!("{usage}\n\n"), "data: [DONE]\n\n".to_owned()];
    let events = stream::unfold(texts.chain(end), |mut left| async {
        // What comes by itself is written by itself, as a model sends it.
        tokio::task::yield_now().await;
        let event = left.next()?;
        Some((Ok(Frame::data(Bytes::from(event))), left))
    });
    let answer = Response::builder().header("content-type", "text/event-stream");
    answer.body(StreamBody::new(events).boxed()).unwrap_or_default()
}

/// Leads each request on, over connections that are kept, and each frame of its answer back. This is the floor.
async fn proxy(listener: TcpListener, to: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    while let Ok((connection, _)) = listener.accept().await {
        let _ = connection.set_nodelay(true);
        let client = client.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let client = client.clone();
            async move {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                let uri: Result<Uri, _> = format!("http://{to}{path}").parse();
                if let Ok(uri) = uri {
                    *request.uri_mut() = uri;
                }
                client.request(request).await
            }
        });
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(serving);
    }
}
