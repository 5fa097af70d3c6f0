//! How large a head may be, and how many connections and requests there are.

use super::*;

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let stage = Stage::roomy();
    let many = (0..200).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    for head in [
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(70_000)),
        format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(70_000)),
    ] {
        let mut stream = stage.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let said = part(&mut stream).await;
        let status = said.get(9..12).unwrap_or_default();
        assert!(["431", "414"].contains(&status), "{}: {said}", &head[..40]);
        assert!(ends(&mut stream).await.is_some());
    }
}

#[tokio::test]
async fn a_request_for_no_host_or_two_is_refused() {
    let stage = Stage::roomy();
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let mut stream = stage.connect().await;
        let said = asks(&mut stream, &format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
}

#[tokio::test]
async fn connections_that_do_nothing_give_way_and_whoever_asks_is_answered() {
    let stage = Stage::new(Bounds { overall: 16, each: 16 }, 64);
    let mut half_open = Vec::new();
    for _ in 0..400 {
        half_open.push(stage.connect().await);
    }
    let mut stream = stage.connect().await;
    assert!(asks(&mut stream, &get_of("/")).await.starts_with("HTTP/1.1 200"));
    assert!(stage.shared.places.count() <= 16);
    assert!(ends(&mut half_open[0]).await.is_some());
}

#[tokio::test]
async fn a_connection_too_many_is_told_to_come_again_when_none_gives_way() {
    let stage = Stage::new(Bounds { overall: 2, each: 2 }, 64);
    let mut busy = [stage.connect().await, stage.connect().await];
    for stream in &mut busy {
        stream.write_all(get_of("/wait").as_bytes()).await.unwrap();
    }
    stage.until_going(2).await;
    let mut late = stage.connect().await;
    let said = part(&mut late).await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("retry-after: 1"), "{said}");
    assert_eq!(stage.going.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_too_many_is_told_to_come_again() {
    let stage = Stage::new(Bounds { overall: 64, each: 64 }, 1);
    let (mut busy, mut late) = (stage.connect().await, stage.connect().await);
    busy.write_all(get_of("/wait").as_bytes()).await.unwrap();
    stage.until_going(1).await;
    let said = asks(&mut late, &get_of("/")).await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("retry-after: 1"), "{said}");
    drop(busy);
    stage.until_going(0).await;
    assert!(asks(&mut late, &get_of("/")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_asks_is_in_each_request() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    let own = stream.local_addr().unwrap();
    let said = asks(&mut stream, &get_of("/peer")).await;
    let local = own.ip();
    let told =
        format!("Peer {{ address: Some({own}), local: Some({local}), account: false, tls: false, certificate: None }}");
    assert!(said.ends_with(&told), "{said}");
}
