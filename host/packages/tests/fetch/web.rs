//! Web servers: what they give, and what hostile ones try.

use crate::fixture::{Asked, Fixture, LOCAL, Step, answer, missing, ok, redirect};
use crate::package::signed;
use cara_packages::{Credentials, Deadlines, Phase, Progress};
use cara_services::vault::SecretValue;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PUBLIC: &str = "https://plugins.example.com/weather.wasm";

/// A server that gives the signature, and what the test says for the component.
fn server(component: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Fixture {
    let (_, bundle) = signed("1.0.0", 0);
    Fixture::new(move |asked| {
        if asked.path.ends_with(".sigstore.json") { ok(bundle.to_json().as_bytes()) } else { component(asked) }
    })
}

fn local() -> String {
    format!("{LOCAL}/weather.wasm")
}

#[tokio::test]
async fn a_component_and_its_signature_come_from_this_machine_and_from_the_network() {
    let (package, _) = signed("1.0.0", 200_000);
    let wasm = package.bytes().to_vec();
    let fixture = server(move |_| ok(&wasm));
    for url in [&local(), PUBLIC] {
        let fetched = fixture.fetch(url).await.unwrap();
        assert_eq!((fetched.wasm.as_slice(), fetched.bundles.len()), (package.bytes().as_ref(), 1));
        assert_eq!(fetched.source.to_string(), format!("{url}#{}", package.digest()));
        assert!(fixture.fetch(&fetched.source.to_string()).await.is_ok());
    }
    let told = fixture.told.lock().unwrap();
    let size = package.bytes().len() as u64;
    assert!(told.contains(&Progress { phase: Phase::Component, bytes: size, of: Some(size) }), "{told:?}");
    assert!(told.iter().filter(|told| told.phase == Phase::Component).count() > 4, "it is told on the way: {told:?}");
}

#[tokio::test]
async fn a_login_is_never_sent_to_a_web_server() {
    let mut fixture = server(|_| answer("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n", b""));
    let password = Arc::new(SecretValue::new(b"hunter2-hunter2".to_vec()).unwrap());
    fixture.credentials = Credentials::Basic { user: "me".into(), password };
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"
    `https://plugins.example.com/weather.wasm` answered 401 Unauthorized
    hint: it is not public; fetch it with your browser and name the file
    ");
    assert!(fixture.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_signed_are_told_apart() {
    let fixture = Fixture::new(|_| missing());
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"
    `https://plugins.example.com/weather.wasm` answered 404 Not Found
    hint: check the name; it is not there
    ");
    let fixture = Fixture::new(|asked| if asked.path.ends_with(".wasm") { ok(b"\0asm") } else { missing() });
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"
    `https://plugins.example.com/weather.wasm` has no signature: there is no `https://plugins.example.com/weather.wasm.sigstore.json`
    hint: its author has to sign it: `cara plugin sign`
    ");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    let fixture = server(|_| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n\0asm".to_vec();
        vec![Step::Write(head), Step::Wait(1000 * SECOND)]
    });
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` is larger than 67108864 bytes, which is the most that is fetched
    hint: do not trust that server, or ask the author for a smaller file
    ");
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_left_at_the_limit() {
    let fixture = Fixture::new(|_| {
        let part = vec![Step::Forever(vec![b' '; 8192], Duration::ZERO)];
        [answer("200 OK", "", b""), part].concat()
    });
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm.sigstore.json` is larger than 65536 bytes, which is the most that is fetched
    hint: do not trust that server, or ask the author for a smaller file
    ");
}

#[tokio::test]
async fn a_body_that_is_longer_or_shorter_than_it_says_is_not_the_pinned_one() {
    let (package, _) = signed("1.0.0", 600);
    let wasm = package.bytes().to_vec();
    let pinned = format!("{}#{}", local(), package.digest());
    let (longer, shorter) = (format!("content-length: {}\r\n", wasm.len() - 1), wasm.len() + 1);
    let sent = wasm.clone();
    let fixture = server(move |_| answer("200 OK", &longer, &sent));
    let text = fixture.refused(&pinned).await;
    assert!(text.starts_with("`http://127.0.0.1:5000/weather.wasm` has the digest `sha256:"), "{text}");
    let fixture = server(move |_| answer("200 OK", &format!("content-length: {shorter}\r\n"), &wasm));
    insta::assert_snapshot!(fixture.refused(&pinned).await, @"the exchange with `http://127.0.0.1:5000` broke off: error reading a body from connection: end of file before message length reached");
}

#[tokio::test]
async fn archives_compressed_bodies_and_web_pages_are_refused() {
    let fixture = server(|_| ok(b"PK\x03\x04\x14\0\0\0"));
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` is a zip archive
    hint: give the `.wasm` file itself; archives are never unpacked
    ");
    // Told after the first bytes: the rest is not waited for.
    let fixture = server(|_| {
        vec![
            Step::Write(
                [b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n\x1f\x8b\x08".as_slice(), &[0; 600]].concat(),
            ),
            Step::Wait(1000 * SECOND),
        ]
    });
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` is compressed with gzip
    hint: give the `.wasm` file itself; archives are never unpacked
    ");
    let fixture = server(|_| ok(b"<!doctype html><title>Log in</title>"));
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` is a web page
    hint: give the `.wasm` file itself; archives are never unpacked
    ");
    let fixture = server(|_| answer("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08"));
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    the answer of `http://127.0.0.1:5000` is compressed, though it was asked not to
    hint: secrets could not be found in it
    ");
    assert!(fixture.asked().iter().all(|asked| asked.header("accept-encoding") == Some("identity")));
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let (package, _) = signed("1.0.0", 0);
    let wasm = package.bytes().to_vec();
    let hops = |most: usize, wasm: Vec<u8>| {
        server(move |asked| {
            let at: usize = asked.path.trim_start_matches("/hop/").parse().unwrap_or(0);
            if at == most { ok(&wasm) } else { redirect(&format!("/hop/{}", at + 1)) }
        })
    };
    assert!(hops(5, wasm.clone()).fetch(&local()).await.is_ok());
    let fixture = hops(6, wasm);
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` redirects more than 5 times
    hint: name the URL that it ends at
    ");
    let fixture = server(|asked| redirect(&asked.path));
    assert!(fixture.refused(&local()).await.contains("redirects more than 5 times"));
    let fixture = server(|_| answer("302 Found", "content-length: 0\r\n", b""));
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000/weather.wasm` redirects without saying where to
    hint: ask whoever runs that server
    ");
}

#[tokio::test]
async fn a_redirect_to_this_machine_or_a_private_network_is_refused() {
    for location in [
        "http://127.0.0.1:5000/weather.wasm",
        "https://127.0.0.1/weather.wasm",
        "https://localhost/weather.wasm",
        "http://cdn.example.com/weather.wasm",
        "https://10.0.0.1/weather.wasm",
        "https://[::ffff:10.0.0.1]/weather.wasm",
        "https://me:pw@cdn.example.com/weather.wasm",
        "file:///etc/passwd",
    ] {
        let fixture = server(move |_| redirect(location));
        let text = fixture.refused(PUBLIC).await;
        assert!(text.starts_with("`https://plugins.example.com` leads to "), "{location}: {text}");
        assert_eq!(fixture.asked().len(), 2, "{location}: {:?}", fixture.lines());
    }
    let fixture = server(|_| redirect("https://169.254.169.254/latest/meta-data"));
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"
    `https://plugins.example.com` leads to `https://169.254.169.254`, but cara may not reach `https://169.254.169.254`: the address is link-local (RFC 3927)
    hint: do not trust that server
    ");
    // A name is judged once more by the addresses behind it.
    let fixture = server(|_| redirect("https://inside.example.com/weather.wasm"));
    insta::assert_snapshot!(fixture.refused(PUBLIC).await, @"cara may not reach `https://inside.example.com`: it resolves to `10.0.0.1`, which is private (RFC 1918)");
    // A server on this machine leads to itself or to the network, not to another server here.
    let fixture = server(|_| redirect("http://127.0.0.1:5001/weather.wasm"));
    assert!(
        fixture.refused(&local()).await.starts_with("`http://127.0.0.1:5000` leads to `http://127.0.0.1:5001`, but")
    );
    let (package, _) = signed("1.0.0", 0);
    let wasm = package.bytes().to_vec();
    let fixture =
        server(
            move |asked| {
                if asked.host == "cdn.example.com" { ok(&wasm) } else { redirect("https://cdn.example.com/x") }
            },
        );
    assert!(fixture.fetch(PUBLIC).await.is_ok());
    assert!(fixture.fetch(&local()).await.is_ok());
}

#[tokio::test]
async fn a_pin_is_checked() {
    let (package, _) = signed("1.0.0", 0);
    let wasm = package.bytes().to_vec();
    let fixture = server(move |_| ok(&wasm));
    let pinned = format!("{}#sha256:{}", local(), "0".repeat(64));
    let text = fixture.refused(&pinned).await.replace(&package.digest().to_string(), "<found>");
    insta::assert_snapshot!(text, @"
    `http://127.0.0.1:5000/weather.wasm` has the digest `<found>`, not `sha256:0000000000000000000000000000000000000000000000000000000000000000`
    hint: it changed; if you expect that, name it without the digest
    ");
}

#[tokio::test(start_paused = true)]
async fn headers_without_end_and_silence_are_left_after_the_idle_time() {
    let fixture =
        server(|_| vec![Step::Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Forever(b"x-a: 1\r\n".to_vec(), SECOND)]);
    insta::assert_snapshot!(fixture.refused(&local()).await, @"`http://127.0.0.1:5000` took over 30s to begin its answer");
    let fixture = server(|_| [answer("200 OK", "", b"\0asm"), vec![Step::Wait(1000 * SECOND)]].concat());
    insta::assert_snapshot!(fixture.refused(&local()).await, @"`http://127.0.0.1:5000` took over 30s to go on with its answer");
    let fixture = server(|_| {
        [
            vec![Step::Write(b"HTTP/1.1 200 OK\r\n".to_vec())],
            vec![Step::Forever(
                b"x-a: 12345678901234567890123456789012345678901234567890\r\n".repeat(50),
                Duration::ZERO,
            )],
        ]
        .concat()
    });
    let text = fixture.refused(&local()).await;
    assert!(text.starts_with("the exchange with `http://127.0.0.1:5000` broke off: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_drip_ends_with_the_time_for_all_requests_together() {
    let mut fixture = Fixture::new(|asked| {
        // The signature takes eight seconds, the redirects five each: no request alone is too slow.
        let slow = |wait: u32, then: Vec<Step>| [vec![Step::Wait(wait * SECOND)], then].concat();
        match asked.path.as_str() {
            "/weather.wasm.sigstore.json" => slow(8, ok(b"{}")),
            "/weather.wasm" => slow(5, redirect("/a")),
            _ => [answer("200 OK", "", b"\0asm"), vec![Step::Forever(b".".to_vec(), SECOND)]].concat(),
        }
    });
    fixture.deadlines = Deadlines { total: 20 * SECOND, idle: 10 * SECOND };
    let begun = tokio::time::Instant::now();
    insta::assert_snapshot!(fixture.refused(&local()).await, @"
    `http://127.0.0.1:5000` and what it led to took over 20s
    hint: try again on a faster connection
    ");
    assert_eq!(begun.elapsed().as_secs(), 20);
}
