//! `cara explain`: what a run saw, what was decided by which line,
//! what it did.

use super::policy::outcome;
use crate::cli::Explain;
use crate::door::Door;
use crate::output::{Output, Show, layout, show, when};
use anyhow::Result;
use cara_assistant::explain::{Answered, Decided, Explained, Explanation, Saw};
use cara_control::explain::ExplainRun;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, command: Explain) -> Result<()> {
    door.emit(output, ExplainRun { run: command.run }).await.map(drop)
}

/// `/explain` in a conversation uses it as well.
impl Show for Explained {
    fn show(&self) {
        print(self);
    }
}

fn print(run: &Explained) {
    let put = |name: &str, value: &str| layout::field(0, name, value);
    put("run", &format!("{} of session {}", run.run, run.session));
    let took = run.ended_ms.map(|ended| format!(", took {}", when::length(ended.saturating_sub(run.began_ms))));
    put("began", &format!("{}{}", when::second(run.began_ms), took.unwrap_or_default()));
    put("state", &run.reason.as_ref().map_or_else(|| run.state.to_string(), |why| format!("{}: {why}", run.state)));
    put("seen", &format!("{} (before it: {})", run.label, run.before));
    show::line("");
    show::line("what it saw, in order, with where it came from");
    run.saw.iter().for_each(print_saw);
    if run.calls.is_empty() {
        show::line("");
        show::line("it called no tool");
    }
    run.calls.iter().enumerate().for_each(|(at, call)| print_call(at + 1, call));
}

fn print_saw(saw: &Saw) {
    layout::hang(&format!("  {:>3}  ", saw.place), &format!("{} [{}]", saw.kind, saw.label));
    layout::paragraph(7, &saw.beginning);
}

fn print_call(number: usize, call: &Explanation) {
    let put = |name: &str, value: &str| layout::field(2, name, value);
    show::line("");
    layout::paragraph(0, &format!("call {number}: {} of {}", call.tool, call.component));
    put("arguments", &call.arguments);
    call.destinations.iter().for_each(|to| put("destination", to));
    match &call.decision {
        Some(decision) => print_decision(decision),
        None => put("decision", "none is kept"),
    }
    call.approval.iter().for_each(|approval| put("approval", &answer(approval)));
    put("state", &call.state);
    put("effect", effect(call));
    put("result from", &call.result.to_string());
}

fn print_decision(decision: &Decided) {
    let put = |name: &str, value: &str| layout::field(2, name, value);
    put("decision", outcome(decision.then));
    put("had seen", &decision.seen.to_string());
    for (at, line) in decision.lines.iter().enumerate() {
        put(if at == 0 { "decided by" } else { "also" }, &format!("{}: {}; {}", line.name, line.then, line.why));
    }
    if let Some(rule) = &decision.stored_rule {
        put("answered by", &format!("the stored rule {rule}, so it ran"));
    }
}

fn answer(approval: &Answered) -> String {
    let Answered { id, state, by, reason, .. } = approval;
    let by = by.as_ref().map(|by| format!(", answered by {by}")).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = if approval.spent { "allowed and used" } else { &**state };
    format!("{id} {what}{by}{reason}")
}

/// What is known of its effect.
fn effect(call: &Explanation) -> &'static str {
    match (call.effect, &*call.state) {
        (false, _) => "none that lasts",
        (true, "done") => "happened",
        (true, _) => "begun; whether it happened is not known",
    }
}
