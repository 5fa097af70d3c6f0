//! A run as a span, with its calls of tools and models below it.

use super::model_call::ModelCalls;
use super::{Spans, Telemetry, failed_in};
use cara_assistant::{Failure, TurnEvent};
use cara_authority::{Action, ComponentId, display_safe};
use opentelemetry::trace::{FutureExt, Span as _, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// The most calls of tools that are under way at once, as far as spans and metrics are concerned.
const MOST: usize = 256;

/// Who runs.
pub(crate) struct Runner<'a> {
    /// The agent.
    pub(crate) agent: &'a str,
    /// The provider whose model thinks.
    pub(crate) component: &'a ComponentId,
    /// That model.
    pub(crate) model: &'a str,
    /// The conversation.
    pub(crate) session: String,
}

/// A run as it is watched.
#[derive(Clone)]
pub(crate) struct WatchedRun {
    telemetry: Telemetry,
    /// Calls that were decided on and have no result yet: those of tools that there are.
    decided: Arc<Mutex<HashSet<String>>>,
    traced: Option<Arc<Traced>>,
}

struct Traced {
    spans: Spans,
    /// With the span of the run.
    within: Context,
    tools: Mutex<HashMap<String, Began>>,
}

/// A call of a tool that goes on.
struct Began {
    at_ms: u64,
    asks: bool,
}

impl WatchedRun {
    /// A run begins, within what is done now.
    pub(super) fn begin(telemetry: &Telemetry, runner: &Runner<'_>) -> Self {
        let traced = telemetry.spans.as_ref().map(|spans| {
            let model = telemetry.models.shown(runner.component, runner.model);
            let agent = display_safe(runner.agent);
            let attributes = vec![
                KeyValue::new("gen_ai.operation.name", "invoke_agent"),
                KeyValue::new("gen_ai.provider.name", runner.component.to_string()),
                KeyValue::new("gen_ai.request.model", model),
                KeyValue::new("gen_ai.agent.name", agent.clone()),
                KeyValue::new("gen_ai.conversation.id", runner.session.clone()),
            ];
            let now = Context::current();
            let span = spans.begin(format!("invoke_agent {agent}"), SpanKind::Internal, attributes, &now);
            Arc::new(Traced { spans: spans.clone(), within: now.with_span(span), tools: Mutex::default() })
        });
        Self { telemetry: telemetry.clone(), decided: Arc::default(), traced }
    }

    /// Who hears of its calls of models.
    pub(crate) fn calls(&self) -> ModelCalls {
        let within = self.traced.as_ref().map(|traced| traced.within.clone()).unwrap_or_default();
        ModelCalls { telemetry: self.telemetry.clone(), within }
    }

    /// What it does, done within it.
    pub(crate) fn during<F: Future>(&self, done: F) -> impl Future<Output = F::Output> + use<F> {
        done.with_context(self.traced.as_ref().map(|traced| traced.within.clone()).unwrap_or_default())
    }

    /// Something happened in it.
    pub(crate) fn happened(&self, event: &TurnEvent) {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let is_tool = match event {
            TurnEvent::ToolDecision { id, .. } if decided.len() < MOST => decided.insert(id.clone()),
            TurnEvent::ToolResult { id, .. } => decided.remove(id),
            _ => false,
        };
        drop(decided);
        self.telemetry.metrics.happened(event, is_tool);
        if let Some(traced) = &self.traced {
            traced.happened(event);
        }
    }

    /// It ended.
    pub(crate) fn ended(&self, failure: Option<&Failure>) {
        self.telemetry.metrics.ended(failure);
        if let Some(traced) = &self.traced {
            let span = traced.within.span();
            if let Some(failure) = failure {
                failed_in(&span, failure.kind.clone());
            }
            span.end();
        }
    }
}

impl Traced {
    fn happened(&self, event: &TurnEvent) {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let at_ms = self.spans.now_ms();
        match event {
            TurnEvent::ToolDecision { id, then, .. } if tools.len() < MOST => {
                tools.insert(id.clone(), Began { at_ms, asks: *then == Action::Ask });
            }
            // The time in which a person was waited for is none of the call's.
            TurnEvent::ApprovalDecided { .. } => {
                tools.values_mut().filter(|began| began.asks).for_each(|began| began.at_ms = at_ms);
            }
            TurnEvent::ToolResult { id, name, failed, denied, .. } => {
                let Some(Began { at_ms: began, .. }) = tools.remove(id) else { return };
                let name = display_safe(name);
                let attributes = vec![
                    KeyValue::new("gen_ai.operation.name", "execute_tool"),
                    KeyValue::new("gen_ai.tool.name", name.clone()),
                    KeyValue::new("gen_ai.tool.type", "function"),
                ];
                let builder = self.spans.builder(format!("execute_tool {name}"), SpanKind::Internal, attributes);
                let moment = |ms| UNIX_EPOCH + Duration::from_millis(ms);
                let builder = builder.with_start_time(moment(began));
                let mut span = self.spans.start(builder, &self.within);
                match (denied, failed) {
                    (Some(_), _) => super::failed(&mut span, "denied".into()),
                    (None, true) => super::failed(&mut span, "tool".into()),
                    (None, false) => {}
                }
                span.end_with_timestamp(moment(at_ms.max(began)));
            }
            _ => {}
        }
    }
}
