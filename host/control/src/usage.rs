//! What was used, and what is left of the budgets.

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Operation, Route};
use cara_assistant::budget::{Amount, Micros};
use cara_authority::Principal;
use cara_records::{Records, UsageBy, UsageTotal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// By what uses are summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// By day, in UTC.
    #[default]
    Day,
    /// By conversation.
    Session,
    /// By run.
    Run,
    /// By person.
    Person,
    /// By the credential of the program that asked; conversations have none.
    Credential,
    /// By provider.
    Component,
    /// By model.
    Model,
}

impl From<Grouping> for UsageBy {
    fn from(group: Grouping) -> Self {
        match group {
            Grouping::Day => Self::Day,
            Grouping::Session => Self::Session,
            Grouping::Run => Self::Run,
            Grouping::Person => Self::Person,
            Grouping::Credential => Self::Credential,
            Grouping::Component => Self::Component,
            Grouping::Model => Self::Model,
        }
    }
}

/// Shows what was used, and what is left of the budgets.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowUsage {
    /// By what it is summed up.
    #[serde(default)]
    pub by: Grouping,
    /// How many days back, today included; days are those of UTC.
    pub days: u32,
    /// Only what this conversation used; `by` is then `session`.
    #[serde(default)]
    pub session: Option<String>,
}

/// What was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReport {
    /// A row for each group.
    pub used: Vec<UsageRow>,
    /// The limits that are configured.
    pub budgets: Vec<Budget>,
}

/// What one group used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct UsageRow {
    /// The day, session, run, person, component or model.
    pub group: String,
    /// What a person is called who is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many calls of models.
    pub calls: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Of the calls whose price is known; nothing when it is of none.
    pub dollars: Option<f64>,
    /// Calls that are not in the dollars.
    pub calls_without_price: u64,
}

impl UsageRow {
    fn new(total: UsageTotal, by: Grouping) -> Self {
        let group = match by {
            Grouping::Day => total.group.parse().map_or(total.group, day),
            Grouping::Session | Grouping::Run if total.group.is_empty() => "(deleted)".to_owned(),
            Grouping::Credential if total.group.is_empty() => "(conversations)".to_owned(),
            _ => total.group,
        };
        Self {
            group,
            name: None,
            calls: total.calls,
            input_tokens: total.input,
            output_tokens: total.output,
            dollars: (total.unpriced < total.calls).then_some(dollars(total.micros)),
            calls_without_price: total.unpriced,
        }
    }
}

/// The day of UTC.
fn day(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// A limit that is configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Budget {
    /// Of what it is the limit.
    pub of: String,
    /// Tokens.
    pub tokens: Option<u64>,
    /// US dollars.
    pub dollars: Option<f64>,
    /// What is left of today's; nothing where each run or session has its own.
    pub tokens_left: Option<u64>,
    /// What is left of today's dollars.
    pub dollars_left: Option<f64>,
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

/// When today began, in UTC: days of budgets are those.
fn today(application: &Application) -> u64 {
    application.services.clock.now_ms() / DAY_MS * DAY_MS
}

impl Operation for ShowUsage {
    type View = UsageReport;
    const ROUTE: Route =
        Route::get("usage", "/control/v1/usage", "Show what was used, and what is left of the budgets.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let by = if self.session.is_some() { Grouping::Session } else { self.by };
        let since = match self.session {
            Some(_) => 0,
            None => today(application).saturating_sub(u64::from(self.days.max(1) - 1) * DAY_MS),
        };
        let totals = records.usage(since, by.into()).await?.into_iter();
        let of = |total: &UsageTotal| self.session.as_ref().is_none_or(|session| total.group == *session);
        let mut used: Vec<UsageRow> = totals.filter(of).map(|total| UsageRow::new(total, by)).collect();
        if by == Grouping::Person {
            let people = records.people().await?;
            for row in &mut used {
                row.name = people.iter().find(|known| known.id.as_str() == row.group).map(|known| known.name.clone());
            }
        }
        Ok(UsageReport { used, budgets: budgets(application, records).await? })
    }
}

/// All limits, with what is left of those that are counted by the day.
async fn budgets(application: &Application, records: &Records) -> Result<Vec<Budget>> {
    let used = records.usage(today(application), UsageBy::Component).await?;
    let sum = |of: &dyn Fn(&UsageTotal) -> bool| {
        let counted = used.iter().filter(|total| of(total));
        counted.fold((0, 0), |(tokens, micros), total| (tokens + total.input + total.output, micros + total.micros))
    };
    let config = application.config()?;
    let budgets = &config.budget;
    let mut all: Vec<Option<Budget>> = vec![
        Budget::new("each run".into(), &budgets.run, None),
        Budget::new("each session".into(), &budgets.session, None),
        Budget::new("today".into(), &budgets.day, Some(sum(&|_| true))),
    ];
    for (id, amount) in &budgets.component {
        let own = sum(&|total| total.group == id.as_str());
        all.push(Budget::new(format!("{id}, today"), amount, Some(own)));
    }
    let used = records.usage(today(application), UsageBy::Person).await?;
    for person in records.people().await? {
        let own = used.iter().find(|total| total.group == person.id.as_str());
        let own = own.map_or((0, 0), |total| (total.input + total.output, total.micros));
        let allowance = budgets.allowance(&person.id, Some(person.role));
        all.push(Budget::new(format!("{}, today", person.id), &allowance, Some(own)));
    }
    Ok(all.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(group: &str, calls: u64, unpriced: u64) -> UsageTotal {
        UsageTotal { group: group.into(), calls, input: 10, output: 1, micros: 2_500_000, unpriced }
    }

    #[test]
    fn dollars_are_only_said_where_a_price_is_known() {
        let row = |unpriced| UsageRow::new(total("86400000", 2, unpriced), Grouping::Day);
        assert_eq!((row(0).dollars, row(1).dollars, row(2).dollars), (Some(2.5), Some(2.5), None));
        assert_eq!((row(1).calls_without_price, row(0).group.as_str()), (1, "1970-01-02"));
        assert_eq!(UsageRow::new(total("", 1, 0), Grouping::Run).group, "(deleted)");
    }

    #[test]
    fn only_what_is_counted_by_the_day_has_something_left() {
        let amount = Amount { tokens: Some(100), dollars: Some(Micros(3_000_000)) };
        let left =
            |used| Budget::new("x".into(), &amount, used).map(|budget| (budget.tokens_left, budget.dollars_left));
        assert_eq!(left(None), Some((None, None)));
        assert_eq!(left(Some((150, 1_000_000))), Some((Some(0), Some(2.0))));
        assert!(Budget::new("x".into(), &Amount::default(), None).is_none());
    }
}
