//! HTML as text for reading, in one pass and without a tree.
//!
//! Nothing here recurses and no element is kept, so a page cannot exhaust the stack or the memory of a call.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use url::Url;

use crate::layout::Layout;

/// The most links that are shown with their address.
const LINKS: usize = 4_000;

/// The text of a page. Its links are made absolute by `url`, or by what its `base` says.
pub(crate) fn readable(html: &str, url: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page { base: Url::parse(url).ok(), ..Page::default() };
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::StartTag(tag) => page.start(&tag),
            Token::EndTag(tag) => page.end(&tag.name),
            Token::String(text) => page.text(&String::from_utf8_lossy(&text.value)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if page.layout.is_full() {
            break;
        }
    }
    page.finish()
}

/// What of the elements that are open matters for the text.
#[derive(Debug, Default)]
struct Page {
    layout: Layout,
    base: Option<Url>,
    title: String,
    in_title: bool,
    /// An element that is left out, and how many of its name are open.
    left_out: Option<(Vec<u8>, usize)>,
    /// For each list its next number, none for one with bullets.
    lists: Vec<Option<u64>>,
    quotes: usize,
    preformatted: usize,
    cells: usize,
    /// Where the open link begins in the text, and where it leads.
    link: Option<(usize, String)>,
    links: usize,
}

/// Elements whose content is no text of the page.
fn is_left_out(name: &[u8]) -> bool {
    matches!(
        name,
        b"script"
            | b"style"
            | b"noscript"
            | b"template"
            | b"svg"
            | b"math"
            | b"iframe"
            | b"object"
            | b"canvas"
            | b"noembed"
            | b"noframes"
            | b"datalist"
    )
}

/// Elements that begin and end a line, and those that keep a distance.
fn distance(name: &[u8]) -> usize {
    match name {
        b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"pre" | b"table" | b"figure"
        | b"section" | b"article" | b"main" | b"header" | b"footer" | b"nav" | b"aside" | b"dl" | b"form"
        | b"fieldset" | b"details" => 2,
        b"div" | b"li" | b"dt" | b"dd" | b"tr" | b"caption" | b"figcaption" | b"summary" | b"address" | b"option"
        | b"legend" | b"body" | b"head" | b"title" => 1,
        _ => 0,
    }
}

impl Page {
    fn start(&mut self, tag: &StartTag<()>) {
        let name: &[u8] = &tag.name;
        if let Some((left_out, depth)) = &mut self.left_out {
            *depth += usize::from(left_out == name && !tag.self_closing);
            return;
        }
        if is_left_out(name) {
            self.left_out = (!tag.self_closing).then(|| (name.to_vec(), 1));
            return;
        }
        self.space(name);
        match name {
            b"title" => self.in_title = true,
            b"base" => self.rebase(tag),
            b"br" => self.layout.line(1),
            b"hr" => self.layout.line(2),
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => {
                let level = usize::from(name[1] - b'0');
                self.layout.mark(&format!("{} ", "#".repeat(level)));
            }
            b"ul" | b"menu" => self.open_list(None),
            b"ol" => self.open_list(Some(attribute(tag, b"start").and_then(|text| text.parse().ok()).unwrap_or(1))),
            b"li" => self.item(),
            b"blockquote" => self.quoted(1, 0),
            b"pre" => {
                self.preformatted += 1;
                self.layout.sign("```");
                self.layout.line(1);
            }
            b"td" | b"th" => self.cell(),
            b"tr" => self.cells = 0,
            b"a" => self.open_link(tag),
            b"img" => self.image(tag),
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((left_out, depth)) = &mut self.left_out {
            *depth -= usize::from(left_out == name);
            if *depth == 0 {
                self.left_out = None;
            }
            return;
        }
        match name {
            b"title" => self.in_title = false,
            b"a" => self.close_link(),
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"li" => self.layout.unmark(),
            b"ul" | b"ol" | b"menu" => self.close_list(),
            b"blockquote" => self.quoted(0, 1),
            b"pre" if self.preformatted > 0 => {
                self.preformatted -= 1;
                self.layout.line(1);
                self.layout.sign("```");
            }
            _ => {}
        }
        self.space(name);
    }

    fn text(&mut self, text: &str) {
        if self.left_out.is_some() {
            return;
        }
        match () {
            () if self.in_title && self.title.len() < 1_000 => self.title.push_str(text),
            () if self.in_title => {}
            () if self.preformatted > 0 => self.layout.preformatted(text),
            () => self.layout.flow(text),
        }
    }

    fn space(&mut self, name: &[u8]) {
        match distance(name) {
            0 => {}
            // A paragraph in an item or a cell does not tear it apart.
            _ if self.cells > 0 && name != b"tr" && name != b"table" => self.layout.flow(" "),
            2 if self.lists.is_empty() => self.layout.line(2),
            _ => self.layout.line(1),
        }
    }

    fn rebase(&mut self, tag: &StartTag<()>) {
        let address = attribute(tag, b"href");
        if let (Some(base), Some(address)) = (&self.base, address) {
            self.base = base.join(&address).ok().or_else(|| Some(base.clone()));
        }
    }

    fn open_list(&mut self, number: Option<u64>) {
        self.layout.line(if self.lists.is_empty() { 2 } else { 1 });
        // A list that is never closed must not grow without end.
        if self.lists.len() < 100 {
            self.lists.push(number);
        }
        self.layout.indent(self.lists.len() - 1);
    }

    fn close_list(&mut self) {
        self.lists.pop();
        self.layout.indent(self.lists.len().saturating_sub(1));
        self.layout.line(if self.lists.is_empty() { 2 } else { 1 });
    }

    fn item(&mut self) {
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{}. ", *number - 1)
            }
            _ => "- ".to_owned(),
        };
        self.layout.mark(&mark);
    }

    fn quoted(&mut self, more: usize, fewer: usize) {
        self.quotes = (self.quotes + more).saturating_sub(fewer);
        self.layout.quotes(self.quotes);
    }

    fn cell(&mut self) {
        if self.cells > 0 {
            self.layout.sign_after(" |");
            self.layout.flow(" ");
        }
        self.cells += 1;
    }

    fn open_link(&mut self, tag: &StartTag<()>) {
        self.close_link();
        let address = attribute(tag, b"href").filter(|address| !address.trim().starts_with('#'));
        let Some(address) = address.and_then(|address| self.base.as_ref()?.join(&address).ok()) else { return };
        if self.links < LINKS && matches!(address.scheme(), "https" | "http" | "mailto") {
            self.links += 1;
            self.layout.sign("[");
            self.link = Some((self.layout.len(), address.into()));
        }
    }

    fn close_link(&mut self) {
        let Some((start, address)) = self.link.take() else { return };
        if self.layout.len() == start {
            // A link without text says nothing to a reader.
            self.layout.back_to(start - 1);
        } else {
            self.layout.sign_after(&format!("]({address})"));
        }
    }

    fn image(&mut self, tag: &StartTag<()>) {
        if let Some(text) = attribute(tag, b"alt").filter(|text| !text.trim().is_empty()) {
            self.layout.sign("[image: ");
            self.layout.flow(text.trim());
            self.layout.sign_after("]");
        }
    }

    fn finish(mut self) -> String {
        self.close_link();
        let title = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = self.layout.finish();
        match (title.is_empty(), text.is_empty()) {
            (true, _) => text,
            (false, true) => format!("Title: {title}"),
            (false, false) => format!("Title: {title}\n\n{text}"),
        }
    }
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(&value.value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        readable(html, "https://h.example/a/page")
    }

    #[test]
    fn headings_lists_and_quotations_keep_their_form() {
        let html = "<!doctype html><title> A &amp;\n B</title><h1>One</h1><p>Two <b>three</b>.\n four<h2>Five</h2>\
            <ul><li>six<li><p>seven</p><ol start=3><li>a</li><li>b</ol></ul><blockquote><p>said</p><p>done</p></blockquote>end";
        assert_eq!(
            text(html),
            "Title: A & B\n\n# One\n\nTwo three. four\n\n## Five\n\n- six\n- seven\n  3. a\n  4. b\n\n> said\n\n> done\n\nend"
        );
    }

    #[test]
    fn links_are_shown_with_their_whole_address() {
        assert_eq!(
            text("see <a href='b?x=1&amp;y'>this <i>page</i></a>."),
            "see [this page](https://h.example/a/b?x=1&y)."
        );
        assert_eq!(text("<base href=https://o.example/d/><a href=e>f</a>"), "[f](https://o.example/d/e)");
        assert_eq!(text("<a href=/1>a<a href=/2>b"), "[a](https://h.example/1)[b](https://h.example/2)");
        assert_eq!(
            text("<a href=/1><img alt=Logo></a> <a href=/2><svg><path/></svg></a>x"),
            "[[image: Logo]](https://h.example/1) x"
        );
        for plain in [
            "<a href='#top'>up</a>",
            "<a href='javascript:go()'>up</a>",
            "<a href='data:text/html,x'>up</a>",
            "<a>up</a>",
        ] {
            assert_eq!(text(plain), "up", "{plain}");
        }
    }

    #[test]
    fn what_is_no_text_of_the_page_is_left_out() {
        let html = "a<script>if (1 < 2) { '<p>no</p>' }</script><style>p{}</style><noscript>no</noscript>\
            <svg><title>no</title><svg></svg>no</svg><template><p>no</template><!-- no --><iframe>no</iframe>b";
        assert_eq!(text(html), "ab");
        assert_eq!(text("<svg/>a<textarea><p>b</textarea>"), "a<p>b");
    }

    #[test]
    fn preformatted_text_and_tables_keep_their_lines() {
        assert_eq!(text("<pre>\n  a\n\n    b &lt;\n</pre>c"), "```\n\n  a\n\n    b <\n```\n\nc");
        let table = "<table><tr><th>a<th>b</tr><tr><td><p>1</p></td><td>2 <br>3</td></tr></table>after";
        assert_eq!(text(table), "a | b\n1 | 2\n3\n\nafter");
    }

    #[test]
    fn a_hostile_page_costs_no_stack_and_ends() {
        let deep = "<div><ul><li><blockquote><a href=x>".repeat(20_000);
        assert!(text(&deep).len() < 5 << 20);
        let lists = "<ol>".repeat(200_000) + "end";
        assert!(text(&lists).ends_with("end"));
        let far = format!("<base href='/{}/'>{}", "x".repeat(8_000), "<a href=y>z</a>".repeat(60_000));
        assert!(text(&far).len() < 3 << 20, "a short link with a long address does not fill the memory");
        assert_eq!(text("</a></ul></pre></blockquote></svg></li>x"), "x");
        assert_eq!(text("<svg><svg></svg>never closed"), "");
    }
}
