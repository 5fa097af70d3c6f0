//! A conversation written out: on the terminal, and as Markdown.

use crate::output::{Show, layout, show, when};
use cara_assistant::markdown::sanitize_markdown;
use cara_assistant::part::{Body, Part};
use cara_assistant::text::harmless;
use cara_control::sessions::{AttachmentRow, MessageRow, Transcript};
use std::fmt::Write;

impl Show for Transcript {
    fn show(&self) {
        layout::field(0, "session", &self.id);
        layout::field(0, "title", &self.title);
        layout::field(0, "person", &format!("{} on {}, agent {}", self.person, self.channel, self.agent));
        layout::field(0, "label", &self.label.to_string());
        layout::field(0, "began", &when::second(self.began_ms));
        layout::field(0, "changed", &when::second(self.changed_ms));
        self.parent.iter().for_each(|parent| layout::field(0, "forked from", parent));
        for run in &self.runs {
            let reason = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let text = format!("{}  {}  {} [{}]{reason}", run.id, when::second(run.began_ms), run.state, run.label);
            layout::field(0, "run", &text);
        }
        for attached in &self.attachments {
            let AttachmentRow { id, name, media_type, size, label } = attached;
            layout::field(0, "attachment", &format!("{id}  {name}, {media_type}, {size} bytes [{label}]"));
        }
        if let Some(summary) = &self.summary {
            show::line("");
            show::line(&format!("1 to {}  summary [{}]", summary.upto_place, summary.label));
            layout::paragraph(4, &summary.text());
        }
        for message in &self.messages {
            show::line("");
            let run = message.run.as_deref().unwrap_or("-");
            let MessageRow { place, role, label, .. } = message;
            show::line(&format!("{place}  {role} [{label}]  {run}  {}", when::second(message.at_ms)));
            message.parts.iter().for_each(print_part);
        }
    }
}

fn print_part(part: &Part) {
    let label = part.label;
    match &part.body {
        Body::Text { text } => layout::paragraph(4, text),
        Body::Stopped => layout::paragraph(4, part.readable()),
        Body::Read(findings) => {
            layout::hang(&format!("    reading r{} [{label}]  ", findings.number), &findings.facts.join("\n"))
        }
        Body::Thinking { text, .. } => layout::hang("    thinking  ", text),
        Body::Attachment { id, media_type, name } => {
            layout::paragraph(4, &format!("attachment {id} {} {media_type} [{label}]", name.as_deref().unwrap_or("-")));
        }
        Body::ToolCall { name, arguments, .. } => layout::hang("    calls  ", &format!("{name} {arguments}")),
        Body::ToolResult { name, text, failed, .. } => {
            let what = if *failed { "failed" } else { "result" };
            show::line(&harmless(&format!("    {what} of {name} [{label}]")));
            layout::paragraph(6, text);
        }
    }
}

/// The conversation as Markdown. What was said stands byte for byte in fences: no renderer fetches or runs anything of
/// it.
pub(super) fn markdown(transcript: &Transcript) -> String {
    let mut out = format!("# {}\n\n", one_line(&transcript.title));
    let Transcript { id, person, channel, agent, label, .. } = transcript;
    let (began, changed) = (when::second(transcript.began_ms), when::second(transcript.changed_ms));
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
    if let Some(summary) = &transcript.summary {
        let _ = write!(out, "\n## Summary of 1 to {}\n\n{}", summary.upto_place, fenced(&summary.text(), "text"));
    }
    for message in &transcript.messages {
        let MessageRow { place, role, label, .. } = message;
        let _ = write!(out, "\n## {place}. {role} [{label}]\n");
        for part in &message.parts {
            let text = match &part.body {
                Body::Text { text } => said(text),
                Body::Stopped => format!("{}\n", part.readable()),
                Body::Read(found) => {
                    format!(
                        "Reading r{} [{}]:\n\n{}",
                        found.number,
                        part.label,
                        fenced(&found.facts.join("\n"), "text")
                    )
                }
                Body::Thinking { text, .. } => format!("Thinking:\n\n{}", fenced(text, "text")),
                Body::Attachment { id, media_type, name } => {
                    format!(
                        "Attachment {id}: {}\n",
                        one_line(&format!("{} ({media_type})", name.as_deref().unwrap_or("-")))
                    )
                }
                Body::ToolCall { name, arguments, .. } => {
                    format!("Calls {}:\n\n{}", one_line(name), fenced(arguments, "text"))
                }
                Body::ToolResult { name, text, failed, .. } => {
                    let what = if *failed { "Failed" } else { "Result" };
                    format!("{what} of {} [{}]:\n\n{}", one_line(name), part.label, fenced(text, "text"))
                }
            };
            let _ = write!(out, "\n{text}");
        }
    }
    out
}

/// A text on one line of Markdown, with nothing active in it.
fn one_line(text: &str) -> String {
    sanitize_markdown(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Words as they are, marked as Markdown.
fn said(text: &str) -> String {
    fenced(text, "markdown")
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
