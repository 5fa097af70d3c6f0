//! A long text as several messages, for channels whose messages have a longest
//! length.
//!
//! It is cut between paragraphs, else between lines, words, characters. A fence of code that is open at a cut is closed there,
//! and opened again in the next message, so that each can be read alone.

/// The texts, each of at most `units` UTF-16 code units. Nothing but blanks at the cuts is left out.
pub(crate) fn pieces(text: &str, units: usize) -> Vec<String> {
    let (mut pieces, mut rest, mut opened) = (Vec::new(), text, String::new());
    loop {
        let room = units.saturating_sub(width(&opened));
        if width(rest) <= room {
            pieces.push(format!("{opened}{rest}"));
            return pieces;
        }
        // Room to close a fence again.
        let (piece, next) = rest.split_at(cut(rest, room.saturating_sub(MOST_CLOSE.min(room / 2)).max(1)));
        let whole = format!("{opened}{}", piece.trim_end());
        // A fence with a long line is not opened again: that would leave no room for what is in it.
        let fence = Fence::open_at_end(&whole).filter(|fence| fence.fits(units));
        rest = if fence.is_some() { next.strip_prefix('\n').unwrap_or(next) } else { next.trim_start_matches('\n') };
        opened = fence.as_ref().map(|fence| format!("{}\n", fence.line)).unwrap_or_default();
        let piece = fence.map_or_else(|| whole.clone(), |fence| format!("{whole}\n{}", fence.mark));
        pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
        if rest.is_empty() {
            return pieces;
        }
    }
}

/// The most that closing a fence takes.
const MOST_CLOSE: usize = 17;

/// A fence of code (CommonMark 0.31, section 4.5): at least three of a sign, and in its first line what kind of code it is.
struct Fence {
    line: String,
    mark: String,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        let sign = text.chars().next().filter(|sign| "`~".contains(*sign))?;
        let length = text.chars().take_while(|c| *c == sign).count();
        let is_one = line.len() - text.len() <= 3 && length >= 3 && !(sign == '`' && text[length..].contains('`'));
        is_one.then(|| Self { line: line.to_owned(), mark: text[..length].to_owned() })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let text = line.trim();
        text.starts_with(&self.mark) && text.chars().all(|c| self.mark.starts_with(c))
    }

    /// The fence that is open at the end of a text.
    fn open_at_end(text: &str) -> Option<Self> {
        text.lines().fold(None, |open: Option<Self>, line| match open {
            None => Self::opened_by(line),
            Some(open) if open.is_closed_by(line) => None,
            open => open,
        })
    }

    fn fits(&self, units: usize) -> bool {
        self.mark.len() < MOST_CLOSE && width(&self.line) + MOST_CLOSE < units / 2
    }
}

fn width(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Where to cut a text that is longer than that: after the last paragraph, line or word that fits.
fn cut(text: &str, units: usize) -> usize {
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        used += c.len_utf16();
        if used > units {
            break;
        }
        end = at + c.len_utf8();
    }
    // A character that does not fit is taken all the same: else nothing would go on.
    let end = if end == 0 { text.chars().next().map_or(0, char::len_utf8) } else { end };
    let fits = &text[..end];
    // A cut near the beginning would make many small messages.
    let late = |at: &usize| *at >= end / 2;
    let paragraph = fits.rfind("\n\n").map(|at| at + 1);
    let line = || fits.rfind('\n').map(|at| at + 1);
    let word = || fits.rfind(' ').map(|at| at + 1);
    paragraph.filter(late).or_else(|| line().filter(late)).or_else(|| word().filter(late)).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_one_and_cuts_are_where_a_reader_pauses() {
        assert_eq!(pieces("hello", 100), ["hello"]);
        assert_eq!(pieces("one two three", 9), ["one", "two three"]);
        let text = format!("{}\n\n{}", "a".repeat(60), "b ".repeat(30).trim_end());
        assert_eq!(pieces(&text, 80), ["a".repeat(60), "b ".repeat(30).trim_end().to_owned()]);
    }

    #[test]
    fn a_fence_is_closed_at_a_cut_and_opened_again() {
        let code = (0..40).map(|line| format!("let x{line} = {line};\n")).collect::<String>();
        let all = pieces(&format!("Look:\n\n```rust\n{code}```\n\nThat is all."), 200);
        assert!(all.len() > 3);
        for piece in &all {
            assert!(width(piece) <= 200, "{piece}");
            assert!(Fence::open_at_end(piece).is_none(), "{piece}");
        }
        assert!(all[1].starts_with("```rust\n") && all.last().is_some_and(|last| last.ends_with("That is all.")));
        let lines: Vec<&str> =
            all.iter().flat_map(|piece| piece.lines()).filter(|line| line.starts_with("let")).collect();
        assert_eq!(lines, code.lines().collect::<Vec<_>>());
    }

    #[test]
    fn a_fence_is_one_by_its_sign_its_length_and_its_line() {
        for (text, is_open) in [
            ("```rust\nlet", true),
            ("````md\n```\nx\n```\n", true),
            ("````md\n```\nx\n````", false),
            ("~~~\nx", true),
            ("~~~\nx\n~~~~", false),
            ("```x``` is inline", false),
            ("    ```\nindented", false),
            ("``", false),
        ] {
            assert_eq!(Fence::open_at_end(text).is_some(), is_open, "{text}");
        }
        let nested = pieces(&format!("- a\n  - b\n\n{}\n\n  - c", "x".repeat(60)), 70);
        assert!(nested.last().is_some_and(|last| last.ends_with("  - c")), "{nested:?}");
    }

    #[test]
    fn whatever_the_text_each_piece_fits_and_no_word_is_lost() {
        let letters = ["a", "🦜", " ", "\n", "\n```\n", "é", "\n\n", "\n```x\n", "long-word-"];
        let mut random = 7_u64;
        for _ in 0..500 {
            let mut text = String::new();
            for _ in 0..200 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(letters[(random >> 33) as usize % letters.len()]);
            }
            let all = pieces(&text, 100);
            assert!(all.iter().all(|piece| width(piece) <= 100), "{text:?}");
            let kept = |text: &str| text.matches('🦜').count() + text.matches('é').count() + text.matches('w').count();
            assert_eq!(all.iter().map(|piece| kept(piece)).sum::<usize>(), kept(&text), "{text:?}");
        }
    }
}
