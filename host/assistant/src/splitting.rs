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
        let cut = cut(rest, room.saturating_sub(CLOSE.len()).max(1));
        let (piece, next) = rest.split_at(cut);
        let whole = format!("{opened}{}", piece.trim_end());
        opened = open_fence(&whole).map(|fence| format!("{fence}\n")).unwrap_or_default();
        pieces.push(if opened.is_empty() { whole } else { format!("{whole}{CLOSE}") });
        rest = if opened.is_empty() { next.trim_start() } else { next.strip_prefix('\n').unwrap_or(next) };
        // A line that opens a fence and leaves no room is no fence worth keeping.
        if width(&opened) + CLOSE.len() + 1 >= units {
            opened.clear();
        }
        if rest.is_empty() {
            return pieces;
        }
    }
}

/// What closes a fence.
const CLOSE: &str = "\n```";

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

/// The line that opened the fence which is open at the end of a text.
fn open_fence(text: &str) -> Option<&str> {
    let mut open: Option<&str> = None;
    for line in text.lines() {
        let mark = line.trim_start();
        open = match open {
            None if mark.starts_with("```") => Some(line),
            Some(_) if mark.trim_end() == "```" => None,
            other => other,
        };
    }
    open
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
            assert_eq!(open_fence(piece), None, "{piece}");
        }
        assert!(all[1].starts_with("```rust\n") && all.last().is_some_and(|last| last.ends_with("That is all.")));
        let lines: Vec<&str> =
            all.iter().flat_map(|piece| piece.lines()).filter(|line| line.starts_with("let")).collect();
        assert_eq!(lines, code.lines().collect::<Vec<_>>());
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
            let kept =
                |text: &str| text.matches('🦜').count() + text.matches('é').count() + text.matches("word").count();
            assert_eq!(all.iter().map(|piece| kept(piece)).sum::<usize>(), kept(&text), "{text:?}");
        }
    }
}
