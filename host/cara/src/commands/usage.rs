//! What was used, and what is left.

use crate::boot::Cara;
use crate::show;
use anyhow::Result;
use cara_assistant::{Session, Thinker};
use cara_services::ledger::records::{UsageBy, UsageTotal};

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Tokens and money of a conversation and of today; `/usage` shows it.
pub(crate) async fn of_session(cara: &Cara, session: Option<&Session>, thinker: &dyn Thinker) -> Result<()> {
    let records = cara.records().await?;
    let say = |what: &str, total: &UsageTotal| {
        let dollars = total.micros as f64 / 1e6;
        show::line(&format!(
            "  {what:14} {} in, {} out, {} calls, ${dollars:.4}",
            total.input, total.output, total.calls
        ));
    };
    if let Some(session) = session {
        let all = records.usage(0, UsageBy::Session).await?;
        all.iter().filter(|total| total.group == session.id().as_str()).for_each(|total| say("this session", total));
        let (used, most) = (session.tokens(), thinker.context_tokens());
        show::line(&format!("  {:14} about {used} of {most} tokens", "context"));
    }
    let today = cara.services.clock.now_ms() / DAY_MS * DAY_MS;
    records.usage(today, UsageBy::Day).await?.iter().for_each(|total| say("today", total));
    Ok(())
}
