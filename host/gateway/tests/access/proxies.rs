//! What is between who asks and the gateway: believed where the operator says
//! so, and never about who somebody is.

use super::house::{House, bearer, from, get, post};
use cara_authority::Scope;
use cara_gateway::Peer;
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn being_near_or_saying_so_lets_nobody_in() {
    let house = House::new("[gateway.access]\ntrusted-proxies = ['127.0.0.1', '10.0.0.0/24']");
    house.token(&[Scope::Read]).await;
    for address in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "10.0.0.7:5", "192.0.2.7:5"] {
        for headers in [
            &[][..],
            &[("forwarded", "for=127.0.0.1;proto=https;host=localhost")],
            &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "localhost")],
            &[("x-real-ip", "127.0.0.1"), ("x-forwarded-user", "local:owner")],
        ] {
            let answer = house.ask_as(from(address), get("/control/v1/ready", headers)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{address} {headers:?}");
        }
    }
}

/// The status of the last of so many wrong codes.
async fn wrong(house: &House, times: usize, address: &str, forwarded: &[(&str, &str)]) -> StatusCode {
    let mut last = StatusCode::OK;
    for _ in 0..times {
        let login = post("/login", forwarded, &json!({ "code": "aaaa-bbbb-cccc" }));
        last = house.ask_as(from(address), login).await.status;
    }
    last
}

#[tokio::test]
async fn attempts_count_for_whom_a_trusted_proxy_names_and_nobody_else_chooses_that() {
    let house = House::new("[gateway.access]\ntrusted-proxies = ['10.0.0.7', '10.1.0.0/24']");
    // Who is no proxy is one source, whatever it says.
    for number in 0..10 {
        let said = format!("198.51.100.{number}");
        assert_eq!(wrong(&house, 1, "192.0.2.7:5", &[("x-forwarded-for", &said)]).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        wrong(&house, 1, "192.0.2.7:6", &[("x-forwarded-for", "203.0.113.1")]).await,
        StatusCode::TOO_MANY_REQUESTS
    );
    // A proxy's clients are apart; what a client put in front of it counts for nothing, and other proxies are passed over.
    for (said, count) in [("198.51.100.1", 10), ("1.2.3.4, 198.51.100.2", 5), ("5.6.7.8, 198.51.100.2, 10.1.0.9", 5)] {
        assert_eq!(
            wrong(&house, count, "10.0.0.7:5", &[("x-forwarded-for", said)]).await,
            StatusCode::UNAUTHORIZED,
            "{said}"
        );
    }
    for said in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(
            wrong(&house, 1, "10.0.0.7:5", &[("x-forwarded-for", said)]).await,
            StatusCode::TOO_MANY_REQUESTS,
            "{said}"
        );
    }
    assert_eq!(wrong(&house, 1, "10.0.0.7:5", &[("x-forwarded-for", "198.51.100.3")]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_trusted_proxy_says_that_the_way_is_encrypted() {
    let house = House::new("[gateway.access]\nhosts = ['cara.example.net']\ntrusted-proxies = ['10.0.0.7']");
    let (_, token) = house.token(&[Scope::Read]).await;
    let token = bearer(&token);
    let headers = [("host", "cara.example.net"), ("x-forwarded-proto", "https"), ("authorization", &token)];
    let of = async |address: &str| house.ask_as(from(address), get("/control/v1/ready", &headers)).await;
    assert!(of("10.0.0.7:5").await.headers.contains_key("strict-transport-security"));
    assert!(!of("10.0.0.8:5").await.headers.contains_key("strict-transport-security"));
    // The address that the proxy reached is not what its client asked for.
    for (address, status) in [("10.0.0.7:5", StatusCode::MISDIRECTED_REQUEST), ("10.0.0.8:5", StatusCode::OK)] {
        let peer = Peer { local: Some("10.0.0.2".parse().unwrap()), ..from(address) };
        let headers = [("host", "10.0.0.2:18789"), ("authorization", token.as_str())];
        assert_eq!(house.ask_as(peer, get("/control/v1/ready", &headers)).await.status, status, "{address}");
    }
    // With that, the cookie is one that a browser takes from this host alone.
    let code = house.code(&[Scope::Chat]).await;
    let login = post("/login", &headers[..2], &json!({ "code": code }));
    let entered = house.ask_as(from("10.0.0.7:5"), login).await;
    let cookie = entered.header("set-cookie");
    assert!(cookie.starts_with("__Host-cara=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn the_certificate_of_a_proxy_lets_in_nobody_who_comes_through_it() {
    let house = House::new("[gateway.access]\ntrusted-proxies = ['10.0.0.7']");
    let certified = house.certified(&[Scope::Read]).await;
    for headers in [&[][..], &[("x-forwarded-for", "192.0.2.9")]] {
        for (address, status) in [("10.0.0.7:5", StatusCode::UNAUTHORIZED), ("10.0.0.8:5", StatusCode::OK)] {
            let peer = Peer { address: from(address).address, ..certified.clone() };
            let answer = house.ask_as(peer, get("/control/v1/ready", headers)).await;
            assert_eq!(answer.status, status, "{address} {headers:?}");
        }
    }
}
