//! A conversation written out: on the terminal, and as Markdown.

use crate::output::{Show, layout, show, when};
use cara_assistant::part::{Body, Part};
use cara_assistant::text::harmless;
use cara_control::sessions::{AttachmentRow, MessageRow, Transcript};

impl Show for Transcript {
    fn show(&self) {
        layout::field(0, "session", &self.id);
        layout::field(0, "title", &self.title);
        layout::field(0, "person", &format!("{} on {}, agent {}", self.person, self.channel, self.agent));
        layout::field(0, "label", &self.label.to_string());
        layout::field(0, "began", &when::second(self.began_ms));
        layout::field(0, "changed", &when::second(self.changed_ms));
        if self.pinned {
            layout::field(0, "pinned", "yes");
        }
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
    let label = &part.label;
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
