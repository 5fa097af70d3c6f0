//! Markdown as the HTML that Telegram reads
//! (<https://core.telegram.org/bots/api#html-style>).

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A text as Telegram's HTML. What Telegram has no form for stays as words.
pub(crate) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut writer = Writer { out: String::new(), lists: Vec::new(), quoted: 0, cell: 0, link: None };
    for event in Parser::new_ext(markdown, options) {
        writer.event(event);
    }
    writer.out.trim().to_owned()
}

struct Writer {
    out: String,
    /// The next number of each open list; nothing in one with bullets.
    lists: Vec<Option<u64>>,
    /// How many quotes are open: Telegram nests none.
    quoted: usize,
    cell: usize,
    /// Where a link leads that Telegram does not know.
    link: Option<String>,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                self.out.push_str("<code>");
                self.text(&text);
                self.out.push_str("</code>");
            }
            Event::SoftBreak | Event::HardBreak => self.out.push('\n'),
            Event::Rule => self.block("———"),
            Event::TaskListMarker(done) => self.out.push_str(if done { "☑ " } else { "☐ " }),
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
        }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                c => self.out.push(c),
            }
        }
    }

    /// Begins a block on a line of its own.
    fn block(&mut self, text: &str) {
        let blank = if self.lists.is_empty() { "\n\n" } else { "\n" };
        let written = self.out.trim_end_matches('\n').len();
        if written > 0 && !self.out.ends_with("<blockquote>") && !self.out.ends_with("• ") {
            self.out.truncate(written);
            self.out.push_str(blank);
        }
        self.out.push_str(text);
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Paragraph if self.at_item() => {}
            Tag::Paragraph => self.block(""),
            Tag::Heading { .. } => self.block("<b>"),
            Tag::BlockQuote(_) => {
                self.quoted += 1;
                self.block(if self.quoted == 1 { "<blockquote>" } else { "" });
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(language)) if is_word(language) => {
                self.block(&format!("<pre><code class=\"language-{language}\">"));
            }
            Tag::CodeBlock(_) => self.block("<pre><code>"),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block("");
                }
                self.lists.push(*first);
            }
            Tag::Item => {
                let depth = self.lists.len().saturating_sub(1);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "• ".to_owned(),
                };
                if !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.out.push('\n');
                }
                self.out.push_str(&"  ".repeat(depth));
                self.out.push_str(&mark);
            }
            Tag::Emphasis => self.out.push_str("<i>"),
            Tag::Strong => self.out.push_str("<b>"),
            Tag::Strikethrough => self.out.push_str("<s>"),
            // Telegram knows whole addresses alone.
            Tag::Link { dest_url, .. } if dest_url.contains("://") => {
                self.out.push_str("<a href=\"");
                self.text(dest_url);
                self.out.push_str("\">");
                self.link = None;
            }
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.to_string()),
            Tag::HtmlBlock => self.block(""),
            // A picture is not fetched; its words stay.
            Tag::Image { .. } => self.out.push('['),
            Tag::Table(_) => self.block(""),
            Tag::TableHead | Tag::TableRow => self.cell = 0,
            Tag::TableCell => {
                if self.cell > 0 {
                    self.out.push_str(" | ");
                }
                self.cell += 1;
            }
            _ => {}
        }
    }

    /// Whether an item of a list has just begun.
    fn at_item(&self) -> bool {
        !self.lists.is_empty() && (self.out.ends_with("• ") || self.out.ends_with(". ") || self.out.ends_with("☐ "))
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => self.out.push_str("</b>"),
            TagEnd::BlockQuote(_) => {
                self.quoted -= 1;
                if self.quoted == 0 {
                    self.out.truncate(self.out.trim_end().len());
                    self.out.push_str("</blockquote>");
                }
            }
            TagEnd::CodeBlock => {
                self.out.truncate(self.out.trim_end_matches('\n').len());
                self.out.push_str("</code></pre>");
            }
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::Emphasis => self.out.push_str("</i>"),
            TagEnd::Strong => self.out.push_str("</b>"),
            TagEnd::Strikethrough => self.out.push_str("</s>"),
            TagEnd::Link => match self.link.take() {
                Some(address) => {
                    self.out.push_str(" (");
                    self.text(&address);
                    self.out.push(')');
                }
                None => self.out.push_str("</a>"),
            },
            TagEnd::Image => self.out.push(']'),
            TagEnd::TableHead | TagEnd::TableRow => self.out.push('\n'),
            _ => {}
        }
    }
}

fn is_word(language: &str) -> bool {
    (1..=30).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-#_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_telegram_has_a_form_for_gets_it_and_all_else_stays_words() {
        for (markdown, wanted) in [
            ("hello", "hello"),
            ("**a** *b* ~~c~~ `d < e`", "<b>a</b> <i>b</i> <s>c</s> <code>d &lt; e</code>"),
            ("a < b & c", "a &lt; b &amp; c"),
            ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
            ("[t](https://e.example/?a=\"2\")", "<a href=\"https://e.example/?a=&quot;2&quot;\">t</a>"),
            ("[t](https://e.example/?a=1&b=2)", "<a href=\"https://e.example/?a=1&amp;b=2\">t</a>"),
            ("[docs](docs/a.md) there", "docs (docs/a.md) there"),
            ("one\n\n<div>x</div>", "one\n\n&lt;div&gt;x&lt;/div&gt;"),
            ("# Title\n\ntext", "<b>Title</b>\n\ntext"),
            ("one\n\ntwo", "one\n\ntwo"),
            ("- a\n- b\n  - c", "• a\n• b\n  • c"),
            ("3. a\n4. b", "3. a\n4. b"),
            ("> quoted\n> text", "<blockquote>quoted\ntext</blockquote>"),
            ("```rust\nfn a() {}\n```", "<pre><code class=\"language-rust\">fn a() {}</code></pre>"),
            ("```a\"b\nx\n```", "<pre><code>x</code></pre>"),
            ("![a cat](https://e.example/c.png)", "[a cat]"),
            ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"),
        ] {
            assert_eq!(html(markdown), wanted, "{markdown}");
        }
    }

    #[test]
    fn every_tag_that_is_opened_is_closed() {
        let text = "> **a\n>\n> - *b* `c`\n\n1. x\n\n   y\n\n```\nz\n\n| q |\n|--|\n| **r** |";
        let made = html(text);
        for tag in ["b", "i", "s", "code", "pre", "a", "blockquote"] {
            let opened = made.matches(&format!("<{tag}>")).count() + made.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, made.matches(&format!("</{tag}>")).count(), "{tag}: {made}");
        }
    }
}
