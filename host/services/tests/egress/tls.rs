//! TLS: who is trusted, which name is checked, which protocol is spoken.

use crate::fixture::{Fixture, Server, get, grants_of, limits};
use bytes::Bytes;
use cara_authority::Grants;
use cara_services::egress::{AnswerBody, EgressError, Roots};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::sync::Arc;

const MANIFEST: &str = "[[http]]\nhost = \"*\"\nmethods = [\"GET\"]\nwhy = \"a test\"";

/// A certificate authority of the test's own.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        Self { issuer: rcgen::Issuer::new(parameters, key), certificate }
    }

    /// A client that trusts this authority alone.
    pub fn roots(&self) -> Roots {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Roots::Given(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// A server with a certificate for a name. It answers with the version that is spoken and the host it was asked for.
    pub fn server(&self, name: &str, protocols: &[&str]) -> Server {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Arc::new(move |wire| {
            let acceptor = acceptor.clone();
            Box::pin(async move {
                let Ok(stream) = acceptor.accept(wire).await else { return };
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
                    let host = host.or(request.uri().authority().map(ToString::to_string)).unwrap();
                    let text = format!("{:?} {host}", request.version());
                    let endless =
                        futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 16384]))));
                    Ok::<_, Infallible>(http::Response::new(match request.uri().path() {
                        "/endless" => StreamBody::new(endless).boxed_unsync(),
                        _ => Full::new(Bytes::from(text)).boxed_unsync(),
                    }))
                });
                let stream = TokioIo::new(stream);
                let _ = if h2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(stream, service)
                        .await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
                };
            })
        })
    }
}

async fn ask(fixture: &Fixture, url: &str) -> Result<String, EgressError> {
    fixture.send(&Vec::new(), get(url)).await.map(|answer| answer.text())
}

#[tokio::test]
async fn a_trusted_server_is_spoken_to_in_http_2_over_one_connection() {
    let authority = Authority::new();
    let fixture = Fixture::new(MANIFEST, authority.server("api.example.com", &["h2", "http/1.1"]), authority.roots());
    fixture.names.answer("api.example.com", "1.1.1.1, 2606:4700::1");
    for _ in 0..3 {
        assert_eq!(ask(&fixture, "https://api.example.com/x").await.unwrap(), "HTTP/2.0 api.example.com");
    }
    assert_eq!(*fixture.pipes.dialed.lock().unwrap(), ["1.1.1.1:443".parse().unwrap()]);
    assert_eq!(*fixture.names.asked.lock().unwrap(), ["api.example.com"]);
}

#[tokio::test]
async fn http_1_is_spoken_where_it_is_all_there_is() {
    let authority = Authority::new();
    let fixture = Fixture::new(MANIFEST, authority.server("api.example.com", &["http/1.1"]), authority.roots());
    fixture.names.answer("api.example.com", "1.1.1.1");
    assert_eq!(ask(&fixture, "https://API.example.com./").await.unwrap(), "HTTP/1.1 api.example.com");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let fixture = Fixture::new(MANIFEST, authority.server("other.example.com", &["h2"]), authority.roots());
    fixture.names.answer("api.example.com", "1.1.1.1");
    let error = ask(&fixture, "https://api.example.com").await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("no trusted connection to `https://api.example.com`: ")
            && text.contains("\nhint: the server's certificate"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fixture = Fixture::new(MANIFEST, stranger.server("api.example.com", &["h2"]), authority.roots());
    fixture.names.answer("api.example.com", "1.1.1.1");
    assert!(matches!(ask(&fixture, "https://api.example.com").await, Err(EgressError::Tls { .. })));
}

#[tokio::test]
async fn the_platforms_roots_do_not_trust_a_strangers_authority() {
    let fixture = Fixture::new(MANIFEST, Authority::new().server("api.example.com", &["h2"]), Roots::Platform);
    fixture.names.answer("api.example.com", "1.1.1.1");
    assert!(matches!(ask(&fixture, "https://api.example.com").await, Err(EgressError::Tls { .. })));
}

#[tokio::test]
async fn answers_that_one_component_leaves_unread_hold_up_no_other() {
    let authority = Authority::new();
    let fixture = Fixture::new(MANIFEST, authority.server("api.example.com", &["h2"]), authority.roots());
    fixture.names.answer("api.example.com", "1.1.1.1");
    let mut unread = Vec::new();
    for _ in 0..3 {
        unread.push(open(&fixture, &fixture.grants, "https://api.example.com/endless").await);
    }
    // All that the server may send unasked is on its way, or here.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    for (grants, lines) in [(grants_of("stranger", MANIFEST), 2), (grants_of("guest", MANIFEST), 2)] {
        let mut other = open(&fixture, &grants, "https://api.example.com/endless").await.into_body();
        let (mut read, most) = (0, 8 << 20);
        let reading = async {
            while read < most {
                read += other.frame().await.unwrap().unwrap().into_data().unwrap().len();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("its stream goes on");
        assert_eq!(fixture.pipes.dialed.lock().unwrap().len(), lines, "each has a connection of its own");
    }
}

async fn open(fixture: &Fixture, grants: &Grants, url: &str) -> http::Response<AnswerBody> {
    let request = get(url);
    let destination = grants.destination(request.method(), request.uri()).unwrap();
    fixture.egress.send(destination, request, &[], &limits()).await.unwrap()
}
