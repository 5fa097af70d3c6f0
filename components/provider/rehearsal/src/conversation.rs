//! What a request says, as far as a script and the intents look at it.

use cara_sdk::provider::{Request, find_call};
use cara_sdk::types::{Content, Part, Role, ToolResult};

/// The state of a conversation, read from the request alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// How many answers of a model there are: the index of the turn that is due.
    pub answers: usize,
    /// The text of the person's messages since the last answer.
    pub asked: String,
    /// The tool results since the last answer.
    pub results: Vec<Shown>,
    /// The operator's instructions, those in messages of the role `system` included.
    pub system: String,
}

/// A tool result as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The tool; empty where the call is not in the conversation.
    pub tool: String,
    /// What it returned; a blob only by its media type and size.
    pub text: String,
    /// Whether the call failed.
    pub failed: bool,
}

impl Conversation {
    /// Reads a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let answered = |role: Role| role == Role::Assistant;
        let messages = &request.messages;
        let since = messages.iter().rposition(|message| answered(message.role)).map_or(0, |last| last + 1);
        let (mut asked, mut system) = (Vec::new(), Vec::from_iter(request.system.as_deref()));
        let mut results = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            for part in &message.parts {
                match part {
                    Part::Text(text) if message.role == Role::System => system.push(text),
                    Part::Text(text) if message.role == Role::User && index >= since => asked.push(text.as_str()),
                    Part::ToolResult(result) if index >= since => results.push(shown(request, result)),
                    _ => {}
                }
            }
        }
        Self {
            answers: messages.iter().filter(|message| answered(message.role)).count(),
            asked: asked.join("\n"),
            results,
            system: system.join("\n"),
        }
    }

    /// The text of the tool results, one after another.
    #[must_use]
    pub fn result_text(&self) -> String {
        self.results.iter().map(|result| result.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// All that came since the last answer: the person's text, then the tool results.
    #[must_use]
    pub fn came(&self) -> String {
        let results = self.results.iter().map(|result| result.text.as_str());
        let asked = (!self.asked.is_empty()).then_some(self.asked.as_str());
        asked.into_iter().chain(results).collect::<Vec<_>>().join("\n")
    }
}

fn shown(request: &Request, result: &ToolResult) -> Shown {
    let texts: Vec<String> = result.content.iter().map(content_text).collect();
    let tool = find_call(request, &result.call_id).map_or_else(String::new, |call| call.name.clone());
    Shown { tool, text: texts.join("\n"), failed: result.failed }
}

fn content_text(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
            format!("[{}, {} bytes]", blob.media_type, blob.data.len())
        }
    }
}

/// How many words a text has: what this component counts as tokens.
#[must_use]
pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The words of everything in a request that is text.
#[must_use]
pub fn request_words(request: &Request) -> u64 {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let said: u64 = parts
        .map(|part| match part {
            Part::Text(text) => words(text),
            Part::Thinking(thought) => words(&thought.text),
            Part::ToolCall(call) => words(&call.arguments),
            Part::ToolResult(result) => result.content.iter().map(|content| words(&content_text(content))).sum(),
            Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::CachePoint(_) => 0,
        })
        .sum();
    said + request.system.as_deref().map_or(0, words)
}

/// A text fit for an error: on one line, escaped, at most 160 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut shown = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == 160 {
            shown.push('\u{2026}');
            break;
        }
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown.push('`');
    shown
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::types::{Blob, Message, ToolCall};

    /// A request of these messages.
    pub(crate) fn request(messages: &[(Role, &str)]) -> Request {
        let text = |&(role, text): &(Role, &str)| Message { role, parts: vec![Part::Text(text.to_owned())] };
        let system = Some("be kind".to_owned());
        Request { system, ..Request::new("builtin", messages.iter().map(text).collect()) }
    }

    /// Adds a call of `weather` and what it returned.
    pub(crate) fn with_result(mut request: Request, text: &str, failed: bool) -> Request {
        let call = ToolCall { id: "call_1".to_owned(), name: "weather".to_owned(), arguments: "{}".to_owned() };
        let content = vec![Content::Text(text.to_owned())];
        let result = ToolResult { call_id: "call_1".to_owned(), content, failed };
        request.messages.push(Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] });
        request.messages.push(Message { role: Role::Tool, parts: vec![Part::ToolResult(result)] });
        request
    }

    #[test]
    fn only_what_came_since_the_last_answer_counts() {
        let request = request(&[(Role::User, "one"), (Role::Assistant, "two"), (Role::User, "three")]);
        let conversation = Conversation::of(&request);
        assert_eq!((conversation.answers, conversation.came().as_str()), (1, "three"));
        let conversation = Conversation::of(&with_result(request, "rain", false));
        assert_eq!((conversation.answers, conversation.asked.as_str()), (2, ""));
        assert_eq!((conversation.came().as_str(), conversation.results[0].tool.as_str()), ("rain", "weather"));
    }

    #[test]
    fn a_blob_is_shown_by_its_kind_and_size() {
        let blob = Blob { media_type: "image/png".to_owned(), name: None, data: vec![0; 3] };
        assert_eq!(content_text(&Content::Image(blob)), "[image/png, 3 bytes]");
    }

    #[test]
    fn words_are_what_whitespace_separates() {
        assert_eq!((words(""), words(" a\n\tb  c ")), (0, 3));
        assert_eq!(request_words(&request(&[(Role::User, "one two")])), 4);
    }

    #[test]
    fn a_quoted_text_is_one_short_line_without_tricks() {
        assert_eq!(quoted("it's\n\u{1b}[2J\u{202e}"), "`it's\\n\\u{1b}[2J\\u{202e}`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 163);
    }
}
