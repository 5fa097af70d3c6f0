//! What is measured when somebody looks, Prometheus or a collector; apart
//! from `metrics`, which knows no application.

use crate::application::Application;
use crate::collector::EVERY;
use crate::error::Result;
use crate::machine;
use crate::metrics::failed;
use cara_records::{InboundState, OutboundState};
use opentelemetry::KeyValue;
use prometheus::TextEncoder;
use std::time::Duration;

impl Application {
    /// Everything that is counted and measured, in the text format of Prometheus.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn metrics_text(&self) -> Result<String> {
        self.measure().await?;
        TextEncoder::new().encode_to_string(&self.telemetry.metrics().registry.gather()).map_err(failed)
    }

    /// Measures again and again what is not counted as it happens, for a collector; until the process ends.
    pub(crate) fn keep_measuring(&self) {
        let (me, end) = (self.me.clone(), self.outbox_end.clone());
        self.holder.work.spawn(async move {
            loop {
                let Some(application) = me.upgrade() else { return };
                if let Err(error) = application.measure().await {
                    tracing::warn!(%error, "what goes on cannot be measured");
                }
                drop(application);
                if end.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                    return;
                }
            }
        });
    }

    async fn measure(&self) -> Result<()> {
        let (metrics, records) = (self.telemetry.metrics(), self.records().await?);
        metrics.active.record(self.busy() as u64, &[]);
        metrics.waiting.record(records.waiting_approvals().await?.len() as u64, &[]);
        let in_box =
            |name: &'static str, state: &'static str| [KeyValue::new("box", name), KeyValue::new("state", state)];
        let (inbox, outbox) = (records.inbox_counts().await?, records.outbox_counts().await?);
        for state in InboundState::ALL {
            let count = inbox.iter().find(|(one, _)| one == state).map_or(0, |(_, count)| *count);
            metrics.messages.record(count, &in_box("inbox", state.name()));
        }
        for state in OutboundState::ALL {
            let count = outbox.iter().find(|(one, _)| one == state).map_or(0, |(_, count)| *count);
            metrics.messages.record(count, &in_box("outbox", state.name()));
        }
        let installed = self.installed()?;
        let resting = self.plugins.called().into_iter().filter(|(_, _, rests)| rests.is_some()).count();
        for (condition, count) in
            [("usable", installed.usable.len()), ("broken", installed.broken.len()), ("resting", resting)]
        {
            metrics.components.record(count as u64, &[KeyValue::new("condition", condition)]);
        }
        if let Some(bytes) = machine::resident() {
            metrics.memory.record(bytes, &[]);
        }
        let since = self.services.clock.now_ms().saturating_sub(self.holder.began_ms);
        metrics.uptime.record(Duration::from_millis(since).as_secs_f64(), &[]);
        Ok(())
    }
}
