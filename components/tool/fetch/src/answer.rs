//! What a model is told: where it came from, and the window it asked for.

use cara_sdk::Error;

use crate::body::End;

/// Where an answer came from.
#[derive(Debug)]
pub(crate) struct Came<'a> {
    /// Every address that was asked, the last one answered.
    pub(crate) chain: &'a [String],
    pub(crate) status: u16,
    pub(crate) media_type: Option<&'a str>,
}

/// The part of a text that is wanted, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    offset: usize,
    most: usize,
}

impl Window {
    /// The window, if it is one the manifest allows.
    pub(crate) fn checked(offset: usize, most: Option<usize>) -> Result<Self, Error> {
        match most.unwrap_or(20_000) {
            most @ 1..=100_000 => Ok(Self { offset, most }),
            most => Err(Error::bad_request(format!("`max_characters` is 1 to 100000, not {most}"))),
        }
    }
}

/// The heading of every answer.
fn heading(came: &Came<'_>) -> String {
    let (last, before) = came.chain.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let media_type: String = came.media_type.unwrap_or("no media type").chars().take(200).collect();
    let mut heading = format!("{last}\nstatus {}, {media_type}\n", came.status);
    if !before.is_empty() {
        heading.push_str(&format!("redirected from {}\n", before.join(", then ")));
    }
    heading
}

/// The answer where there is no text.
pub(crate) fn binary(came: &Came<'_>, bytes: Option<u64>) -> String {
    let size = bytes.map_or_else(|| "of unknown size".to_owned(), |bytes| format!("of {bytes} bytes"));
    format!("{}\n(not text, {size}; not shown)", heading(came))
}

/// The answer with a part of the text.
pub(crate) fn text(came: &Came<'_>, text: &str, window: Window, end: End) -> String {
    let all = text.chars().count();
    let from = window.offset.min(all);
    let until = from.saturating_add(window.most).min(all);
    let part: String = text.chars().skip(from).take(until - from).collect();
    let mut answer = format!("{}\n{part}", heading(came));
    if all == 0 {
        answer.push_str("(no text)");
    } else if window.offset >= all {
        answer.push_str(&format!("(the text ends at character {all})"));
    } else if until < all {
        answer.push_str(&format!("\n(characters {from} to {until} of {all}; go on with `offset` = {until})"));
    } else if from > 0 {
        answer.push_str(&format!("\n(characters {from} to {until} of {all}, the end)"));
    }
    match end {
        End::Whole => {}
        End::Cut => answer.push_str("\n(only the first 1 MiB was read; the rest cannot be)"),
        End::Broken => answer.push_str("\n(the connection broke here; there was more)"),
    }
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chain(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|url| (*url).to_owned()).collect()
    }

    fn told(text_of_page: &str, offset: usize, most: usize, end: End) -> String {
        let chain = chain(&["https://h.example/"]);
        let came = Came { chain: &chain, status: 200, media_type: Some("text/html") };
        let answer = text(&came, text_of_page, Window::checked(offset, Some(most)).unwrap(), end);
        answer.strip_prefix("https://h.example/\nstatus 200, text/html\n\n").unwrap().to_owned()
    }

    #[test]
    fn a_failure_of_the_server_is_told_with_its_status_and_the_way_there() {
        let chain = chain(&["https://a.example/", "https://b.example/", "https://c.example/x"]);
        let came = Came { chain: &chain, status: 404, media_type: None };
        let answer = text(&came, "gone", Window::checked(0, None).unwrap(), End::Whole);
        assert_eq!(
            answer,
            "https://c.example/x\nstatus 404, no media type\nredirected from https://a.example/, then https://b.example/\n\ngone"
        );
    }

    #[test]
    fn a_cut_text_says_what_is_left_and_how_to_get_it() {
        assert_eq!(told("æøåabc", 0, 6, End::Whole), "æøåabc");
        assert_eq!(told("æøåabc", 0, 4, End::Whole), "æøåa\n(characters 0 to 4 of 6; go on with `offset` = 4)");
        assert_eq!(told("æøåabc", 4, 4, End::Whole), "bc\n(characters 4 to 6 of 6, the end)");
        assert_eq!(told("æøåabc", 9, 4, End::Whole), "(the text ends at character 6)");
        assert_eq!(told("", 0, 4, End::Whole), "(no text)");
        assert!(told("abc", 0, 4, End::Cut).ends_with("(only the first 1 MiB was read; the rest cannot be)"));
        assert!(told("abc", usize::MAX, 4, End::Broken).ends_with("(the connection broke here; there was more)"));
    }

    #[test]
    fn what_is_no_text_is_told_by_type_and_size() {
        let chain = chain(&["https://h.example/i.png"]);
        let came = Came { chain: &chain, status: 200, media_type: Some("image/png") };
        assert!(binary(&came, Some(12)).ends_with("status 200, image/png\n\n(not text, of 12 bytes; not shown)"));
        assert!(binary(&came, None).contains("of unknown size"));
    }
}
