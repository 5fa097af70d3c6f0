//! What a component can do with a placeholder, and what it cannot.

use crate::world::{BASE, Step, VALUE, World, answer, get, get_with, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cara_services::egress::Spending;
use http::Request;
use http_body_util::Full;

const ALL: &str = r#""header", "path", "query", "body""#;

fn ok(_: &str) -> Vec<Step> {
    answer("", b"ok")
}

#[tokio::test]
async fn a_placeholder_becomes_the_value_in_each_place_as_that_place_writes_it() {
    for (make, wanted) in [
        (
            (|p| get_with("authorization", &format!("Bearer {p}"))) as fn(&str) -> _,
            format!("authorization: Bearer {VALUE}\r\n"),
        ),
        (|p| get(&format!("{BASE}/bot{p}/send")), "GET /botsk-live%2F3~Secret+Value/send HTTP/1.1\r\n".into()),
        (
            |p| get(&format!("{BASE}/x?a=1&key={p}&b=2")),
            "GET /x?a=1&key=sk-live%2F3~Secret%2BValue&b=2 HTTP/1.1\r\n".into(),
        ),
        (|p| post("text/plain", format!("<{p}>")), format!("<{VALUE}>")),
        (|p| post("application/json; charset=utf-8", format!("{{\"k\":\"{p}\"}}")), format!("{{\"k\":\"{VALUE}\"}}")),
        (
            |p| post("application/x-www-form-urlencoded", format!("k={p}&z=1")),
            "k=sk-live%2F3~Secret%2BValue&z=1".into(),
        ),
    ] {
        let world = World::plain(ALL, ok);
        let (spending, placeholder) = world.call();
        world.send(&spending, make(&placeholder)).await.unwrap();
        let sent = world.only_request();
        assert!(sent.contains(&wanted) && !sent.contains("cara-secret"), "{sent}");
    }
}

#[tokio::test]
async fn basic_stands_for_user_and_secret() {
    let world = World::plain(ALL, |request| {
        let echo = request.lines().find(|line| line.starts_with("authorization")).unwrap().to_owned();
        answer("", echo.as_bytes())
    });
    let spending = Spending::new(world.known.clone());
    let placeholder = spending.issue_basic("me", world.secret(), world.value.clone()).unwrap();
    let sent = world.send(&spending, get_with("authorization", &format!("Basic {placeholder}"))).await.unwrap();
    let wanted = format!("authorization: Basic {}", STANDARD.encode(format!("me:{VALUE}")));
    assert!(world.only_request().contains(&wanted));
    assert_eq!(sent.text(), format!("authorization: Basic {placeholder}"));
    assert!(spending.issue_basic("a:b", world.secret(), world.value.clone()).is_err());
}

#[tokio::test]
async fn another_audience_gets_nothing() {
    let world = World::plain(ALL, ok);
    let (spending, placeholder) = world.call();
    let request =
        Request::get("https://other.example.com/").header("x-key", placeholder).body(Full::default()).unwrap();
    insta::assert_snapshot!(world.refused(&spending, request).await, @r"
    secret `api-key` of component `guest` may not go to `https://other.example.com`
    hint: its manifest names `http://127.0.0.1:8080`
    ");
    assert!(world.pipes.dialed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_place_gets_nothing() {
    for (place, others) in [("header", 3), ("path", 3), ("query", 3), ("body", 3)] {
        let world = World::plain(&format!("\"{place}\""), ok);
        let (spending, p) = world.call();
        let requests = [
            get_with("x-key", &p),
            get(&format!("{BASE}/{p}")),
            get(&format!("{BASE}/?{p}")),
            post("text/plain", p.clone()),
        ];
        let mut refused = 0;
        for request in requests {
            refused += usize::from(world.send(&spending, request).await.is_err());
        }
        assert_eq!(refused, others, "{place}");
    }
    let world = World::plain("\"path\"", ok);
    let (spending, placeholder) = world.call();
    insta::assert_snapshot!(world.refused(&spending, get_with("x-key", &placeholder)).await, @r"
    secret `api-key` of component `guest` may not be put into the header of a request
    hint: its manifest names `path`
    ");
}

#[tokio::test]
async fn a_placeholder_of_an_earlier_call_is_named_as_such() {
    let world = World::plain(ALL, ok);
    let (_, old) = world.call();
    let (spending, _) = world.call();
    for request in [
        get_with("x-key", &old),
        get(&format!("{BASE}/{old}")),
        get(&format!("{BASE}/?k={old}")),
        post("text/plain", old.clone()),
        get_with("x-key", "cara-secret-00000000000000000000000000000000"),
    ] {
        let text = world.refused(&spending, request).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r"
            component `guest` used a placeholder that is not of this call
            hint: ask for a new one in each call; it means nothing afterwards
            ");
        }
    }
    assert!(!world.seen.lock().unwrap().iter().any(|request| request.contains(&old)));
}

#[tokio::test]
async fn prose_that_looks_like_a_placeholder_does_not_stop_a_conversation() {
    let world = World::plain(ALL, ok);
    let (spending, placeholder) = world.call();
    let prose = format!("what is cara-secret-0123456789abcdef0123456789abcdef, cara-secret-x and {placeholder}?");
    world.send(&spending, post("text/plain", prose.clone())).await.unwrap();
    assert!(world.only_request().contains(&prose.replace(&placeholder, VALUE)));
}

#[tokio::test]
async fn an_encoded_placeholder_is_refused_in_every_place() {
    let world = World::plain(ALL, ok);
    let (spending, p) = world.call();
    let mut forms = vec![hex::encode(&p), hex::encode_upper(&p)];
    for before in ["", "u", "us", "user:"] {
        forms.push(STANDARD.encode(format!("{before}{p}")));
        forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{p}:x")));
    }
    let percent = |bytes: &str| bytes.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    forms.extend([percent(&p), percent(&p).to_uppercase(), p.replace('-', "%2D"), p.replace('-', "%2d")]);
    for form in forms {
        for request in [
            get_with("authorization", &format!("Basic {form}")),
            get(&format!("{BASE}/?k={form}")),
            post("text/plain", format!("a{{{form}}}")),
        ] {
            let text = world.refused(&spending, request).await;
            insta::allow_duplicates! {
                insta::assert_snapshot!(text, @r"
                component `guest` encoded a placeholder
                hint: put it in as it is; for `Authorization: Basic` use `secrets.basic`
                ");
            }
        }
    }
    let mixed = p.replacen("cara", "c%61ra", 1);
    assert!(world.refused(&spending, get(&format!("{BASE}/{mixed}"))).await.contains("encoded a placeholder"));
}

#[tokio::test]
async fn a_placeholder_where_nothing_can_be_exchanged_is_refused() {
    let world = World::plain(ALL, ok);
    let (spending, placeholder) = world.call();
    insta::assert_snapshot!(world.refused(&spending, get_with(&placeholder, "1")).await, @r"
    component `guest` put a placeholder into the name of a header
    hint: put what `secrets.placeholder` gives where the value belongs, unchanged
    ");
}

#[tokio::test]
async fn a_stored_secret_in_the_clear_is_refused_whoever_holds_it() {
    let world = World::plain(ALL, ok);
    world.known.register(&world.value);
    let nothing_issued = Spending::new(world.known.clone());
    for form in [VALUE.to_owned(), STANDARD.encode(format!("x{VALUE}y")), "sk-live%2F3~Secret%2BValue".to_owned()] {
        for request in
            [get_with("x-key", &form), get(&format!("{BASE}/?k={form}")), post("text/plain", format!("..{form}.."))]
        {
            let text = world.refused(&nothing_issued, request).await;
            insta::allow_duplicates! {
                insta::assert_snapshot!(text, @r"
                the request of component `guest` holds a stored secret in the clear
                hint: put what `secrets.placeholder` gives where the value belongs, unchanged
                ");
            }
        }
    }
    let seen = world.seen.lock().unwrap();
    assert!(!seen.iter().any(|request| request.contains("sk-live")), "{seen:?}");
}

#[tokio::test]
async fn a_stored_secret_that_looks_percent_encoded_is_known_as_it_is() {
    let world = World::plain(ALL, ok);
    let value = cara_services::vault::SecretValue::new(b"key%41%42%43-0123".to_vec()).unwrap();
    world.known.register(&std::sync::Arc::new(value));
    let spending = Spending::new(world.known.clone());
    let refused = world.refused(&spending, get_with("x-key", "key%41%42%43-0123")).await;
    assert!(refused.contains("holds a stored secret in the clear"), "{refused}");
}

#[tokio::test]
async fn a_secret_that_would_lead_to_another_path_is_refused() {
    let world = World::plain(ALL, ok);
    let spending = Spending::new(world.known.clone());
    let dots = std::sync::Arc::new(cara_services::vault::SecretValue::new(b"..".to_vec()).unwrap());
    let placeholder = spending.issue(world.secret(), dots).unwrap();
    insta::assert_snapshot!(
        world.refused(&spending, get(&format!("{BASE}/a/{placeholder}/b"))).await,
        @"a secret in the path would lead to another path"
    );
}

#[tokio::test]
async fn a_secret_with_a_line_break_does_not_split_a_header() {
    let world = World::plain(ALL, ok);
    let spending = Spending::new(world.known.clone());
    let broken = std::sync::Arc::new(cara_services::vault::SecretValue::new(b"key\r\nx-evil: 1".to_vec()).unwrap());
    let placeholder = spending.issue(world.secret(), broken).unwrap();
    insta::assert_snapshot!(
        world.refused(&spending, get_with("x-key", &placeholder)).await,
        @"a secret in header `x-key` has a line break in it"
    );
}

#[tokio::test]
async fn headers_that_are_the_hosts_business_do_not_pass() {
    let world = World::plain(ALL, ok);
    let (spending, _) = world.call();
    let mut request = get_with("host", "evil.example");
    for (name, value) in [
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "1"),
        ("proxy-authorization", "Basic x"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("accept-encoding", "gzip"),
        ("expect", "100-continue"),
        ("x-mine", "1"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    world.send(&spending, request).await.unwrap();
    let mut lines: Vec<String> = world.only_request().trim_end().lines().map(str::to_owned).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
    GET /x HTTP/1.1
    accept-encoding: identity
    host: 127.0.0.1:8080
    x-mine: 1
    ");
}
