//! Tests of the event-stream reader: the standard's rules, cut at every byte.

#![allow(clippy::unwrap_used)]
use super::*;

type Seen = (String, String, String, Option<u64>);

fn read(pieces: &[&[u8]]) -> Result<Vec<Seen>, Error> {
    let mut parser = Parser::new();
    let mut seen = Vec::new();
    for piece in pieces {
        parser.push(piece, |event| {
            seen.push((event.name.to_owned(), event.text().into_string(), event.id.to_owned(), event.retry_ms));
            Ok(())
        })?;
    }
    Ok(seen)
}

fn data(stream: &str) -> Vec<String> {
    let seen = read(&[stream.as_bytes()]).unwrap();
    seen.into_iter().map(|event| event.1).collect()
}

#[test]
fn the_examples_of_the_standard_read_as_it_says() {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
    let seen = read(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"]);
    let seen = seen.unwrap();
    assert_eq!(seen[0], ("message".into(), "first event".into(), "1".into(), None));
    assert_eq!(seen[1], ("message".into(), "second event".into(), String::new(), None));
    assert_eq!(seen.len(), 2, "an event without its empty line is discarded");
}

#[test]
fn a_stream_cut_at_every_byte_reads_the_same() {
    let stream = "\u{feff}event: a\r\ndata: eins\r\ndata: zwei \u{1f600}\r\n\r\n:c\rid: 7\rretry: 250\rdata: drei\r\r\
        event: b\ndata: vier\n\ndata:\n\nevent: lost\n\nretry: x\nid: nul\0\nother: y\ndata: five\n\n\
        data: \u{fc}\ndatax: no\nevent: late\n\n"
        .as_bytes();
    let whole = read(&[stream]).unwrap();
    let shown: Vec<_> = whole.iter().map(|event| (&*event.0, &*event.1)).collect();
    assert_eq!(
        shown,
        [
            ("a", "eins\nzwei \u{1f600}"),
            ("message", "drei"),
            ("b", "vier"),
            ("message", ""),
            ("message", "five"),
            ("late", "\u{fc}"),
        ]
    );
    assert_eq!((&*whole[4].2, whole[4].3), ("7", Some(250)));
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(read(&[left, right]).unwrap(), whole, "cut at {cut}");
    }
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(read(&bytes).unwrap(), whole);
}

#[test]
fn only_a_mark_at_the_very_beginning_is_left_out() {
    assert_eq!(read(&[b"\xef", b"\xbb\xbfdata: a\n\n"]).unwrap().len(), 1);
    assert_eq!(read(&[b"\xef\xbbdata: a\n\n"]).unwrap().len(), 0);
    assert_eq!(read(&[b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n"]).unwrap().len(), 0);
}

#[test]
fn an_event_over_the_limit_is_refused_whether_one_line_or_many() {
    let long = vec![b'x'; MAX_EVENT + 1];
    assert!(read(&[b"data: ", &long]).is_err());
    let line = [b"data: ".as_slice(), &vec![b'x'; 1_000], b"\n"].concat();
    assert!(read(&vec![line.as_slice(); 1_100]).is_err());
    let whole = [b"data: ".as_slice(), &long, b"\n\n"].concat();
    assert!(read(&[&whole]).is_err());
    let fits = [b"data: ".as_slice(), &vec![b'x'; MAX_EVENT - 100], b"\n\n"].concat();
    assert_eq!(read(&[&fits, &fits]).unwrap().len(), 2);
}

#[test]
fn an_error_of_the_listener_ends_the_reading() {
    let mut count = 0;
    let result = Parser::new().push(b"data: a\n\ndata: b\n\n", |_| {
        count += 1;
        Err(Error::other("stop"))
    });
    assert_eq!((result.unwrap_err().message.as_str(), count), ("stop", 1));
}
