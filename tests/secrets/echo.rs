//! Servers that give the credential back: the guest sees `[secret]`.

use super::unseen;
use cara_harness::{Attack, Canary, Recorded, Reply, Told, Upstream, captured};
use serde_json::json;

/// What was in the header that holds the credential.
fn credential(request: &Recorded) -> &str {
    request.header("authorization")
}

/// A server that echoes the credential in a header and in the body.
pub(crate) async fn echoing() -> Upstream {
    Upstream::start(|request| {
        let said = credential(request);
        Reply::ok(format!("you sent {said}, again {said}")).header("x-echo", said)
    })
    .await
}

/// Spends the secret toward the attack's own server.
async fn spend(attack: &Attack) -> Told {
    captured();
    let arguments = json!({ "url": attack.upstream.url() });
    let told = attack.load().tool("request", arguments).await.unwrap();
    let canary = Canary::new("header-key");
    assert_eq!(attack.upstream.requests()[0].header("authorization"), format!("Bearer {}", canary.value()));
    assert_eq!(canary.seen_in(&format!("{told:?}")), None, "what the guest saw");
    unseen(&canary, &attack.testbed);
    told
}

/// How many values were taken out of a text.
fn taken_out(text: &str) -> usize {
    text.matches("[secret]").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_header_and_body_is_taken_out() {
    let mut attack = Attack::new().await;
    attack.upstream = echoing().await;
    assert_eq!(taken_out(spend(&attack).await.text()), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_an_error_is_taken_out() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|request| {
        Reply::ok(format!("{{\"error\":\"Incorrect API key provided: {}\"}}", credential(request))).status(401)
    })
    .await;
    assert_eq!(taken_out(spend(&attack).await.text()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_cut_anywhere_is_taken_out() {
    for size in [1, 2, 3, 7, 16, 31] {
        let mut attack = Attack::new().await;
        attack.upstream =
            Upstream::start(move |request| Reply::pieces(format!("{0} and {0}", credential(request)).as_bytes(), size))
                .await;
        assert_eq!(taken_out(spend(&attack).await.text()), 2, "in pieces of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_base64_or_percent_encoded_is_taken_out() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|request| {
        let said = credential(request);
        let percent: String = said.bytes().map(|byte| format!("%{byte:02X}")).collect();
        Reply::ok(format!("{} {}", percent, base64_of(said))).header("x-echo-base64", &base64_of(said))
    })
    .await;
    assert!(taken_out(spend(&attack).await.text()) >= 2);
}

/// What an encoder makes of a text.
type Encoder = fn(&str) -> String;

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_any_common_escape_is_taken_out() {
    let encoders: [(&str, Encoder); 6] = [
        ("json, some", |text| text.replace('-', "\\u002D")),
        ("json, every", |text| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()),
        ("url, some", |text| text.replace('-', "%2d")),
        ("html, named and decimal", |text| text.replace('-', "&#45;").replace('k', "&#107;")),
        ("html, hexadecimal", |text| text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect()),
        ("hex", |text| text.bytes().map(|byte| format!("{byte:02X}")).collect()),
    ];
    for (name, encode) in encoders {
        for size in [1, 7, 4096] {
            let mut attack = Attack::new().await;
            let echo = move |request: &Recorded| {
                let said = encode(credential(request).trim_start_matches("Bearer "));
                Reply::pieces(format!("{{\"key\":\"{said}\"}}").as_bytes(), size).header("x-echo", &said)
            };
            attack.upstream = Upstream::start(echo).await;
            assert_eq!(taken_out(spend(&attack).await.text()), 2, "{name} in pieces of {size}");
        }
    }
}

/// Base64 of `Bearer …`, by the shortest way there is.
fn base64_of(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|bits| format!("{:0<6}", String::from_utf8_lossy(bits)));
    sextets.map(|bits| char::from(ALPHABET[usize::from_str_radix(&bits, 2).unwrap()])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_redirect_or_cookie_is_taken_out() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|request| {
        let said = credential(request).trim_start_matches("Bearer ").to_owned();
        Reply::ok("")
            .status(302)
            .header("location", &format!("https://evil.example/?k={said}"))
            .header("set-cookie", &said)
    })
    .await;
    assert_eq!(taken_out(spend(&attack).await.text()), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_encoded_and_could_hide_the_credential_is_refused() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::ok("\u{1f}\u{8b}").header("content-encoding", "gzip")).await;
    let told = spend(&attack).await;
    assert!(told.answer.is_err());
    assert_eq!(
        attack.named(told.refusal()),
        "the answer of `http://<upstream>` is compressed, though it was asked not to\nhint: secrets could not be found in it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_an_answer_that_breaks_off_is_in_no_error() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|request| Reply::ok(credential(request).to_owned()).then_break()).await;
    assert!(spend(&attack).await.answer.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_what_is_not_http_is_in_no_error() {
    for garbage in [
        "{} 200 OK\r\n\r\n",
        "HTTP/1.1 {}\r\n\r\n",
        "HTTP/1.1 200 {}\r\n\r\n",
        "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
    ] {
        let mut attack = Attack::new().await;
        attack.upstream = Upstream::raw(move |request| {
            let line = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default();
            garbage.replace("{}", line)
        })
        .await;
        spend(&attack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_trailer_is_taken_out() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::raw(|request| {
        let line = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-echo\r\n\r\n2\r\nhi\r\n0\r\nx-echo: {line}\r\n\r\n")
    })
    .await;
    spend(&attack).await;
}
