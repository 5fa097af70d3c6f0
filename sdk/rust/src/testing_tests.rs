//! Tests of the host for tests: it keeps the rules a component's logic meets.

use super::*;
use crate::http::{Chunks, Request};
use crate::{Error, ErrorKind, clock, secrets, settings};

const URL: &str = "https://h.example/";

#[test]
fn outside_of_a_world_what_needs_the_host_says_so() {
    let panic = std::panic::catch_unwind(clock::now_ms).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("`clock` needs the host") && text.contains("MockHost::run"), "{text}");
}

#[test]
fn a_world_is_left_also_when_the_test_in_it_panics() {
    let mock = MockHost::new();
    assert!(std::panic::catch_unwind(|| MockHost::new().run(|| panic!("within"))).is_err());
    assert!(std::panic::catch_unwind(clock::now_ms).is_err());
    assert_eq!(mock.run(clock::now_ms), BEGINNING_MS);
}

#[test]
fn a_world_inside_a_world_is_another_one() {
    let (outer, inner) = (MockHost::new().now_ms(1), MockHost::new().now_ms(2));
    let seen = outer.run(|| (clock::now_ms(), inner.run(clock::now_ms), clock::now_ms()));
    assert_eq!(seen, (1, 2, 1));
}

#[test]
fn a_revision_grows_also_across_a_delete() {
    MockHost::new().run(|| {
        let first = state::put("key", b"a", Some(0)).unwrap();
        state::delete("key", Some(first)).unwrap();
        let second = state::put("key", b"b", Some(0)).unwrap();
        assert!(second > first);
        assert_eq!(state::put("key", b"c", Some(first)), Err(Refusal::Conflict));
        assert_eq!(state::delete("key", Some(first)), Err(Refusal::Conflict));
    });
}

#[test]
fn a_full_state_refuses_and_keeps_what_it_has() {
    let mock = MockHost::new().state_bytes(10);
    mock.run(|| {
        state::put("a", b"1234", None).unwrap();
        assert!(matches!(state::put("b", b"123456", None), Err(Refusal::Limit(_))));
        state::put("a", b"123456789", None).unwrap();
        assert!(matches!(state::get(""), Err(Refusal::Invalid(_))));
        assert!(matches!(state::get(&"k".repeat(257)), Err(Refusal::Invalid(_))));
    });
    assert!(mock.run(|| state::put("c", &vec![0; 256 * 1024 + 1], None)).is_err());
}

#[test]
fn a_change_that_fails_or_never_comes_through_writes_nothing() {
    let mock = MockHost::new().state("n", "1");
    let failed = mock.run(|| state::update_json("n", |_: Option<u32>| Err(Error::other("no"))));
    assert_eq!(failed.unwrap_err().message, "no");
    let mut mock = MockHost::new();
    for n in 0..8u32 {
        mock = mock.before_put(move || drop(state::put("n", n.to_string().as_bytes(), None)));
    }
    // Each of the writes between asks the double as well, and so takes the next one along.
    let error = mock.run(|| state::update_json("n", |n: Option<u32>| Ok(n.unwrap_or_default())));
    assert!(error.is_ok() || error.unwrap_err().retry);
}

#[test]
fn a_secret_that_is_not_stored_is_unavailable_and_a_refused_interface_refuses() {
    let mock = MockHost::new();
    assert!(matches!(mock.run(|| secrets::available("k")), Err(Refusal::Unavailable(_))));
    let mock = MockHost::new().secret("k").signature(*b"signed");
    assert_eq!(mock.run(|| secrets::sign("k", b"data")).unwrap(), b"signed");
    assert!(mock.run(|| secrets::sign("k", b"more")).is_err());
    let mock = MockHost::new().secret("k").refuse("secrets", Refusal::Ungranted("hint: x".into()));
    assert!(matches!(mock.run(|| secrets::available("k")), Err(Refusal::Ungranted(_))));
    assert!(mock.run(|| secrets::sign("k", b"data")).is_err());
    assert_eq!(mock.run(|| settings::get::<u32>("k")).unwrap(), None);
}

#[test]
fn a_request_nobody_expects_fails_the_test_and_names_it() {
    for mock in [MockHost::new(), MockHost::new().reply(Method::Post, URL, Reply::new(200))] {
        let asked = std::panic::AssertUnwindSafe(|| mock.run(|| Request::get(URL).send().map(drop)));
        let panic = std::panic::catch_unwind(asked).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains(URL));
    }
}

#[test]
fn a_body_comes_in_pieces_is_limited_and_may_break_off() {
    let reply = || Reply::new(200).body(vec![b'x'; 100_000]).body("").body("end").breaking_off();
    let mock = MockHost::new().reply(Method::Get, URL, reply()).reply(Method::Get, URL, reply());
    mock.run(|| {
        let mut response = Request::get(URL).send().unwrap();
        let mut sizes = Vec::new();
        let error = loop {
            match response.next_chunk() {
                Ok(Some(piece)) => sizes.push(piece.len()),
                Ok(None) => panic!("the connection breaks off"),
                Err(error) => break error,
            }
        };
        assert_eq!((sizes, error.kind), (vec![65_536, 34_464, 3], ErrorKind::Network));
        let error = Request::get(URL).limit(70_000).send().unwrap().bytes(1 << 20).unwrap_err();
        assert!(error.message.contains("larger than 70000 bytes"), "{}", error.message);
    });
    assert_eq!((mock.replies_left(), mock.sent().len()), (0, 2));
}

#[test]
fn a_refusal_of_the_host_is_told_as_in_a_component() {
    let refused = ErrorCode::InternalError(Some("no\nhint: grant it".to_owned()));
    let mock = MockHost::new().reply(Method::Get, URL, Reply::failed(refused));
    let error = mock.run(|| Request::get(URL).send()).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Other, "no\nhint: grant it"));
}

#[test]
fn memory_is_found_by_the_beginnings_of_its_words() {
    let mock = MockHost::new();
    mock.run(|| {
        memory::write("travel/seat", "By the Window").unwrap();
        memory::write("food", "no nuts").unwrap();
        assert_eq!(memory::search("seat win", 5).unwrap().len(), 1);
        assert_eq!(memory::search("indow", 5).unwrap().len(), 0);
        assert!(memory::write("", "x").is_err());
    });
}
