//! Text laid out in lines: white space, blank lines, marks before lines.

/// The most bytes of text that are made.
const MOST: usize = 2 << 20;

/// Text in the making. Breaks are remembered and written only before more text, so that none stands at an end.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    text: String,
    /// Line ends before the next text: 1 for a new line, 2 for a blank one between.
    breaks: usize,
    space: bool,
    quotes: usize,
    indent: usize,
    /// What the next line begins with, once: a bullet or a heading's sign.
    mark: String,
}

impl Layout {
    /// How much there is.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether no more is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= MOST
    }

    /// Begins a new line, or with 2 leaves one blank.
    pub(crate) fn line(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
        self.space = false;
    }

    /// Puts a mark before the next line.
    pub(crate) fn mark(&mut self, mark: &str) {
        self.line(1);
        mark.clone_into(&mut self.mark);
    }

    /// Forgets a mark that stands before nothing.
    pub(crate) fn unmark(&mut self) {
        self.mark.clear();
    }

    /// How far lines are set in, in levels of two spaces.
    pub(crate) fn indent(&mut self, levels: usize) {
        self.indent = levels.min(8);
    }

    /// In how many quotations the lines stand.
    pub(crate) fn quotes(&mut self, levels: usize) {
        self.quotes = levels.min(8);
    }

    /// Adds text in which white space counts as one space.
    pub(crate) fn flow(&mut self, text: &str) {
        for (number, word) in text.split(|c: char| c.is_whitespace() || c.is_control()).enumerate() {
            self.space |= number > 0;
            if !word.is_empty() {
                self.begin();
                self.text.push_str(word);
            }
        }
    }

    /// Adds text with its lines and spaces.
    pub(crate) fn preformatted(&mut self, text: &str) {
        for (number, line) in text.split('\n').enumerate() {
            // Blank lines in it count, unlike those between blocks.
            self.breaks += usize::from(number > 0);
            let line = line.trim_end();
            if !line.is_empty() {
                self.space = false;
                self.begin();
                self.text.extend(line.chars().filter(|c| !c.is_control() || *c == '\t'));
            }
        }
    }

    /// Adds a sign that belongs to the text beside it.
    pub(crate) fn sign(&mut self, sign: &str) {
        self.begin();
        self.text.push_str(sign);
    }

    /// Adds a sign to the text before it, whatever white space came since.
    pub(crate) fn sign_after(&mut self, sign: &str) {
        self.text.push_str(sign);
    }

    /// Takes back what was added since.
    pub(crate) fn back_to(&mut self, length: usize) {
        self.text.truncate(length);
    }

    /// Writes the breaks and spaces that are due.
    pub(crate) fn begin(&mut self) {
        if !self.text.is_empty() {
            for _ in 0..self.breaks {
                self.text.push('\n');
            }
        }
        if self.breaks > 0 || self.text.is_empty() {
            for _ in 0..self.quotes {
                self.text.push_str("> ");
            }
            for _ in 0..self.indent {
                self.text.push_str("  ");
            }
            self.text.push_str(&self.mark);
            self.mark.clear();
        } else if self.space {
            self.text.push(' ');
        }
        (self.breaks, self.space) = (0, false);
    }

    /// The text.
    pub(crate) fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_one_space_and_none_stands_at_an_end() {
        let mut layout = Layout::default();
        layout.line(2);
        layout.flow("  a\n\tb ");
        layout.flow("c\u{a0}d\u{7}e ");
        layout.line(1);
        layout.line(2);
        layout.flow(" f");
        layout.line(2);
        assert_eq!(layout.finish(), "a b c d e\n\nf");
    }

    #[test]
    fn marks_and_margins_stand_before_the_next_text_only() {
        let mut layout = Layout::default();
        layout.quotes(1);
        layout.indent(1);
        layout.mark("- ");
        layout.flow("a");
        layout.line(1);
        layout.preformatted("  b\n\n c\n");
        assert_eq!(layout.finish(), ">   - a\n>     b\n\n>    c");
    }
}
