//! What goes to Sigstore's authority and log, and what comes back.

use super::fixture::{Fixture, answer, ok, redirect};
use cara_packages::keyless::Signing;

const AUTHORITY: &str = "https://auth.example.com/api/v2/signingCert";

#[tokio::test]
async fn a_post_is_json_and_its_answer_is_given_whatever_its_status() {
    let fixture = Fixture::new(|_| answer("400 Bad Request", "content-length: 4\r\n", b"nope"));
    let answered = Signing::new(fixture.access()).post(AUTHORITY, "{\"token\":1}").await.unwrap();
    assert_eq!(answered, (400, "nope".to_owned()));
    let asked = &fixture.asked()[0];
    assert_eq!(
        (asked.line().as_str(), asked.body.as_slice()),
        ("POST auth.example.com/api/v2/signingCert", &b"{\"token\":1}"[..])
    );
    assert_eq!((asked.header("content-type"), asked.header("authorization")), (Some("application/json"), None));
}

#[tokio::test]
async fn the_token_is_not_carried_where_an_answer_leads() {
    let fixture = Fixture::new(|_| redirect("https://cdn.example.com/"));
    let answered = Signing::new(fixture.access()).post(AUTHORITY, "token").await.unwrap();
    assert_eq!((answered.0, fixture.asked().len()), (302, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_from_inside_is_refused() {
    let fixture = Fixture::new(|_| ok(&[b'x'; 64 * 1024 + 1]));
    let refused = Signing::new(fixture.access()).post(AUTHORITY, "{}").await.unwrap_err().to_string();
    assert!(refused.contains("is larger than 65536 bytes"), "{refused}");
    let refused =
        Signing::new(fixture.access()).post("https://inside.example.com/", "{}").await.unwrap_err().to_string();
    assert!(refused.contains("inside.example.com"), "{refused}");
}
