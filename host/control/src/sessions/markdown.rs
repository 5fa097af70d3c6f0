//! A conversation written out as Markdown.

use super::{MessageRow, Transcript};
use cara_assistant::markdown::sanitize_markdown;
use cara_assistant::part::{Body, Part};
use cara_authority::words;
use std::fmt::Write;

words! {
    /// How a conversation is written out.
    Format {
        /// Everything, as data.
        Json = "json",
        /// To be read; links and images of others are made harmless.
        Markdown = "markdown",
    }
}

impl Transcript {
    /// The conversation as Markdown, with times as `when` writes them. What was said stands byte for byte in fences: no
    /// renderer fetches or runs anything of it.
    pub fn markdown(&self, when: fn(u64) -> String) -> String {
        let mut out = format!("# {}\n\n", one_line(&self.title));
        let Self { id, person, channel, agent, label, .. } = self;
        let (began, changed) = (when(self.began_ms), when(self.changed_ms));
        for (name, value) in [
            ("session", id.as_str()),
            ("person", person),
            ("channel", channel),
            ("agent", agent),
            ("label", &label.to_string()),
            ("began", &began),
            ("changed", &changed),
        ] {
            let _ = writeln!(out, "- {name}: {}", one_line(value));
        }
        if let Some(summary) = &self.summary {
            let _ = write!(out, "\n## Summary of 1 to {}\n\n{}", summary.upto_place, fenced(&summary.text(), "text"));
        }
        for MessageRow { place, role, label, parts, .. } in &self.messages {
            let _ = write!(out, "\n## {place}. {role} [{label}]\n");
            parts.iter().for_each(|part| _ = write!(out, "\n{}", written(part)));
        }
        out
    }
}

/// A part of a message as Markdown.
fn written(part: &Part) -> String {
    match &part.body {
        Body::Text { text } => fenced(text, "markdown"),
        Body::Stopped => format!("{}\n", part.readable()),
        Body::Read(found) => {
            format!("Reading r{} [{}]:\n\n{}", found.number, part.label, fenced(&found.facts.join("\n"), "text"))
        }
        Body::Thinking { text, .. } => format!("Thinking:\n\n{}", fenced(text, "text")),
        Body::Attachment { id, media_type, name } => {
            let name = name.as_deref().unwrap_or("-");
            format!("Attachment {id}: {}\n", one_line(&format!("{name} ({media_type})")))
        }
        Body::ToolCall { name, arguments, .. } => format!("Calls {}:\n\n{}", one_line(name), fenced(arguments, "text")),
        Body::ToolResult { name, text, failed, .. } => {
            let what = if *failed { "Failed" } else { "Result" };
            format!("{what} of {} [{}]:\n\n{}", one_line(name), part.label, fenced(text, "text"))
        }
    }
}

/// A text on one line of Markdown, with nothing active in it.
fn one_line(text: &str) -> String {
    sanitize_markdown(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A text as it is, in a fence that it cannot end.
fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fenced("a", "text"), "```text\na\n```\n");
        assert!(fenced("x\n`````\n![](https://evil.example)", "text").starts_with("``````text\n"));
    }
}
