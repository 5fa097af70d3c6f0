//! `cara approvals`: answers what a run waits for, and shows the rules that
//! answer in a person's place.

use crate::cli::Approvals;
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, bail};
use cara_assistant::Asked;
use cara_assistant::text::exact;
use cara_control::approvals::{
    ApprovalRequest, ApprovalResponse, ForgetRule, ListApprovals, ListRules, Place, RespondToApproval, RuleRow,
    ShowApproval, Verdict,
};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, approvals: Approvals) -> Result<()> {
    match approvals {
        Approvals::List => drop(door.emit(output, ListApprovals {}).await?),
        Approvals::Show { id } => {
            let request = door.emit(output, ShowApproval { id: id.to_string() }).await?;
            if request.asked.is_none() && !output.json {
                bail!("what was asked in `{id}` cannot be read\nhint: `cara approvals deny {id}` denies it");
            }
        }
        Approvals::Allow { id, always } => {
            let verdict = if always { Verdict::Always } else { Verdict::Once };
            let responded =
                door.call(RespondToApproval { id: id.to_string(), verdict, reason: None, by: Place::Command }).await?;
            output.done(&responded, &allowed(id.as_str(), &responded))?;
        }
        Approvals::Deny { id, reason } => {
            let respond = RespondToApproval { id: id.to_string(), verdict: Verdict::Deny, reason, by: Place::Command };
            output.done(&door.call(respond).await?, &format!("denied `{id}`"))?;
        }
        Approvals::Rules => drop(door.emit(output, ListRules {}).await?),
        Approvals::Forget { rule } => {
            let done = door.call(ForgetRule { id: rule.to_string(), by: Place::Command }).await?;
            output.done(&done, &format!("removed rule `{rule}`; the like is asked again"))?;
        }
    }
    Ok(())
}

fn allowed(id: &str, responded: &ApprovalResponse) -> String {
    if let Some(given) = responded.given_before_ms.map(when::second) {
        let spent = responded.spent_ms.map(|at| format!(", and was spent at {}", when::second(at)));
        return format!("`{id}` was allowed already at {given}{}; this changes nothing", spent.unwrap_or_default());
    }
    if responded.waits_for_others {
        return format!("your yes to `{id}` is kept; others have to agree, and `cara approvals show {id}` says who");
    }
    let mut words = Vec::new();
    if let Some([tool, component]) = &responded.allowed {
        words.push(format!("allowed `{id}`: {tool} of `{component}`, once"));
    }
    if let Some(rule) = &responded.stored {
        words.push(format!("stored: {rule}; `cara approvals rules` shows it, `forget` removes it"));
    }
    if !responded.run_is_alive {
        words.push("its process ended: the answer counts when the conversation is taken up again".to_owned());
    }
    words.join("\n")
}

impl Show for Vec<ApprovalRequest> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("nothing waits for an answer");
        }
        let cells = self.iter().map(|request| {
            let asked = request.asked.as_ref();
            let of = |get: fn(&Asked) -> String, most| {
                asked.map_or_else(|| "?".into(), |asked| columns::cut(&get(asked), most))
            };
            let left = request.left_ms.map(when::length).unwrap_or_default();
            vec![
                request.id.clone(),
                of(|asked| asked.tool.clone(), 40),
                of(|asked| listed(&asked.destinations, "-"), 48),
                of(|asked| asked.seen.to_string(), 60),
                if request.run_is_alive { left } else { format!("{left}, its process ended") },
                of(|asked| asked.why.join("; "), 100),
            ]
        });
        show::table(&["ID", "TOOL", "DESTINATION", "SEEN", "LEFT", "WHY"], &cells.collect::<Vec<_>>());
        show::note("`cara approvals show ID` shows all of one; `allow` or `deny` answers it");
    }
}

/// Destinations in one line; `none` when there are none.
fn listed(destinations: &[String], none: &str) -> String {
    if destinations.is_empty() { none.to_owned() } else { destinations.join(", ") }
}

impl Show for ApprovalRequest {
    fn show(&self) {
        let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
        put("approval", &self.id);
        match (&self.decided_by, self.left_ms) {
            (_, Some(left)) => put("state", &format!("waiting; denied by itself in {}", when::length(left))),
            (Some(by), None) => put("state", &format!("{}, answered by {by}", self.state)),
            (None, None) => put("state", &self.state),
        }
        self.decided_ms.iter().for_each(|at| put("answered", &when::second(*at)));
        self.reason.iter().for_each(|reason| put("reason", reason));
        put("asked", &when::second(self.asked_ms));
        put("person", &self.person);
        match (self.needed, &self.agreed[..]) {
            (1, _) => put("may decide", &self.deciders.join(", ")),
            (needed, []) => put("may decide", &format!("{needed} of {}", self.deciders.join(", "))),
            (needed, agreed) => {
                let (all, agreed) = (self.deciders.join(", "), agreed.join(", "));
                put("may decide", &format!("{needed} of {all}; yes said {agreed}"));
            }
        }
        put("session", &self.session);
        put("run", &format!("{}, call {}", self.run, self.call));
        if !self.run_is_alive && self.left_ms.is_some() {
            put("note", "its process ended: an answer counts when the conversation is taken up again");
        }
        self.asked.iter().for_each(show_asked);
    }
}

/// Every byte of what is asked.
fn show_asked(asked: &Asked) {
    let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
    put("tool", &format!("{} of {}", asked.tool, asked.component));
    put("digest", &format!("sha256:{}", asked.digest));
    put("destination", &listed(&asked.destinations, "none"));
    asked.servers.iter().for_each(|server| put("server", server));
    put("seen", &asked.seen.to_string());
    asked.why.iter().for_each(|why| put("because", why));
    match &asked.always {
        Some(rule) => put("always", &format!("would store: {rule}")),
        None => put("always", "cannot be given: no rule may answer this"),
    }
    put("arguments", &asked.arguments);
}

impl Show for Vec<RuleRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no rule is stored; `cara approvals allow --always` stores one");
        }
        let cells = self.iter().map(|rule| {
            let used = rule.last_used_ms.map_or_else(|| "never".to_owned(), when::minute);
            let (tool, component, person) = (rule.tool.clone(), rule.component.clone(), rule.person.clone());
            vec![rule.id.clone(), tool, component, person, when::minute(rule.added_ms), used, exact(&rule.terms)]
        });
        let head = ["RULE", "TOOL", "COMPONENT", "PERSON", "ADDED", "LAST USED", "HOLDS"];
        show::table(&head, &cells.collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_hides_nothing() {
        assert_eq!(exact(r#"{"text":"a\nb é \"q\""}"#), r#"{"text":"a\nb é \"q\""}"#);
        assert_eq!(
            exact("a\u{202e}b\u{200b}\u{ad}\u{3164}\u{a0}\u{1b}\n"),
            "a\\u{202e}b\\u{200b}\\u{ad}\\u{3164}\\u{a0}\\u{1b}\\n"
        );
        assert_eq!(exact("e\u{301}"), "e\\u{301}");
    }
}
