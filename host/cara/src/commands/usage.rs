//! `cara usage`: what was used, and what is left of the budgets.

use crate::cli::Usage;
use crate::door::Door;
use crate::output::{Output, columns, layout, show, word};
use anyhow::Result;
use cara_control::usage::{Budget, Grouping, ShowUsage, UsageReport, UsageRow};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, usage: Usage) -> Result<()> {
    let report = door.call(ShowUsage { by: usage.by, days: usage.since, session: None }).await?;
    output.print(&report, || show_report(&report, &usage))
}

fn show_report(report: &UsageReport, usage: &Usage) {
    if report.used.is_empty() {
        show::note(&format!("no model was called in the last {} days", usage.since));
    } else {
        let money = |row: &UsageRow| row.dollars.map_or_else(|| "-".to_owned(), |dollars| format!("{dollars:.4}"));
        let cells = report.used.iter().map(|row| {
            let numbers = [row.calls, row.input_tokens, row.output_tokens].map(|number| number.to_string());
            let name = row.name.as_ref().map(|name| format!("{} ({name})", row.group));
            std::iter::once(columns::cut(name.as_ref().unwrap_or(&row.group), 40))
                .chain(numbers)
                .chain([money(row)])
                .collect()
        });
        let name = word(&usage.by).to_uppercase();
        show::table(&[&name, "CALLS", "TOKENS IN", "TOKENS OUT", "DOLLARS"], &cells.collect::<Vec<_>>());
        let unpriced: u64 = report.used.iter().map(|row| row.calls_without_price).sum();
        if unpriced > 0 {
            show::note(&format!(
                "{unpriced} calls have no known price and are not in the dollars; `prices.toml` can give one"
            ));
        }
    }
    for budget in &report.budgets {
        layout::field(0, "budget", &text(budget));
    }
}

fn text(budget: &Budget) -> String {
    let left = |left: Option<String>| left.map(|left| format!(", {left} left")).unwrap_or_default();
    let tokens = budget.tokens.map(|most| {
        let left = left(budget.tokens_left.map(|tokens| tokens.to_string()));
        format!("{most} tokens{left}")
    });
    let dollars =
        budget.dollars.map(|most| format!("${most:.2}{}", left(budget.dollars_left.map(|d| format!("${d:.4}")))));
    let limits: Vec<String> = tokens.into_iter().chain(dollars).collect();
    format!("of {}: {}", budget.of, limits.join("; "))
}

/// Tokens and money of a conversation and of today; `/usage` shows it.
pub(crate) async fn of_session(door: &Door, session: Option<&str>, context_tokens: u32) -> Result<()> {
    let say = |what: &str, row: &UsageRow| {
        let UsageRow { input_tokens, output_tokens, calls, calls_without_price, .. } = row;
        let money = match (row.dollars, calls_without_price) {
            (Some(dollars), 0) => format!("${dollars:.4}"),
            (Some(dollars), unpriced) => format!("${dollars:.4} + {unpriced} calls, price unknown"),
            (None, _) => "price unknown".to_owned(),
        };
        show::line(&format!("  {what:14} {input_tokens} in, {output_tokens} out, {calls} calls, {money}"));
    };
    if let Some(session) = session {
        let of = ShowUsage { by: Grouping::Session, days: 1, session: Some(session.to_owned()) };
        door.call(of).await?.used.iter().for_each(|row| say("this session", row));
        show::line(&format!("  {:14} at most {context_tokens} tokens", "context"));
    }
    let today = door.call(ShowUsage { by: Grouping::Day, days: 1, session: None }).await?;
    today.used.iter().for_each(|row| say("today", row));
    for budget in &today.budgets {
        show::line(&format!("  {:14} {}", "budget", text(budget)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_budget_is_said_where_there_is_a_day() {
        let budget = |left: Option<(u64, f64)>| Budget {
            of: "x".into(),
            tokens: Some(100),
            dollars: Some(3.0),
            tokens_left: left.map(|(tokens, _)| tokens),
            dollars_left: left.map(|(_, dollars)| dollars),
        };
        assert_eq!(text(&budget(None)), "of x: 100 tokens; $3.00");
        assert_eq!(text(&budget(Some((0, 2.0)))), "of x: 100 tokens, 0 left; $3.00, $2.0000 left");
    }
}
