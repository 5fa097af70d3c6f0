//! How long and how thoughtful an answer may be.

use cara_sdk::Error;
use cara_sdk::provider::{Effort, Request, ToolChoice};
use serde::Serialize;

/// Longest answer when the request names none; the API demands a number.
const MAX_TOKENS: u32 = 8_192;

/// The same for models that think by effort: some always do, and their thinking counts as answer.
const MAX_TOKENS_WITH_THINKING: u32 = 32_768;

/// The smallest budget for thinking that the API takes.
const LEAST_BUDGET: u32 = 1_024;

/// Whether and how a model thinks.
#[derive(Serialize)]
pub(super) struct Thinking {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

/// What of it a request is sent with; that differs by generation of model.
pub(super) struct Plan {
    pub(super) max_tokens: u32,
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// # Errors
    /// `unsupported` for an effort that the model does not have, or not together with what else is asked.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let limit = request.max_output_tokens;
        let budgeted = has_budget(&request.model);
        let usual = if budgeted { MAX_TOKENS } else { MAX_TOKENS_WITH_THINKING };
        let plain = Self { max_tokens: limit.unwrap_or(usual), thinking: None, effort: None };
        let Some(effort) = request.effort else { return Ok(plain) };
        if effort == Effort::Off {
            return Ok(Self { thinking: Some(Thinking::new("disabled")), ..plain });
        }
        if matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) {
            return Err(Error::unsupported("the Messages API has no `effort` where `tool-choice` demands a call"));
        }
        if !budgeted {
            let thinking = Thinking { display: Some("summarized"), ..Thinking::new("adaptive") };
            return Ok(Self { thinking: Some(thinking), effort: Some(word(effort)?), ..plain });
        }
        let (budget, max_tokens) = budget(effort, limit)?;
        let thinking = Thinking { budget_tokens: Some(budget), ..Thinking::new("enabled") };
        Ok(Self { max_tokens, thinking: Some(thinking), effort: None })
    }
}

impl Thinking {
    const fn new(r#type: &'static str) -> Self {
        Self { r#type, budget_tokens: None, display: None }
    }
}

/// The API's word for an effort.
fn word(effort: Effort) -> Result<&'static str, Error> {
    Ok(match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh => "xhigh",
        Effort::Max => "max",
        Effort::Off | Effort::Minimal => {
            return Err(Error::unsupported("the Messages API has no `effort` below `low` but `off`"));
        }
    })
}

/// Tokens for thinking at an effort, and for all of the answer: thinking counts as answer, so at least half of a limit
/// that the request names is left for the rest.
fn budget(effort: Effort, limit: Option<u32>) -> Result<(u32, u32), Error> {
    let wanted = match effort {
        Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 24_576,
        Effort::Off | Effort::Xhigh | Effort::Max => {
            return Err(Error::unsupported("models up to 4.5 have no `effort` over `high`"));
        }
    };
    let Some(limit) = limit else { return Ok((wanted, MAX_TOKENS + wanted)) };
    let budget = wanted.min(limit / 2);
    if budget < LEAST_BUDGET {
        let least = 2 * LEAST_BUDGET;
        return Err(Error::unsupported(format!("an `effort` needs a `max-output-tokens` of at least {least}")));
    }
    Ok((budget, limit))
}

/// Whether a model thinks by budget. That list is closed: all that came after 4.5 think by effort.
fn has_budget(model: &str) -> bool {
    let old = ["claude-2", "claude-3", "claude-instant", "-4-0", "-4-1", "-4-5", "-4-2025"];
    old.iter().any(|part| model.contains(part))
}
