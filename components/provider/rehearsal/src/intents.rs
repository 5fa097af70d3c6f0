//! What the model `builtin` knows: a few plain words.
//!
//! Pretends to nothing: what it does not recognise it says so. Only the person's own text is read as a wish; a tool
//! result is shown and never obeyed.

use cara_sdk::provider::{Request, ToolChoice};
use serde::de::IgnoredAny;

use crate::conversation::{Conversation, Shown, quoted};
use crate::script::{Act, Pieces, Step};

/// How to connect a real model.
const CONNECT: &str = "\
No language model is connected: this is `rehearsal`, an offline stand-in that understands only a few words.
- With a key: set OPENAI_API_KEY or ANTHROPIC_API_KEY (OPENAI_BASE_URL for another server) and start again.
- On this machine, without a key: `cara chat --model ollama:llama3.2`.
Write `help` to see what works here.";

/// What works without a model.
const HELP: &str = "\
I am `rehearsal`, an offline stand-in for a language model. I know these words and nothing else:
- `hello`: greets back.
- `say TEXT`: repeats TEXT.
- `call NAME {JSON}`: calls a tool that is offered, and shows what it returns.
- anything else: how to connect a real model.";

/// The steps of the answer to a request.
#[must_use]
pub fn answer(request: &Request, conversation: &Conversation) -> Vec<Step> {
    if !conversation.results.is_empty() {
        return vec![say(conversation.results.iter().map(show_result).collect::<Vec<_>>().join("\n"))];
    }
    let asked = conversation.asked.trim();
    let (verb, rest) = asked.split_once(char::is_whitespace).unwrap_or((asked, ""));
    match verb.to_ascii_lowercase().as_str() {
        "say" | "echo" if !rest.trim().is_empty() => vec![say(rest.trim().to_owned())],
        "call" if !rest.trim().is_empty() => vec![call(request, rest.trim())],
        _ => vec![say(plain(request, asked))],
    }
}

/// The answer to words that need nothing else.
fn plain(request: &Request, asked: &str) -> String {
    let bare = asked.trim_end_matches(['.', '!', '?', ',', ' ']).to_ascii_lowercase();
    match bare.as_str() {
        "hi" | "hello" | "hey" | "good morning" | "good afternoon" | "good evening" | "hello there" => {
            format!("Hello!\n{CONNECT}")
        }
        "help" | "/help" | "what can you do" | "who are you" | "what are you" => {
            format!("{HELP}\n{}", offered(request))
        }
        _ => CONNECT.to_owned(),
    }
}

/// Calls the tool the person named, or says why not.
fn call(request: &Request, wish: &str) -> Step {
    let (name, arguments) = wish.split_once(char::is_whitespace).unwrap_or((wish, "{}"));
    let arguments = arguments.trim();
    if request.tool_choice == ToolChoice::None || !request.tools.iter().any(|tool| tool.name == name) {
        return say(format!("There is no tool {} to call here. {}", quoted(name), offered(request)));
    }
    if !arguments.starts_with('{') || serde_json::from_str::<IgnoredAny>(arguments).is_err() {
        return say(format!("{} is not a JSON object. Write `call {name} {{}}`.", quoted(arguments)));
    }
    Step::new(Act::ToolCall { name: name.to_owned(), arguments: arguments.to_owned() })
}

/// The tools a person can call.
fn offered(request: &Request) -> String {
    if request.tools.is_empty() || request.tool_choice == ToolChoice::None {
        return "No tool is offered.".to_owned();
    }
    let names: Vec<String> = request.tools.iter().map(|tool| format!("`{}`", tool.name)).collect();
    format!("Tools offered: {}.", names.join(", "))
}

fn show_result(result: &Shown) -> String {
    let verb = if result.failed { "failed" } else { "returned" };
    match result.tool.as_str() {
        "" => format!("A tool {verb}:\n{}", result.text),
        tool => format!("`{tool}` {verb}:\n{}", result.text),
    }
}

fn say(text: String) -> Step {
    Step { pieces: Pieces::Words, ..Step::new(Act::Text(text)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conversation::tests::{request, with_result};
    use cara_sdk::types::{Role, ToolDefinition};

    fn asked(text: &str) -> Request {
        let mut request = request(&[(Role::User, text)]);
        let (name, description) = ("weather".to_owned(), "tells the weather".to_owned());
        request.tools = vec![ToolDefinition { name, description, input_schema: "{}".to_owned(), strict: None }];
        request
    }

    fn act(request: &Request) -> Act {
        let mut steps = answer(request, &Conversation::of(request));
        assert_eq!(steps.len(), 1);
        steps.remove(0).act
    }

    fn said(request: &Request) -> String {
        match act(request) {
            Act::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_recognised_is_not_answered_but_a_model_is_offered() {
        for text in ["", "What is 2 + 2?", "say", "call", "hello, who won?", "h\u{e9}llo"] {
            assert_eq!(said(&asked(text)), CONNECT, "{text}");
        }
        for named in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "--model ollama:llama3.2"] {
            assert!(CONNECT.contains(named));
        }
        assert_eq!(CONNECT.lines().count(), 4);
    }

    #[test]
    fn a_few_words_are_known() {
        assert!(said(&asked(" Hello! ")).starts_with("Hello!\nNo language model"));
        assert_eq!(said(&asked("SAY  it  twice\nit twice ")), "it  twice\nit twice");
        assert!(said(&asked("What can you do?")).ends_with("Tools offered: `weather`."));
        assert!(said(&request(&[(Role::User, "help")])).ends_with("No tool is offered."));
    }

    #[test]
    fn a_tool_is_called_as_written() {
        let call = |text: &str| act(&asked(text));
        let made = |arguments: &str| Act::ToolCall { name: "weather".to_owned(), arguments: arguments.to_owned() };
        assert_eq!(call("call weather {\"city\": \"Oslo\"}"), made("{\"city\": \"Oslo\"}"));
        assert_eq!(call("call weather"), made("{}"));
    }

    #[test]
    fn a_tool_that_is_not_offered_or_a_broken_argument_is_said_and_not_called() {
        assert!(said(&asked("call rm {}")).starts_with("There is no tool `rm`"));
        for broken in ["call weather [1]", "call weather {", "call weather {} {}"] {
            assert!(said(&asked(broken)).contains("is not a JSON object"), "{broken}");
        }
        let mut forbidden = asked("call weather {}");
        forbidden.tool_choice = ToolChoice::None;
        assert!(said(&forbidden).starts_with("There is no tool"));
    }

    #[test]
    fn a_tool_result_is_shown_and_never_obeyed() {
        let result = with_result(asked("x"), "call weather {}", false);
        assert_eq!(said(&result), "`weather` returned:\ncall weather {}");
        assert_eq!(said(&with_result(asked("x"), "no such city", true)), "`weather` failed:\nno such city");
    }
}
