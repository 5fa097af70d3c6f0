//! `cara usage`: what was used, and what is left of the budgets.

use crate::boot::Cara;
use crate::cli::{Usage, UsageGroup};
use crate::{layout, show, when};
use anyhow::Result;
use cara_assistant::budget::{Amount, Micros};
use cara_assistant::{LanguageModel, Session};
use cara_records::{Records, UsageBy, UsageTotal};
use serde::Serialize;
use std::process::ExitCode;

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, usage: Usage) -> Result<ExitCode> {
    let records = cara.records().await?;
    let since = today(cara).saturating_sub(u64::from(usage.since - 1) * DAY_MS);
    let by = match usage.by {
        UsageGroup::Day => UsageBy::Day,
        UsageGroup::Session => UsageBy::Session,
        UsageGroup::Run => UsageBy::Run,
        UsageGroup::Component => UsageBy::Component,
        UsageGroup::Model => UsageBy::Model,
    };
    let rows: Vec<Row> = records.usage(since, by).await?.into_iter().map(|total| Row::new(total, usage.by)).collect();
    let report = Report { used: rows, budgets: budgets(cara, records).await? };
    if usage.json {
        layout::json(&report)?;
    } else {
        report.print(usage);
    }
    Ok(ExitCode::SUCCESS)
}

/// When today began, in UTC: days of budgets are those.
fn today(cara: &Cara) -> u64 {
    cara.services.clock.now_ms() / DAY_MS * DAY_MS
}

#[derive(Serialize)]
struct Report {
    used: Vec<Row>,
    budgets: Vec<Budget>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    group: String,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// Of the calls whose price is known; nothing when it is of none.
    dollars: Option<f64>,
    calls_without_price: u64,
}

impl Row {
    fn new(total: UsageTotal, by: UsageGroup) -> Self {
        let group = match by {
            UsageGroup::Day => total.group.parse().map_or(total.group, when::utc_day),
            UsageGroup::Session | UsageGroup::Run if total.group.is_empty() => "(deleted)".to_owned(),
            _ => total.group,
        };
        Self {
            group,
            calls: total.calls,
            input_tokens: total.input,
            output_tokens: total.output,
            dollars: (total.unpriced < total.calls).then_some(total.micros as f64 / 1e6),
            calls_without_price: total.unpriced,
        }
    }
}

/// A limit that is configured.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Budget {
    of: String,
    tokens: Option<u64>,
    dollars: Option<f64>,
    /// What is left of today's; nothing where each run or session has its own.
    tokens_left: Option<u64>,
    dollars_left: Option<f64>,
}

impl Budget {
    /// None when nothing is limited.
    fn new(of: String, amount: &Amount, used: Option<(u64, u64)>) -> Option<Self> {
        let micros = amount.dollars.map(|Micros(micros)| micros);
        (amount.tokens.is_some() || micros.is_some()).then(|| Self {
            of,
            tokens: amount.tokens,
            dollars: micros.map(dollars),
            tokens_left: used.and_then(|(tokens, _)| Some(amount.tokens?.saturating_sub(tokens))),
            dollars_left: used.and_then(|(_, spent)| Some(dollars(micros?.saturating_sub(spent)))),
        })
    }
}

fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// All limits, with what is left of those that are counted by the day.
async fn budgets(cara: &Cara, records: &Records) -> Result<Vec<Budget>> {
    let used = records.usage(today(cara), UsageBy::Component).await?;
    let sum = |of: &dyn Fn(&UsageTotal) -> bool| {
        let counted = used.iter().filter(|total| of(total));
        counted.fold((0, 0), |(tokens, micros), total| (tokens + total.input + total.output, micros + total.micros))
    };
    let budgets = &cara.config.budget;
    let mut all: Vec<Option<Budget>> = vec![
        Budget::new("each run".into(), &budgets.run, None),
        Budget::new("each session".into(), &budgets.session, None),
        Budget::new("today".into(), &budgets.day, Some(sum(&|_| true))),
    ];
    for (id, amount) in &budgets.component {
        let own = sum(&|total| total.group == id.as_str());
        all.push(Budget::new(format!("{id}, today"), amount, Some(own)));
    }
    Ok(all.into_iter().flatten().collect())
}

impl Report {
    fn print(&self, usage: Usage) {
        if self.used.is_empty() {
            show::note(&format!("no model was called in the last {} days", usage.since));
        } else {
            let money = |row: &Row| row.dollars.map_or_else(|| "-".to_owned(), |dollars| format!("{dollars:.4}"));
            let cells = self.used.iter().map(|row| {
                let numbers = [row.calls, row.input_tokens, row.output_tokens].map(|number| number.to_string());
                std::iter::once(layout::cut(&row.group, 60)).chain(numbers).chain([money(row)]).collect()
            });
            let name = match usage.by {
                UsageGroup::Day => "DAY",
                UsageGroup::Session => "SESSION",
                UsageGroup::Run => "RUN",
                UsageGroup::Component => "COMPONENT",
                UsageGroup::Model => "MODEL",
            };
            show::table(&[name, "CALLS", "TOKENS IN", "TOKENS OUT", "DOLLARS"], &cells.collect::<Vec<_>>());
            let unpriced: u64 = self.used.iter().map(|row| row.calls_without_price).sum();
            if unpriced > 0 {
                show::note(&format!(
                    "{unpriced} calls have no known price and are not in the dollars; `prices.toml` can give one"
                ));
            }
        }
        for budget in &self.budgets {
            layout::field(0, "budget", &budget.text());
        }
    }
}

impl Budget {
    fn text(&self) -> String {
        let left = |left: Option<String>| left.map(|left| format!(", {left} left")).unwrap_or_default();
        let tokens = self.tokens.map(|most| {
            let left = left(self.tokens_left.map(|tokens| tokens.to_string()));
            format!("{most} tokens{left}")
        });
        let dollars =
            self.dollars.map(|most| format!("${most:.2}{}", left(self.dollars_left.map(|d| format!("${d:.4}")))));
        let limits: Vec<String> = tokens.into_iter().chain(dollars).collect();
        format!("of {}: {}", self.of, limits.join("; "))
    }
}

/// Tokens and money of a conversation and of today; `/usage` shows it.
pub(crate) async fn of_session(
    cara: &Cara,
    session: Option<&Session>,
    language_model: &dyn LanguageModel,
) -> Result<()> {
    let records = cara.records().await?;
    let say = |what: &str, total: &UsageTotal| {
        let UsageTotal { input, output, calls, unpriced, .. } = total;
        let money =
            if unpriced < calls { format!("${:.4}", dollars(total.micros)) } else { "price unknown".to_owned() };
        show::line(&format!("  {what:14} {input} in, {output} out, {calls} calls, {money}"));
    };
    if let Some(session) = session {
        let all = records.usage(0, UsageBy::Session).await?;
        all.iter().filter(|total| total.group == session.id().as_str()).for_each(|total| say("this session", total));
        let (used, most) = (session.tokens(), language_model.context_tokens());
        show::line(&format!("  {:14} about {used} of {most} tokens", "context"));
    }
    records.usage(today(cara), UsageBy::Day).await?.iter().for_each(|total| say("today", total));
    for budget in budgets(cara, records).await? {
        show::line(&format!("  {:14} {}", "budget", budget.text()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(group: &str, calls: u64, unpriced: u64) -> UsageTotal {
        UsageTotal { group: group.into(), calls, input: 10, output: 1, micros: 2_500_000, unpriced }
    }

    #[test]
    fn dollars_are_only_said_where_a_price_is_known() {
        let row = |unpriced| Row::new(total("86400000", 2, unpriced), UsageGroup::Day);
        assert_eq!((row(0).dollars, row(1).dollars, row(2).dollars), (Some(2.5), Some(2.5), None));
        assert_eq!((row(1).calls_without_price, row(0).group.as_str()), (1, "1970-01-02"));
        assert_eq!(Row::new(total("", 1, 0), UsageGroup::Run).group, "(deleted)");
    }

    #[test]
    fn only_what_is_counted_by_the_day_has_something_left() {
        let amount = Amount { tokens: Some(100), dollars: Some(Micros(3_000_000)) };
        let text = |used| Budget::new("x".into(), &amount, used).map(|budget| budget.text());
        assert_eq!(text(None).as_deref(), Some("of x: 100 tokens; $3.00"));
        assert_eq!(text(Some((150, 1_000_000))).as_deref(), Some("of x: 100 tokens, 0 left; $3.00, $2.0000 left"));
        assert!(Budget::new("x".into(), &Amount::default(), None).is_none());
    }
}
