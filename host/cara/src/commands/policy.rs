//! `cara policy`: what would become of a call, and why.

use crate::cli::{Policy, PolicyExplain};
use crate::door::Door;
use crate::output::{Output, Show, layout, show, word};
use anyhow::Result;
use cara_authority::Action;
use cara_control::policy::{ExplainPolicy, ExplainedPolicy, PolicyShown, ShowPolicy};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, policy: Policy) -> Result<()> {
    match policy {
        Policy::Explain(explain) => {
            let PolicyExplain { tool, arguments, seen, agent, channel, sender, provenance } = *explain;
            let (agent, channel, provenance) = (Some(agent), Some(channel), provenance);
            door.emit(output, ExplainPolicy { tool, arguments, seen, agent, channel, sender, provenance })
                .await
                .map(drop)
        }
        Policy::Show => door.emit(output, ShowPolicy {}).await.map(drop),
    }
}

/// What becomes of a call, as a verb.
pub(super) fn outcome(action: Action) -> &'static str {
    match action {
        Action::Allow => "it runs",
        Action::Ask => "a person is asked",
        Action::Deny => "it is denied",
    }
}

impl Show for ExplainedPolicy {
    fn show(&self) {
        let put = |name: &str, value: &str| layout::field(0, name, value);
        put("call", &format!("{} of {}", self.tool, self.component));
        put("arguments", self.arguments.as_deref().unwrap_or("not given, so not checked"));
        if let Some(provenance) = self.provenance {
            let to = if self.destinations.is_empty() { "any".to_owned() } else { self.destinations.join(", ") };
            put("destination", &format!("{to} ({})", word(&provenance)));
        }
        put("seen", &self.seen.to_string());
        put("then", outcome(self.then));
        for (at, line) in self.lines.iter().enumerate() {
            let decided = if at == 0 && self.stored_rule.is_none() { "decided by" } else { "also" };
            let name = if at == 0 && self.stored_rule.is_some() { "would decide" } else { decided };
            put(name, &format!("{}: {}; {}", line.name, line.then, line.why));
        }
        self.stored_rule.iter().for_each(|rule| put("answered by", &format!("the stored rule {rule}")));
        for rule in &self.stored_rules_of_sessions {
            put("unless", &format!("the stored rule {rule}, which would let it run there"));
        }
        if !self.offered {
            put("but", &format!("the tool is off: `cara tools enable {}` switches it on", self.component));
        }
    }
}

impl Show for PolicyShown {
    fn show(&self) {
        show::line("rules: one that denies wins, then the most specific one");
        show::line("(sender, channel, agent, tool, component, effect; at a tie the stricter one)");
        if self.rules.is_empty() {
            show::line("  none");
        }
        for rule in &self.rules {
            layout::hang(&format!("  {:>3}  ", rule.number), &rule.rule);
        }
        show::line("defaults, where no rule fits: the strictest of a tool's effects");
        show::line(&format!("  {:18} allow", "none"));
        for default in &self.defaults {
            show::line(&format!("  {:18} {}", default.effect, default.then));
        }
        show::line("labels: asked on top of rules and defaults; no rule takes that away");
        for rule in &self.labels {
            layout::hang(&format!("  {:18} ", rule.name), &rule.demands);
        }
        show::line("destinations that may be told private things");
        if self.private_destinations.is_empty() {
            show::line("  none");
        }
        for destination in &self.private_destinations {
            layout::paragraph(2, destination);
        }
    }
}
