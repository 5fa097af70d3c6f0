//! Plays steps: turns them into the events of an answer.
//!
//! Ends at the first event nobody takes. Counts words as tokens and keeps to the request's limit and stop strings.

use cara_sdk::Error;
use cara_sdk::provider::{CallIds, Request, StopReason};
use cara_sdk::turn::{Event, Sink, ToolFragment, ToolStart};
use cara_sdk::types::{Thought, ToolCall, Usage};

use crate::conversation::{request_words, words};
use crate::script::{Act, Pieces, Step};

#[cfg(test)]
mod tests;

/// Where an answer is played: takes events and lets time pass.
pub trait Stage: Sink {
    /// Waits.
    fn wait(&mut self, milliseconds: u64);
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub stop: StopReason,
    /// The stop string that was met.
    pub stop_sequence: Option<String>,
}

/// Plays the steps in order and says how the answer ended.
///
/// Reports usage at the end unless a step did.
///
/// # Errors
/// What a step fails with, or what the stage answered.
pub fn play(steps: &[Step], request: &Request, stage: &mut dyn Stage) -> Result<Ended, Error> {
    let mut play = Play {
        stage,
        request,
        ids: CallIds::after(request),
        said: 0,
        limit: request.max_output_tokens.map_or(u64::MAX, u64::from),
        called: false,
        counted: false,
        met: None,
    };
    let ended = play.steps(steps)?;
    let stop = ended.unwrap_or(if play.called { StopReason::ToolCalls } else { StopReason::Complete });
    if !play.counted {
        let usage = Usage { input: request_words(request), output: play.said, ..Usage::zero() };
        play.stage.emit(Event::Usage(usage))?;
    }
    Ok(Ended { stop, stop_sequence: play.met })
}

/// An answer being played.
struct Play<'a> {
    stage: &'a mut dyn Stage,
    request: &'a Request,
    ids: CallIds,
    /// Words so far.
    said: u64,
    /// Words at most.
    limit: u64,
    /// Whether a tool was called.
    called: bool,
    /// Whether a step reported usage.
    counted: bool,
    /// The stop string that was met.
    met: Option<String>,
}

impl Play<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<Option<StopReason>, Error> {
        for step in steps {
            for _ in 0..step.repeat {
                if let Some(stop) = self.step(step)? {
                    return Ok(Some(stop));
                }
            }
        }
        Ok(None)
    }

    /// Plays a step once; a reason when the answer ends with it.
    fn step(&mut self, step: &Step) -> Result<Option<StopReason>, Error> {
        match &step.act {
            Act::Wait => self.wait(step),
            Act::Text(text) => return self.text(step, text),
            Act::Thinking { text, signature } => return self.thinking(step, text, signature.as_deref()),
            Act::ToolCall { name, arguments } => return self.call(step, name, arguments),
            Act::Usage(usage) => {
                self.counted = true;
                self.emit(step, Event::Usage(*usage))?;
            }
            Act::Fail(error) => {
                self.wait(step);
                return Err(error.clone());
            }
            Act::Stop(reason) => {
                self.wait(step);
                return Ok(Some(*reason));
            }
        }
        Ok(None)
    }

    fn wait(&mut self, step: &Step) {
        if step.delay_ms > 0 {
            self.stage.wait(step.delay_ms);
        }
    }

    fn emit(&mut self, step: &Step, event: Event) -> Result<(), Error> {
        self.wait(step);
        self.stage.emit(event)
    }

    fn text(&mut self, step: &Step, text: &str) -> Result<Option<StopReason>, Error> {
        let request = self.request;
        let stops = request.stop.iter().filter(|stop| !stop.is_empty());
        let first = stops.filter_map(|stop| Some((text.find(stop)?, stop))).min();
        let until = first.map(|(until, _)| until);
        let text = &text[..until.unwrap_or(text.len())];
        let (text, over) = self.within_limit(text);
        for piece in pieces(text, step.pieces) {
            self.emit(step, Event::Text(piece.to_owned()))?;
        }
        if over {
            return Ok(Some(StopReason::Length));
        }
        self.met = first.map(|(_, stop)| stop.clone());
        Ok(until.map(|_| StopReason::StopSequence))
    }

    fn thinking(&mut self, step: &Step, text: &str, signature: Option<&str>) -> Result<Option<StopReason>, Error> {
        let (text, over) = self.within_limit(text);
        for piece in pieces(text, step.pieces) {
            self.emit(step, Event::Thinking(piece.to_owned()))?;
        }
        if over {
            return Ok(Some(StopReason::Length));
        }
        if let Some(signature) = signature {
            let thought = Thought { text: text.to_owned(), signature: Some(signature.to_owned()) };
            self.emit(step, Event::Thought(thought))?;
        }
        Ok(None)
    }

    /// Calls a tool, unless the limit would cut its arguments off.
    fn call(&mut self, step: &Step, name: &str, arguments: &str) -> Result<Option<StopReason>, Error> {
        if self.within_limit(arguments).1 {
            return Ok(Some(StopReason::Length));
        }
        let (id, name) = (self.ids.assign(""), name.to_owned());
        self.emit(step, Event::ToolStart(ToolStart { id: id.clone(), name: name.clone() }))?;
        for piece in pieces(arguments, step.pieces) {
            self.emit(step, Event::ToolFragment(ToolFragment { id: id.clone(), json: piece.to_owned() }))?;
        }
        self.called = true;
        self.emit(step, Event::ToolCall(ToolCall { id, name, arguments: arguments.to_owned() }))?;
        Ok(None)
    }

    /// As much of a text as may still be said, and whether that is less than all. Counts it.
    fn within_limit<'t>(&mut self, text: &'t str) -> (&'t str, bool) {
        let (count, left) = (words(text), self.limit - self.said);
        if count <= left {
            self.said += count;
            return (text, false);
        }
        self.said = self.limit;
        let first_too_many = text.split_whitespace().nth(usize::try_from(left).unwrap_or(usize::MAX));
        let end = first_too_many.map_or(text.len(), |word| word.as_ptr() as usize - text.as_ptr() as usize);
        (&text[..end], true)
    }
}

/// Cuts a text; an empty one has no pieces.
fn pieces(text: &str, how: Pieces) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = match how {
            Pieces::Whole => rest.len(),
            Pieces::Characters(count) => rest.char_indices().nth(count).map_or(rest.len(), |(end, _)| end),
            Pieces::Words => word_end(rest),
        };
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Where the first word of a text ends, with the whitespace before and after it.
fn word_end(text: &str) -> usize {
    let word = text.find(|character: char| !character.is_whitespace()).unwrap_or(text.len());
    let space = text[word..].find(char::is_whitespace).map_or(text.len(), |at| word + at);
    text[space..].find(|character: char| !character.is_whitespace()).map_or(text.len(), |at| space + at)
}
