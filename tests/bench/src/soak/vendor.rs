//! A vendor who says a word at a time, in OpenAI's form.

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Words of an answer.
pub(super) const WORDS: u32 = 20;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves for as long as this process lasts.
pub(super) fn serve(pace: Duration) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let (address, listener) = (listener.local_addr()?, TcpListener::from_std(listener)?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(move |request| async move { answer(request, pace).await });
            // Who goes away ends it.
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, pace: Duration) -> Result<Response<Body>, hyper::Error> {
    let (head, asked) = request.into_parts();
    // Read before it is answered: hyper closes a connection behind an answer to what is half read, whoever uses it next.
    asked.collect().await?;
    let (kind, body) = match head.method {
        Method::GET => ("application/json", Full::from(r#"{"data":[{"id":"m-1"}]}"#).boxed_unsync()),
        _ => ("text/event-stream", words(pace)),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

fn words(pace: Duration) -> Body {
    let next = move |number: u32| async move {
        let text = match number {
            0..WORDS => {
                sleep(pace).await;
                r#"data: {"id":"v","object":"chat.completion.chunk","model":"m-1","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}"#
            }
            WORDS => {
                r#"data: {"id":"v","object":"chat.completion.chunk","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
            }
            _ if number == WORDS + 1 => "data: [DONE]",
            _ => return None,
        };
        Some((Ok(Frame::data(Bytes::from(format!("{text}\n\n")))), number + 1))
    };
    StreamBody::new(stream::unfold(0, next)).boxed_unsync()
}
