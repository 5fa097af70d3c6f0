//! Texts that belong to the conversation, piece by piece.
//!
//! The host keeps them and chooses whose they are; this is only the way a model asks for a part of one.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, attachments};
use serde::Deserialize;

/// The component.
#[derive(Debug)]
pub struct Attachments;

cara_sdk::export_tool!(Attachments);

/// The bytes of a piece when none are asked for.
const USUAL: usize = 20_000;

/// The most bytes of a piece.
const MOST: usize = 200_000;

#[derive(Deserialize)]
struct Read {
    attachment: String,
    #[serde(default)]
    offset: usize,
    bytes: Option<usize>,
}

impl Tool for Attachments {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "attachment_read" => {
                let Read { attachment, offset, bytes } = read_arguments(&arguments)?;
                let most = bytes.unwrap_or(USUAL);
                if !(100..=MOST).contains(&most) {
                    return Err(Error::bad_request(format!("`bytes` is 100 to {MOST}, not {most}")));
                }
                let blob = attachments::get(&attachment)?;
                let text = std::str::from_utf8(&blob.data)
                    .map_err(|_| Error::bad_request(format!("`{attachment}` is no text, it is {}", blob.media_type)))?;
                say(piece(text, offset, most))
            }
            other => Err(unknown(other)),
        }
    }
}

/// The piece at an offset, and where to go on.
fn piece(text: &str, offset: usize, most: usize) -> String {
    let (from, whole) = (text.floor_char_boundary(offset), text.len());
    let end = text.floor_char_boundary(from.saturating_add(most));
    match (&text[from..end], end < whole) {
        ("", _) => format!("(the text ends at byte {whole})"),
        (part, false) if from == 0 => part.to_owned(),
        (part, false) => format!("{part}\n(bytes {from} to {whole} of {whole}, the end)"),
        (part, true) => format!("{part}\n(bytes {from} to {end} of {whole}; go on with `offset` = {end})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn a_text_comes_back_whole_whatever_the_pieces() {
        let text = "æøå and more, 日本 too. ".repeat(40);
        for most in [100, 101, 102, 103, 999] {
            let (mut offset, mut read) = (0, String::new());
            loop {
                let told = piece(&text, offset, most);
                let (part, rest) = told.rsplit_once("\n(bytes ").unwrap_or((&told, ""));
                read.push_str(part);
                let Some((_, next)) = rest.split_once("`offset` = ") else { break };
                offset = next.trim_end_matches(')').parse().unwrap();
            }
            assert_eq!(read, text, "{most} bytes a piece");
        }
    }

    #[test]
    fn the_end_is_said() {
        assert_eq!(piece("short", 0, 100), "short");
        assert_eq!(piece("short", 9, 100), "(the text ends at byte 5)");
        assert_eq!(piece("a longer text", 2, 100), "longer text\n(bytes 2 to 13 of 13, the end)");
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_host_is_asked() {
        for arguments in ["{}", r#"{"attachment":"f","bytes":1}"#, r#"{"attachment":"f","offset":-1}"#] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Attachments::call("attachment_read".into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
