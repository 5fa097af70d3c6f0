//! TLS: what is shown, whose certificates count, and what a change does to
//! connections that are there.

use super::*;
use cara_control::ClientCertificates;
use cara_control::reachable::ShownCertificate;
use cara_control::tls::TlsMaterial;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::io;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Certified = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// An authority, and what it signed.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn key_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issues(&self, serial: u64, purpose: ExtendedKeyUsagePurpose) -> Certified {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key_of(&key))
    }

    fn client(&self, serial: u64) -> Certified {
        self.issues(serial, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// What a listener shows that this authority signed, and that takes its clients but the revoked ones.
    fn tls(&self, clients: ClientCertificates, revoked: &[u64]) -> Arc<Tls> {
        let (certificate, key) = self.issues(1, ExtendedKeyUsagePurpose::ServerAuth);
        let revoked_certs = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let shown = ShownCertificate { from: "files".into(), fingerprint: String::new(), expires_ms: u64::MAX };
        let material = TlsMaterial {
            chain: vec![certificate],
            key,
            clients,
            authorities: vec![self.certificate.clone()],
            revoked: vec![list.signed_by(&self.issuer).unwrap().into()],
            shown,
            fresh: false,
            lacks: Vec::new(),
            stamps: Vec::new(),
        };
        Arc::new(Tls::new(material).unwrap())
    }
}

/// A stage that shows what this authority signed.
fn stage(authority: &Authority, clients: ClientCertificates) -> Stage {
    let stage = Stage::roomy();
    stage.tls.send_replace(Some(authority.tls(clients, &[])));
    stage
}

/// Connects, with a certificate where there is one.
async fn connects(
    stage: &Stage,
    authority: &Authority,
    own: Option<Certified>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if own_is_http1(versions) {
        config.alpn_protocols.remove(0);
    }
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stage.connect().await).await
}

/// Two versions are offered where HTTP/2 is looked at, and one where a request is made by hand.
fn own_is_http1(versions: &[&'static SupportedProtocolVersion]) -> bool {
    versions.len() == 1
}

const OLD: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const NEW: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What is said about whoever asks; an error where the connection is refused.
async fn told(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(get_of("/peer").as_bytes()).await?;
    let mut buffer = vec![0; 16 * 1024];
    match timeout(HOUR, stream.read(&mut buffer)).await.expect("something is said")? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(String::from_utf8_lossy(&buffer[..read]).into_owned()),
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_http_2_is_agreed_on() {
    let authority = Authority::new();
    let stage = stage(&authority, ClientCertificates::Off);
    for versions in [OLD, NEW] {
        let mut stream = connects(&stage, &authority, None, versions).await.unwrap();
        let told = told(&mut stream).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 200") && told.contains("tls: true, certificate: None"), "{told}");
    }
    let stream = connects(&stage, &authority, None, rustls::ALL_VERSIONS).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_and_one_of_a_stranger_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (clients, without) in [(ClientCertificates::Required, false), (ClientCertificates::Optional, true)] {
        let stage = stage(&authority, clients);
        for versions in [OLD, NEW] {
            let tried = async |own: Option<Certified>| {
                let mut stream = connects(&stage, &authority, own, versions).await?;
                told(&mut stream).await
            };
            let good = tried(Some(authority.client(7))).await.unwrap();
            assert!(good.contains("ClientCertificate { fingerprint: \"") && good.contains("subject: \"CN="), "{good}");
            assert!(tried(Some(stranger.client(7))).await.is_err());
            assert_eq!(tried(None).await.is_ok(), without);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_revoked_ends_its_connections_and_opens_no_more() {
    let authority = Authority::new();
    let stage = stage(&authority, ClientCertificates::Required);
    let [revoked, other] = [7, 8].map(|serial| authority.client(serial));
    let copy = |(certificate, key): &Certified| (certificate.clone(), key.clone_key());
    let mut live = connects(&stage, &authority, Some(copy(&revoked)), NEW).await.unwrap();
    let mut beside = connects(&stage, &authority, Some(copy(&other)), NEW).await.unwrap();
    told(&mut live).await.unwrap();
    told(&mut beside).await.unwrap();
    let tls = authority.tls(ClientCertificates::Required, &[7]);
    stage.tls.send_replace(Some(tls.clone()));
    stage.shared.places.end_unless(|chain| tls.takes(chain));
    let ended = timeout(Duration::from_secs(1), live.read(&mut [0; 64])).await.expect("it ends within a second");
    assert!(ended.is_err() || ended.unwrap() == 0);
    assert!(told(&mut beside).await.is_ok(), "another's connection goes on");
    for versions in [OLD, NEW] {
        let again = async {
            let mut stream = connects(&stage, &authority, Some(copy(&revoked)), versions).await?;
            told(&mut stream).await
        };
        assert!(again.await.is_err());
        assert!(connects(&stage, &authority, Some(copy(&other)), versions).await.is_ok());
    }
}

#[tokio::test]
async fn a_certificate_that_is_revoked_ends_what_its_connections_became() {
    let authority = Authority::new();
    let stage = stage(&authority, ClientCertificates::Required);
    let opens = async |serial: u64| {
        let mut stream = connects(&stage, &authority, Some(authority.client(serial)), NEW).await.unwrap();
        let head = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; 1024];
        let read = timeout(HOUR, stream.read(&mut said)).await.unwrap().unwrap();
        assert!(said[..read].starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
        stream
    };
    let (mut revoked, mut other) = (opens(7).await, opens(8).await);
    let tls = authority.tls(ClientCertificates::Required, &[7]);
    stage.tls.send_replace(Some(tls.clone()));
    stage.shared.places.end_unless(|chain| tls.takes(chain));
    let ended = timeout(Duration::from_secs(1), revoked.read(&mut [0; 64])).await.expect("it ends within a second");
    assert!(ended.is_err() || ended.unwrap() == 0);
    // A ping of another's is answered.
    other.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut pong = [0; 2];
    timeout(HOUR, other.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_who_comes_and_ends_nobody_who_is_there() {
    let (before, after) = (Authority::new(), Authority::new());
    let stage = stage(&before, ClientCertificates::Off);
    let mut there = connects(&stage, &before, None, NEW).await.unwrap();
    told(&mut there).await.unwrap();
    stage.tls.send_replace(Some(after.tls(ClientCertificates::Off, &[])));
    assert!(connects(&stage, &before, None, NEW).await.is_err());
    assert!(connects(&stage, &after, None, NEW).await.is_ok());
    assert!(told(&mut there).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_finished_ends() {
    let authority = Authority::new();
    let stage = stage(&authority, ClientCertificates::Off);
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = stage.connect().await;
        stream.write_all(begun).await.unwrap();
        let since = tokio::time::Instant::now();
        assert!(ends(&mut stream).await.is_some());
        assert!(since.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(stage.shared.places.count(), 0);
}

#[tokio::test]
async fn who_speaks_plainly_where_tls_is_wanted_gets_no_answer() {
    let authority = Authority::new();
    let stage = stage(&authority, ClientCertificates::Off);
    let mut stream = stage.connect().await;
    let said = asks(&mut stream, &get_of("/")).await;
    assert!(!said.contains("HTTP/1.1"), "{said}");
}

#[test]
fn parts_that_do_not_belong_together_are_told() {
    let authority = Authority::new();
    let tls = authority.tls(ClientCertificates::Off, &[]);
    let TlsMaterial { chain, shown, .. } = &tls.material;
    let material = TlsMaterial {
        chain: chain.clone(),
        key: authority.client(9).1,
        clients: ClientCertificates::Off,
        authorities: Vec::new(),
        revoked: Vec::new(),
        shown: shown.clone(),
        fresh: false,
        lacks: Vec::new(),
        stamps: Vec::new(),
    };
    let Err(error) = Tls::new(material) else { panic!("they are used") };
    assert!(error.message.contains("certificate and key cannot be used") && error.hint.is_some());
}
