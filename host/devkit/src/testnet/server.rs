//! The scripted servers: TLS where the first byte says so, then HTTP/1.1.

use super::{Exchange, Expected, Heard, Testnet};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, DuplexStream};
use tokio_rustls::TlsAcceptor;

/// The first byte of TLS: a record of the handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// The largest request body that is read.
const BODY: usize = 8 * 1024 * 1024;

/// Serves one connection until its other end is gone.
pub(crate) async fn serve(testnet: Testnet, far: DuplexStream) {
    let mut far = BufReader::new(far);
    let Ok(first) = far.fill_buf().await.map(|bytes| bytes.first().copied()) else { return };
    if first == Some(HANDSHAKE) {
        // A client that breaks off the handshake is told why by its own side.
        if let Ok(wire) = TlsAcceptor::from(testnet.0.server.clone()).accept(far).await {
            answer(&testnet, "https", wire).await;
        }
    } else {
        answer(&testnet, "http", far).await;
    }
}

async fn answer<T: AsyncRead + AsyncWrite + Unpin>(testnet: &Testnet, scheme: &str, wire: T) {
    let service = service_fn(|request| async move { exchange(testnet, scheme, request).await });
    // The connection's end is the end of the exchange; what went wrong in it is a finding already.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
}

/// A request as it came, whole.
struct Came {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn exchange(testnet: &Testnet, scheme: &str, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("{scheme}://{host}{}", parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let body = Limited::new(body, BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let came = Came { method: parts.method, url, headers: parts.headers, body };
    if let Some(heard) = &mut testnet.script().heard {
        heard.push(Heard { method: came.method, url: came.url, body: came.body });
        let mut busy = Response::new(Full::new(Bytes::from_static(b"{\"error\":{\"message\":\"nobody is here\"}}")));
        *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(busy);
    }
    let next = testnet.script().next.pop_front();
    let Some(next) = next else {
        testnet.found(format!("`{} {}` was sent, which is not in the script", came.method, came.url));
        return Err(io::Error::other("the script is at its end"));
    };
    match differs(&next, &came) {
        None => Ok(next.reply.map(Full::new)),
        Some(finding) => {
            testnet.found(finding);
            Err(io::Error::other("the script wants another request"))
        }
    }
}

/// How a request is not the one that had to come.
fn differs(wanted: &Exchange, came: &Came) -> Option<String> {
    let (method, url) = (&wanted.method, &wanted.url);
    if (method, plain(&url.to_string())) != (&came.method, plain(&came.url)) {
        return Some(format!("`{} {}` was sent, the script wants `{method} {url}`", came.method, came.url));
    }
    let at = format!("`{method} {url}`");
    for (name, value) in &wanted.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match came.headers.get(name).map(|found| String::from_utf8_lossy(found.as_bytes())) {
            None => return Some(format!("{at} was sent without the header `{name}`")),
            Some(found) if found != value => {
                return Some(format!("{at} was sent with `{name}: {found}`, the script wants `{value}`"));
            }
            Some(_) => {}
        }
    }
    let text = || String::from_utf8_lossy(&came.body);
    match &wanted.body {
        Some(Expected::Text(wanted)) if wanted.as_bytes() != came.body => {
            Some(format!("{at} was sent with the body `{}`, the script wants `{wanted}`", text()))
        }
        Some(Expected::Json(wanted)) if serde_json::from_slice(&came.body).ok().as_ref() != Some(wanted) => {
            Some(format!("{at} was sent with the body `{}`, the script wants the JSON `{wanted}`", text()))
        }
        _ => None,
    }
}

/// A URL without the port its scheme has anyway.
fn plain(url: &str) -> String {
    let (head, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let usual = if head == "https" { ":443" } else { ":80" };
    let path = if path.is_empty() { "/" } else { path };
    format!("{head}://{}{path}", host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase())
}
