//! Floods of HTTP/2, frame by frame.

use super::ends::PREFACE;
use super::*;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET http://a/wait`, as HPACK has it.
const ASKS: &[u8] = b"\x82\x86\x04\x05/wait\x41\x01a";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field whose value has so many bytes, 128 or more.
fn field(length: u32) -> Vec<u8> {
    let rest = length - 127;
    let head = [0, 1, b'x', 0x7f, (rest % 128) as u8 | 0x80, (rest / 128) as u8];
    [&head[..], &vec![b'y'; length as usize]].concat()
}

/// Sends frames until the connection ends; how many went out.
async fn sends(stage: &Stage, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
    let mut stream = stage.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let heard = tokio::spawn(async move {
        let mut rest = Vec::new();
        let _ = reading.read_to_end(&mut rest).await;
    });
    for number in 0..200_000 {
        if heard.is_finished() || writing.write_all(&next(number)).await.is_err() {
            return number;
        }
    }
    panic!("the flood goes on");
}

#[tokio::test]
async fn requests_that_are_given_up_as_soon_as_they_are_made_end_the_connection() {
    let stage = Stage::roomy();
    let sent = sends(&stage, |number| {
        let stream = number * 2 + 1;
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, ASKS), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    let sent = sent.await;
    stage.until_going(0).await;
    let begun = stage.begun.load(Ordering::SeqCst);
    assert!(begun <= 2_000, "{begun} of {sent} requests were begun");
}

#[tokio::test]
async fn a_head_without_end_ends_the_connection() {
    let stage = Stage::roomy();
    let part = field(256);
    sends(&stage, |number| match number {
        0 => frame(HEADERS, END_STREAM, 1, ASKS),
        _ => frame(CONTINUATION, 0, 1, &part),
    })
    .await;
    assert_eq!(stage.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_head_that_is_larger_than_said_is_refused_and_no_request() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    // Within what frames may bring, and more than a head may be.
    let fields = field(1024).repeat(15);
    let head = [
        frame(HEADERS, END_STREAM, 1, ASKS),
        frame(CONTINUATION, 0, 1, &fields),
        frame(CONTINUATION, 0, 1, &fields),
        frame(CONTINUATION, END_HEADERS, 1, &fields),
    ];
    stream.write_all(&[PREFACE, &head.concat()].concat()).await.unwrap();
    // Settings and such come before it.
    let answered = async { while !matches!(heard(&mut stream).await, (HEADERS | RST_STREAM, 1)) {} };
    timeout(Duration::from_secs(5), answered).await.expect("the stream is answered or reset");
    assert_eq!(stage.begun.load(Ordering::SeqCst), 0);
}

/// The kind of the next frame, and the stream that it is of.
async fn heard(stream: &mut TcpStream) -> (u8, u32) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let [a, b, c, kind, _, stream_number @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, u32::from_be_bytes(stream_number))
}

#[tokio::test(start_paused = true)]
async fn pings_keep_no_connection_that_asks_nothing() {
    let stage = Stage::roomy();
    let mut stream = stage.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    let since = tokio::time::Instant::now();
    while stream.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(since.elapsed() < Duration::from_secs(90), "it is kept");
    }
}
