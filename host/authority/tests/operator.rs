//! Where the operator's own requests go, and where an answer may lead them.
#![allow(clippy::unwrap_used)]

use cara_authority::manifest::Spot;
use cara_authority::{Destination, Reach, SecretGrant, Sender};
use http::Method;

fn named(url: &str) -> Result<Destination, String> {
    Destination::named(&Method::GET, url).map_err(|refusal| refusal.to_string())
}

fn redirected(from: &str, location: &str) -> Result<String, String> {
    let refused = |refusal: cara_authority::Refusal| refusal.to_string();
    let next = named(from).unwrap().redirected(&Method::GET, location).map_err(refused)?;
    Ok(format!("{:?} {}", next.reach(), next.uri()))
}

#[test]
fn the_operator_reaches_public_hosts_over_https_and_this_machine() {
    for (url, reach, sent) in [
        ("https://plugins.example.com/a.wasm", Reach::Public, "https://plugins.example.com/a.wasm"),
        ("https://EXAMPLE.com:443/a#x", Reach::Public, "https://example.com/a"),
        ("http://127.0.0.1:8080/a.wasm", Reach::Loopback, "http://127.0.0.1:8080/a.wasm"),
        ("http://127.8.9.10/", Reach::Loopback, "http://127.8.9.10/"),
        ("http://[::1]:5000/", Reach::Loopback, "http://[::1]:5000/"),
        ("https://localhost/", Reach::Loopback, "https://localhost/"),
    ] {
        let destination = named(url).unwrap();
        assert_eq!((destination.reach(), destination.uri().to_string().as_str()), (reach, sent), "{url}");
        assert_eq!(*destination.sender(), Sender::Operator);
    }
}

#[test]
fn what_is_neither_public_nor_named_by_the_operator_is_refused() {
    for url in [
        "http://plugins.example.com/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://a.localhost/",
        "https://intranet/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
        "https://",
    ] {
        assert!(named(url).is_err(), "{url}");
    }
    assert_eq!(
        named("https://10.0.0.1/").unwrap_err(),
        "cara may not reach `https://10.0.0.1`: the address is private (RFC 1918)\n\
         hint: only public hosts over `https`, or a server on this machine that you name yourself, are reached"
    );
}

#[test]
fn an_answer_leads_to_public_hosts_or_back_to_the_same_origin() {
    let (public, local) = ("https://example.com/a/b", "http://127.0.0.1:5000/v2/x");
    for (from, location, to) in [
        (public, "https://cdn.example.net/x?y=1", "Public https://cdn.example.net/x?y=1"),
        (public, "c#fragment", "Public https://example.com/a/c"),
        (public, "/c", "Public https://example.com/c"),
        (public, "//other.example/c", "Public https://other.example/c"),
        (local, "/v2/upload/1?state=a", "Loopback http://127.0.0.1:5000/v2/upload/1?state=a"),
        (local, "http://127.0.0.1:5000/y", "Loopback http://127.0.0.1:5000/y"),
        (local, "https://example.com/", "Public https://example.com/"),
    ] {
        assert_eq!(redirected(from, location).as_deref(), Ok(to), "{from} to {location}");
    }
}

#[test]
fn an_answer_never_leads_to_this_machine_or_a_private_network() {
    let (public, local) = ("https://example.com/a/b", "http://127.0.0.1:5000/v2/x");
    for (from, location) in [
        (public, "http://127.0.0.1:5000/v2/x"),
        (public, "https://localhost/"),
        (public, "https://[::1]/"),
        (public, "http://example.com/"),
        (public, "https://192.168.0.1/"),
        (public, "https://0x7f.1/"),
        (public, "//127.0.0.1/"),
        (public, "https://user@example.com/"),
        (public, "https://@example.com/"),
        (public, "//u:p@example.com/"),
        (public, "https://exa mple.com/"),
        (public, "\\\\example.com/"),
        (public, "file:///etc/passwd"),
        (public, "data:application/wasm,"),
        (local, "http://127.0.0.1:5001/"),
        (local, "http://127.0.0.2:5000/"),
        (local, "http://localhost:5000/"),
        (local, "https://127.0.0.1:5000/"),
        (local, "https://10.0.0.1/"),
    ] {
        assert!(redirected(from, location).is_err(), "{from} to {location}");
    }
    assert_eq!(
        redirected(public, "http://127.0.0.1/").unwrap_err(),
        "`https://example.com` leads to `http://127.0.0.1`, but cara may not reach `http://127.0.0.1`: \
         `http` is for this machine only\nhint: do not trust that server"
    );
}

#[test]
fn once_led_to_the_network_there_is_no_way_back() {
    let out = named("http://127.0.0.1:5000/").unwrap().redirected(&Method::GET, "https://example.com/").unwrap();
    assert!(out.redirected(&Method::GET, "http://127.0.0.1:5000/").is_err());
}

#[test]
fn the_operators_secret_goes_to_one_origin_and_is_no_components() {
    let registry = named("https://registry.example.com/v2/").unwrap();
    let spot = Spot::Basic { name: "authorization".parse().unwrap(), user: "me".into() };
    let grant = SecretGrant::own(&registry, spot).unwrap();
    assert!(grant.admits(&registry) && grant.component().is_err());
    assert!(grant.admits(&registry.redirected(&Method::PUT, "/upload").unwrap()));
    for other in ["https://cdn.example.com/", "https://registry.example.com:8443/"] {
        assert!(!grant.admits(&named(other).unwrap()), "{other}");
    }
}
