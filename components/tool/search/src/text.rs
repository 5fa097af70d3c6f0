//! Results as a model reads them.

use cara_sdk::tool::beginning;

use crate::wire::Found;

/// The most characters of a title and of an excerpt.
const TITLE: usize = 200;
const EXCERPT: usize = 600;

/// The most bytes of an address.
const ADDRESS: usize = 2_048;

/// The first results, numbered: title, address, excerpt.
pub(crate) fn shown(results: &[Found], count: usize) -> String {
    let usable = results.iter().filter(|found| usable(&found.url));
    let one = |(index, found): (usize, &Found)| {
        let title = line(found.title.as_deref().unwrap_or_default(), TITLE);
        let title = if title.is_empty() { "(no title)".to_owned() } else { title };
        let excerpt = line(found.excerpt.as_deref().unwrap_or_default(), EXCERPT);
        let excerpt = if excerpt.is_empty() { excerpt } else { format!("\n   {excerpt}") };
        format!("{}. {title}\n   {}{excerpt}", index + 1, found.url)
    };
    let text = usable.take(count).enumerate().map(one).collect::<Vec<_>>().join("\n\n");
    if text.is_empty() { "nothing was found; try fewer or other words".to_owned() } else { text }
}

fn usable(url: &str) -> bool {
    let known = url.starts_with("https://") || url.starts_with("http://");
    known && url.len() <= ADDRESS && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Text on one line, without the marks and entities that engines leave in it.
fn line(text: &str, most: usize) -> String {
    const LEFT: [(&str, &str); 8] = [
        ("<strong>", ""),
        ("</strong>", ""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let plain = LEFT.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match beginning(&line, most) {
        part if part.len() < line.len() => format!("{part}\u{2026}"),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(title: &str, url: &str, excerpt: &str) -> Found {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Found { title: some(title), url: url.into(), excerpt: some(excerpt) }
    }

    #[test]
    fn results_are_numbered_with_title_address_and_excerpt() {
        let results = [
            found("Rust", "https://rust-lang.org/", "A <strong>language</strong> that&#x27;s &amp;lt; safe"),
            found("", "http://h.example/", ""),
            found("Third", "https://t.example/", "x"),
        ];
        assert_eq!(
            shown(&results, 2),
            "1. Rust\n   https://rust-lang.org/\n   A language that's &lt; safe\n\n2. (no title)\n   http://h.example/"
        );
        assert_eq!(shown(&[], 8), "nothing was found; try fewer or other words");
    }

    #[test]
    fn no_result_can_pass_for_another_or_fill_the_answer() {
        let results = [
            found("a\n2. b", "https://a.example/", &"å".repeat(601)),
            found("script", "javascript:alert(1)", ""),
            found("two lines", "https://b.example/\n3. c", ""),
            found("long", &format!("https://c.example/{}", "x".repeat(2_048)), ""),
        ];
        let text = shown(&results, 8);
        assert!(text.starts_with("1. a 2. b\n   https://a.example/\n   å"), "{text}");
        assert_eq!((text.matches('å').count(), text.lines().count()), (600, 3));
    }
}
