//! What a person needs to decide about a package, on one screen.

use crate::output::{Show, layout, show};
use cara_assistant::text::exact;
use cara_control::plugins::{AskedCapability, ModelText, RaisedEffect, Review, ReviewChanges, ReviewedTool, Signer};

impl Show for Review {
    fn show(&self) {
        show::line(&format!("{} {} ({})", self.id, self.version, self.kinds.join(", ")));
        layout::paragraph(2, &self.summary);
        let field = |name: &str, value: &str| layout::field(0, name, value);
        show_signer(&self.signer);
        field("from", &self.from);
        field("digest", &self.digest);
        let license = self.license.as_deref().unwrap_or("no licence stated");
        let source = self.source.as_deref().unwrap_or("no source stated");
        field("size", &format!("{} KB · {license} · {source}", self.bytes.div_ceil(1000)));
        match &self.disagreement {
            Some(why) => field("DISAGREES", why),
            None => field("agrees", "manifest and binary say the same"),
        }
        if !self.warnings.is_empty() {
            show::line("look at this before you agree");
            self.warnings.iter().for_each(|warning| layout::hang("  ! ", warning));
        }
        show::line("what it may do, once granted");
        let mut before = "";
        for AskedCapability { about, what, why } in &self.may {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            layout::field(2, if *about == before { "" } else { about }, &format!("{what}{why}"));
            before = about;
        }
        if self.may.is_empty() {
            layout::field(2, "nothing", "it asks for nothing: it computes, and answers");
        }
        if !self.tools.is_empty() {
            show::line("its tools, with every text of them that a model will read");
        }
        self.tools.iter().for_each(show_tool);
        let limits: Vec<String> = self.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
        field("limits", &limits.join(", "));
        field("imports", &self.imports.join(", "));
        field("exports", &self.exports.join(", "));
        // Last, so that they stand above the question, not a screen away from it.
        self.changes.iter().for_each(show_changes);
    }
}

fn show_signer(signer: &Signer) {
    let Signer { name, key, since, problem } = signer;
    let key = key.as_deref().map(|key| format!(" (key {})", &key[..key.len().min(16)])).unwrap_or_default();
    let since = since.as_deref().map(|since| format!(", trusted since {since}")).unwrap_or_default();
    match (name, problem) {
        (_, Some(problem)) if key.is_empty() => layout::field(0, "NOT SIGNED", problem),
        (_, Some(problem)) => layout::field(0, "NOT TRUSTED", problem),
        (Some(name), None) => layout::field(0, "signer", &format!("{name}{key}{since}")),
        (None, None) => layout::field(0, "signer", "nobody"),
    }
}

fn show_changes(changes: &ReviewChanges) {
    show::line(&format!("what changes against {}", changes.against));
    if let Some(signer) = &changes.signer {
        layout::hang("  ! ", signer);
    }
    for (sign, facts) in [("  + ", &changes.added), ("  - ", &changes.removed)] {
        for fact in facts {
            layout::hang(sign, fact);
        }
    }
    if changes.added.is_empty() && changes.removed.is_empty() && changes.signer.is_none() {
        layout::paragraph(2, "nothing but its code");
    }
}

fn show_tool(tool: &ReviewedTool) {
    let field = |name: &str, value: &str| layout::field(2, name, value);
    let to: String = tool.destination.iter().map(|to| format!(", toward its `{to}`")).collect();
    let only = if tool.effects.is_empty() { ": only answers" } else { "" };
    field("tool", &format!("{}{to}{only}", tool.name));
    for RaisedEffect { effect, why } in &tool.effects {
        field("", &format!("{effect}: {why}"));
    }
    for ModelText { at, text } in &tool.texts {
        let at = at.replace("properties/", "");
        field("", &exact(&format!("{at}: \u{201c}{text}\u{201d}")));
    }
}
