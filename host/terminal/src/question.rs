//! What a person is asked about calls, on one screen,
//! and what a typed line answers.
//!
//! A question names what would leave first, and never takes more than a screen: of long arguments the beginning and the
//! end are shown, and `v` shows one whole. What was cut cannot be allowed before it was seen whole. Only a whole line is
//! an answer. Where what a run has seen made the question, the answer holds characters of the question's own id, which
//! nobody can type who has not read it.

use crate::columns::{cut_exact, wrap_exact};
use cara_assistant::text::exact;
use cara_assistant::{Answer, Asked};
use cara_authority::Label;

/// Characters of an id that an answer repeats.
const CODE: usize = 3;

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Screen {
    /// What every terminal shows.
    pub(crate) const USUAL: Self = Self { columns: 80, rows: 24 };
}

/// Calls that are asked about together.
pub(crate) struct Question<'a> {
    asked: &'a [Asked],
    screen: Screen,
    /// How much of each was shown.
    seen: Vec<Seen>,
}

/// How much of a call was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// A part.
    Part,
    /// What leaves, and why it is asked: enough to allow it once.
    Once,
    /// Every byte of it.
    Whole,
}

/// What a typed line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// One answer for each call.
    Answers(Vec<Answer>),
    /// Show this call whole; counted from 0.
    View(usize),
    /// It is no answer; what would be one.
    Unclear(String),
}

/// A part of a line: for one call, or for all.
enum Word {
    Yes,
    Always,
    No(Option<String>),
}

impl<'a> Question<'a> {
    /// A question about these calls.
    pub(crate) fn new(asked: &'a [Asked], screen: Screen) -> Self {
        Self { asked, screen, seen: vec![Seen::Part; asked.len()] }
    }

    /// The question as lines that fit the screen with one to spare, on which the answer is typed.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let many = self.asked.len() > 1;
        // The first line or the last one, the prompt, and one in which the answer stands; the rest is shared.
        let room = self.screen.rows.saturating_sub(3) / self.asked.len().max(1);
        let mut lines = Vec::new();
        if many {
            let seen = self.asked.iter().map(|asked| asked.seen.clone()).collect::<Label>();
            lines.push(format!("{} calls need your answer; this conversation contains {seen}", self.asked.len()));
        }
        for (at, asked) in self.asked.iter().enumerate() {
            let number = if many { format!("{} ", at + 1) } else { String::new() };
            let head = exact(&format!("┌ {number}{} of `{}` · {}", asked.tool, asked.component, asked.id));
            lines.push(cut_exact(&head, self.screen.columns));
            let (rows, seen) = self.rows(asked, !many, room.saturating_sub(1));
            lines.extend(rows);
            self.seen[at] = self.seen[at].max(seen);
        }
        if let ([only], false) = (self.asked, many) {
            let command = format!("cara approvals allow {}", exact(&only.id));
            let whole = format!("└ or from another terminal: {command}");
            let fits = whole.chars().count() <= self.screen.columns;
            lines.push(if fits { whole } else { cut_exact(&format!("└ or: {command}"), self.screen.columns) });
        }
        lines
    }

    /// The line before the answer.
    pub(crate) fn prompt(&self) -> String {
        let code = self.code().map(|code| format!(" {code}")).unwrap_or_default();
        let cut = self.seen.iter().position(|seen| *seen < Seen::Once);
        let view = cut.map(|at| format!(", {}", self.view(at + 1))).unwrap_or_default();
        match self.asked {
            [asked] => {
                let always = if asked.always.is_some() { ", `a` always" } else { "" };
                format!("allow? `y{code}` this once{always}, `n` or `n: why` no{view}: ")
            }
            _ => format!("allow? `y{code}` all, `n` none, or each: `1y 2n{code}`{view}: "),
        }
    }

    /// A call with every byte of it.
    pub(crate) fn whole(&self, at: usize) -> Vec<String> {
        self.asked.get(at).map(|asked| self.rows(asked, true, usize::MAX).0).unwrap_or_default()
    }

    /// Says that a call was shown whole.
    pub(crate) fn was_seen(&mut self, at: usize) {
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = Seen::Whole;
        }
    }

    /// What a line answers. Nothing but the whole of it counts.
    pub(crate) fn reply(&self, line: &str) -> Reply {
        let line = line.trim();
        if let Some(number) = line.strip_prefix(['v', 'V']) {
            let number = number.trim();
            let at = if number.is_empty() && self.asked.len() == 1 { Some(1) } else { number.parse().ok() };
            return match at.filter(|at| (1..=self.asked.len()).contains(at)) {
                Some(at) => Reply::View(at - 1),
                None => self.unclear(),
            };
        }
        let answers = self.all(line).or_else(|| self.each(line));
        let Some((answers, code)) = answers else { return self.unclear() };
        self.check(&answers, code.as_deref()).map_or(Reply::Answers(answers), Reply::Unclear)
    }

    /// One answer for all: `y`, `y 7k2`, `a`, `n`, `n: why`.
    fn all(&self, line: &str) -> Option<(Vec<Answer>, Option<String>)> {
        let (line, code) = self.without_code(line);
        let answer = match word(&line)? {
            Word::Yes => Answer::Once,
            Word::Always => Answer::Always,
            Word::No(why) => Answer::No(why),
        };
        Some((vec![answer; self.asked.len()], code))
    }

    /// One answer for each, by number: `1y 2n`, `1y 2n 7k2`. No call may be left out.
    fn each(&self, line: &str) -> Option<(Vec<Answer>, Option<String>)> {
        let (line, code) = self.without_code(line);
        let mut answers = vec![None; self.asked.len()];
        for part in line.split([' ', ',']).filter(|part| !part.is_empty()) {
            let digits = part.find(|letter: char| !letter.is_ascii_digit())?;
            let at: usize = part[..digits].parse().ok()?;
            let place = answers.get_mut(at.checked_sub(1)?)?;
            let answer = match word(&part[digits..])? {
                Word::Yes => Answer::Once,
                Word::Always => Answer::Always,
                Word::No(why) => Answer::No(why),
            };
            if place.replace(answer).is_some() {
                return None;
            }
        }
        Some((answers.into_iter().collect::<Option<Vec<_>>>()?, code))
    }

    /// The line without the code at its end, if it is there.
    fn without_code(&self, line: &str) -> (String, Option<String>) {
        match line.rsplit_once(char::is_whitespace) {
            Some((before, last)) if self.asked.iter().any(|asked| is_code(last, asked)) => {
                (before.trim_end().to_owned(), Some(last.to_lowercase()))
            }
            _ => (line.to_owned(), None),
        }
    }

    /// What is missing for these answers to count.
    fn check(&self, answers: &[Answer], code: Option<&str>) -> Option<String> {
        let allowed = || self.asked.iter().zip(answers).filter(|(_, answer)| !matches!(answer, Answer::No(_)));
        let wants_code = self.code();
        for (at, ((asked, answer), seen)) in self.asked.iter().zip(answers).zip(&self.seen).enumerate() {
            match answer {
                Answer::No(_) => {}
                Answer::Always if asked.always.is_none() => {
                    return Some("no rule may answer that: it can be allowed this once".into());
                }
                Answer::Once if *seen >= Seen::Once => {}
                Answer::Always if *seen >= Seen::Whole => {}
                _ => return Some(format!("part of it is hidden: {}, then it can be allowed", self.view(at + 1))),
            }
        }
        let needed = wants_code.filter(|_| allowed().any(|(asked, _)| asked.always.is_none()))?;
        let given = code.is_some_and(|code| code == needed || self.asked.iter().any(|asked| asked.id == code));
        (!given).then(|| format!("what was read may be behind this: to allow it, add `{needed}` to your answer"))
    }

    fn view(&self, number: usize) -> String {
        if self.asked.len() == 1 { "`v` shows it whole".into() } else { format!("`v {number}` shows one whole") }
    }

    fn unclear(&self) -> Reply {
        let code = self.code().map(|code| format!(" {code}")).unwrap_or_default();
        Reply::Unclear(match self.asked.len() {
            1 => format!("that is no answer: write `y{code}`, `n`, or `n: why`"),
            _ => format!("that is no answer: write `y{code}`, `n`, or one for each, as in `1y 2n{code}`"),
        })
    }

    /// What an answer repeats, where what was seen made the question: of the first such call.
    fn code(&self) -> Option<&str> {
        self.asked.iter().find(|asked| asked.always.is_none()).map(|asked| code(&asked.id))
    }

    /// What a call is, in at most so many lines; what leaves comes first.
    fn rows(&self, asked: &Asked, all: bool, room: usize) -> (Vec<String>, Seen) {
        let width = self.screen.columns.max(20);
        let field = |name: &str, value: &str| field(name, &exact(value), width);
        // Where it goes, as it reads; then the arguments as they are bound, so that what is allowed is what was seen.
        let mut to: Vec<String> = asked.destinations_shown().iter().flat_map(|to| field("to", to)).collect();
        to.extend(asked.servers.iter().flat_map(|server| field("server", server)));
        let with = field("with", &asked.arguments);
        let because: Vec<String> = asked.why.iter().flat_map(|why| field("because", why)).collect();
        let mut more = Vec::new();
        if all {
            more.extend(field("seen", &asked.seen.to_string()));
            more.extend(field("sha256", &asked.digest));
            more.extend(asked.always.iter().flat_map(|always| field("always", &format!("would store: {always}"))));
        }
        let parts = [to, with, because, more];
        let given = shared(parts.each_ref().map(Vec::len), room);
        let fits = |part: usize| parts[part].len() <= given[part];
        let seen = match (0..3).all(fits) {
            true if all && fits(3) => Seen::Whole,
            true => Seen::Once,
            false => Seen::Part,
        };
        let lines = parts.into_iter().zip(given).flat_map(|(part, most)| cut(part, most, width));
        (lines.collect(), seen)
    }
}

/// How many lines each part gets: a share of its own that the others cannot take, and of the rest the first ones first.
fn shared<const N: usize>(wanted: [usize; N], room: usize) -> [usize; N] {
    let mut given = wanted.map(|lines| lines.min((room / N).max(1)));
    // Where not even that fits, the last parts give way.
    for at in (0..N).rev() {
        let over = given.iter().sum::<usize>().saturating_sub(room);
        given[at] -= over.min(given[at]);
    }
    for at in 0..N {
        let free = room.saturating_sub(given.iter().sum());
        given[at] += free.min(wanted[at] - given[at]);
    }
    given
}

/// The characters of an id that an answer repeats.
fn code(id: &str) -> &str {
    let random = id.split_once('-').map_or(id, |(_, random)| random);
    random.get(..CODE).unwrap_or(random)
}

fn is_code(word: &str, asked: &Asked) -> bool {
    let word = word.to_lowercase();
    word == code(&asked.id) || word == asked.id
}

fn word(text: &str) -> Option<Word> {
    if let Some((no, why)) = text.split_once(':') {
        let why = why.trim();
        let no = matches!(no.trim().to_lowercase().as_str(), "n" | "no");
        return no.then(|| Word::No(Some(why.to_owned()).filter(|why| !why.is_empty())));
    }
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(Word::Yes),
        "a" | "always" => Some(Word::Always),
        "n" | "no" => Some(Word::No(None)),
        _ => None,
    }
}

/// A name and its value, in lines.
fn field(name: &str, value: &str, width: usize) -> Vec<String> {
    let lines = wrap_exact(value, width.saturating_sub(11));
    let lead = |at: usize| if at == 0 { name } else { "" };
    lines.into_iter().enumerate().map(|(at, line)| format!("│ {:8} {line}", lead(at))).collect()
}

/// At most so many of the lines: the first and the last ones, and between them how many characters are left out.
fn cut(lines: Vec<String>, most: usize, columns: usize) -> Vec<String> {
    if lines.len() <= most {
        return lines;
    }
    match most {
        0 => Vec::new(),
        1 => vec![cut_exact(&lines.concat(), columns)],
        _ => {
            let tail = usize::from(most > 2);
            let (head, end) = (most - 1 - tail, lines.len() - tail);
            let left_out: usize = lines[head..end].iter().map(|line| line.chars().count().saturating_sub(11)).sum();
            let mark = cut_exact(&format!("│          … {left_out} characters are not shown …"), columns);
            lines[..head].iter().cloned().chain([mark]).chain(lines[end..].iter().cloned()).collect()
        }
    }
}

#[cfg(test)]
mod tests;
