//! A call of a model, as a span and as metrics: who was asked, how long it
//! took, how many tokens; no word of it.

use super::model_names::answered;
use super::{Attributes, Telemetry, failed};
use crate::metrics::{Metrics, ModelCalled};
use cara_assistant::Failure;
use cara_assistant::observed::{ObservedCall, Observer};
use cara_authority::ComponentId;
use cara_kernel::bindings::provider::{Outcome, StopReason};
use cara_kernel::bindings::turn::Event;
use opentelemetry::trace::{Span as _, SpanKind};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::Span;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;

/// Who is asked for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An answer.
    Chat,
    /// Vectors.
    Embeddings,
}

impl Operation {
    /// As the conventions call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

/// Hears of the calls of a run.
pub(crate) struct ModelCalls {
    pub(super) telemetry: Telemetry,
    pub(super) within: Context,
}

impl ModelCalls {
    /// A model is asked.
    pub(crate) fn begin(&self, operation: Operation, component: &ComponentId, model: &str) -> ModelCall {
        let shown = self.telemetry.models.shown(component, model);
        let span = self.telemetry.spans.as_ref().map(|spans| {
            let attributes = vec![
                KeyValue::new("gen_ai.operation.name", operation.name()),
                KeyValue::new("gen_ai.provider.name", component.to_string()),
                KeyValue::new("gen_ai.request.model", shown.clone()),
            ];
            spans.begin(format!("{} {shown}", operation.name()), SpanKind::Client, attributes, &self.within)
        });
        ModelCall {
            metrics: self.telemetry.metrics.clone(),
            span,
            operation,
            component: component.clone(),
            model: shown,
            began: Instant::now(),
            first: None,
            usage: None,
            is_over: false,
        }
    }
}

impl Observer for ModelCalls {
    fn asks(&self, component: &ComponentId, model: &str) -> Box<dyn ObservedCall> {
        Box::new(self.begin(Operation::Chat, component, model))
    }
}

/// One call. Dropped before it ended, its caller gave it up.
pub(crate) struct ModelCall {
    metrics: Metrics,
    span: Option<Span>,
    operation: Operation,
    component: ComponentId,
    /// The model, as it is shown.
    model: String,
    began: Instant,
    /// How long until something of the answer came.
    first: Option<Duration>,
    usage: Option<(u64, u64)>,
    is_over: bool,
}

impl ModelCall {
    /// The vendor's count of tokens.
    pub(crate) fn used(&mut self, input: u64, output: u64) {
        self.usage = Some((input, output));
    }

    /// The call ended: without an error, or with one of this kind.
    pub(crate) fn over(&mut self, model: Option<&str>, stop: Option<StopReason>, error: Option<Cow<'static, str>>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let took = self.began.elapsed();
        self.metrics.called(&ModelCalled {
            operation: self.operation.name(),
            component: self.component.as_str(),
            model: &self.model,
            took,
            first: self.first,
            usage: self.usage,
            error: error.clone(),
        });
        let Some(mut span) = self.span.take() else { return };
        if let Some(model) = model {
            span.set_attribute(KeyValue::new("gen_ai.response.model", answered(&self.model, model)));
        }
        if let Some(stop) = stop {
            let reasons = Array::String(vec![StringValue::from(reason(stop))]);
            span.set_attribute(KeyValue::new("gen_ai.response.finish_reasons", Value::Array(reasons)));
        }
        if let Some((input, output)) = self.usage {
            span.set_attribute(KeyValue::new("gen_ai.usage.input_tokens", input.attribute()));
            if self.operation == Operation::Chat {
                span.set_attribute(KeyValue::new("gen_ai.usage.output_tokens", output.attribute()));
            }
        }
        if let Some(first) = self.first {
            span.set_attribute(KeyValue::new("gen_ai.response.time_to_first_chunk", first.as_secs_f64()));
        }
        if let Some(error) = error {
            failed(&mut span, error);
        }
        span.end();
    }
}

impl ObservedCall for ModelCall {
    fn came(&mut self, event: &Event) {
        if let Event::Usage(tokens) = event {
            self.usage = Some((tokens.input, tokens.output));
        } else if self.first.is_none() {
            self.first = Some(self.began.elapsed());
        }
    }

    fn ended(&mut self, answered: Result<&Outcome, &Failure>) {
        match answered {
            Ok(outcome) => self.over(Some(&outcome.model), Some(outcome.stop), None),
            Err(failure) => self.over(None, None, Some(failure.kind.clone())),
        }
    }
}

impl Drop for ModelCall {
    fn drop(&mut self) {
        self.over(None, None, Some("cancelled".into()));
    }
}

fn reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Complete | StopReason::StopSequence => "stop",
        StopReason::ToolCalls => "tool_calls",
        StopReason::Length => "length",
        StopReason::Refused => "content_filter",
    }
}
