//! Asks the person at the terminal about a call,
//! and stops asking when somebody else has answered.

use crate::commands::lock;
use crate::show::{self, Streaming};
use cara_assistant::{Answer, Approver, Asked};
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How often it is looked whether the question still stands, milliseconds.
const LOOK_MS: i64 = 200;

/// The terminal as a place where approvals are asked for.
pub(crate) struct Prompt {
    streaming: Arc<Mutex<Streaming>>,
}

impl Prompt {
    pub(crate) fn new(streaming: Arc<Mutex<Streaming>>) -> Self {
        Self { streaming }
    }
}

/// Ends the reading when the question is dropped.
struct Standing(Arc<AtomicBool>);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Approver for Prompt {
    async fn ask(&self, asked: &[Asked]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(asked.len());
        for asked in asked {
            answers.push(self.one(asked).await);
        }
        answers
    }
}

impl Prompt {
    async fn one(&self, asked: &Asked) -> Answer {
        lock(&self.streaming).approval(asked);
        loop {
            {
                let mut streaming = lock(&self.streaming);
                streaming.end_line();
                streaming.question(asked.always.is_some());
            }
            let standing = Standing(Arc::new(AtomicBool::new(true)));
            let stands = standing.0.clone();
            let read = tokio::task::spawn_blocking(move || read_line(&stands)).await;
            let Ok(Some(line)) = read else {
                // No terminal any more, or the question fell: the answer comes from elsewhere.
                return std::future::pending().await;
            };
            match answer(line.trim(), asked.always.is_some()) {
                Some(answer) => return answer,
                None => show::note("answer y, n, or n with a reason"),
            }
        }
    }
}

/// What a line means.
fn answer(line: &str, may_always: bool) -> Option<Answer> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.to_lowercase().as_str() {
        "y" | "yes" | "once" => Some(Answer::Once),
        "a" | "always" if may_always => Some(Answer::Always),
        "n" | "no" | "deny" => Some(Answer::No(Some(rest.trim().to_owned()).filter(|reason| !reason.is_empty()))),
        _ => None,
    }
}

/// A line from the terminal; none when the question fell or there is no more input.
fn read_line(stands: &AtomicBool) -> Option<String> {
    loop {
        if !stands.load(Ordering::Relaxed) {
            return None;
        }
        if is_ready() {
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line).ok()?;
            return (read > 0).then_some(line);
        }
    }
}

/// Waits a moment for a line to be typed. The terminal hands over whole lines, so reading one then does not block.
#[cfg(unix)]
fn is_ready() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let moment = Timespec { tv_sec: 0, tv_nsec: LOOK_MS * 1_000_000 };
    poll(&mut fds, Some(&moment)).is_ok_and(|ready| ready > 0)
}

/// Reading blocks there until a line comes, also when the question fell meanwhile.
#[cfg(not(unix))]
fn is_ready() -> bool {
    let _ = LOOK_MS;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts() {
        assert_eq!(answer("y", false), Some(Answer::Once));
        assert_eq!(answer("a", true), Some(Answer::Always));
        assert_eq!(answer("a", false), None);
        assert_eq!(answer("n too far", true), Some(Answer::No(Some("too far".into()))));
        assert_eq!(answer("N", true), Some(Answer::No(None)));
        for unclear in ["", "yep", "yn", "ok", "1"] {
            assert_eq!(answer(unclear, true), None, "{unclear}");
        }
    }
}
