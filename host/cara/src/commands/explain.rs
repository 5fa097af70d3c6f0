//! What a run saw, what was decided by which line, and what it did.

use crate::show;
use cara_assistant::explain::{Explained, Explanation};
use cara_assistant::text::harmless;

/// Prints it for a person. `/explain` in a conversation uses it as well.
pub(crate) fn print(run: &Explained) {
    let put = |text: String| show::line(&harmless(&text));
    put(format!("run {} of session {}: {}", run.run, run.session, run.state));
    for reason in &run.reason {
        put(format!("  because  {reason}"));
    }
    put(format!("  seen     {} (before it: {})", run.label, run.before));
    for saw in &run.saw {
        put(format!("  {:>4}  {:10} [{}] {}", saw.place, saw.kind, saw.label, saw.beginning));
    }
    run.calls.iter().for_each(|call| print_call(call, &put));
}

fn print_call(call: &Explanation, put: &dyn Fn(String)) {
    put(format!("  call {} · {} of `{}`: {}", call.id, call.tool, call.component, call.state));
    put(format!("    with      {}", call.arguments));
    call.destination.iter().for_each(|to| put(format!("    to        {to}")));
    for decision in &call.decision {
        put(format!("    decision  {} (seen: {})", decision.then, decision.seen));
        decision.lines.iter().for_each(|line| put(format!("      {} → {}: {}", line.name, line.then, line.why)));
        decision.stored_rule.iter().for_each(|rule| put(format!("      answered by the stored rule {rule}")));
    }
    for approval in &call.approval {
        let by = approval.by.as_deref().unwrap_or("nobody");
        put(format!("    approval  {} {} by {by}", approval.id, approval.state));
    }
    put(format!("    effect    {}", if call.effect { "begun, and may last" } else { "none that lasts" }));
    put(format!("    result    [{}]", call.result));
}
