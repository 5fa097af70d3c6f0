//! Traces, by the conventions of OpenTelemetry: who did what for how long, in
//! spans; with no content.
//!
//! ```text
//! request ─→ RequestSpan ─┬→ WatchedRun: invoke_agent ─┬→ ModelCall: chat
//!   (traceparent)         │                            └→ execute_tool
//!                         └→ ModelCall: chat, embeddings
//!                                    └─→ queue ─→ export ─→ egress ─→ collector
//! ```
//!
//! Without a collector no span is made. Prompts, answers, arguments, results, paths of URLs, names of people are in none.

use crate::collector::{AT_END, Collector};
use crate::error::Result;
use crate::metrics::Metrics;
use cara_services::clock::Clock;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    FutureExt, Span as _, SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use run::{Runner, WatchedRun};
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use tokio_util::sync::CancellationToken;

pub(crate) mod model_call;
mod model_names;
pub(crate) mod run;

use model_call::ModelCalls;
use model_names::ModelNames;

/// What is told of what goes on. A clone is the same.
#[derive(Clone)]
pub struct Telemetry {
    metrics: Metrics,
    spans: Option<Spans>,
    /// Which names of models are told.
    pub(crate) models: ModelNames,
}

/// Where spans begin.
#[derive(Clone)]
pub(crate) struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    clock: Clock,
    /// Cancelled when the process ends.
    ending: CancellationToken,
}

/// A request, as its span has it.
pub struct Request<'a> {
    /// The method.
    pub method: &'static str,
    /// The path with its arguments as names; none for what leads nowhere.
    pub route: Option<&'a str>,
    /// The `traceparent` that came with it, where whoever asks may say to which trace it belongs.
    pub traceparent: Option<&'a str>,
}

/// The span of a request.
pub struct RequestSpan(Option<Context>);

fn failed(span: &mut Span, kind: Cow<'static, str>) {
    span.set_attribute(KeyValue::new("error.type", Value::String(kind.into())));
    span.set_status(Status::error(""));
}

fn failed_in(span: &SpanRef<'_>, kind: Cow<'static, str>) {
    span.set_attribute(KeyValue::new("error.type", Value::String(kind.into())));
    span.set_status(Status::error(""));
}

/// A number as attributes have it.
trait Attributes {
    fn attribute(self) -> i64;
}

impl Attributes for u64 {
    fn attribute(self) -> i64 {
        i64::try_from(self).unwrap_or(i64::MAX)
    }
}

/// The same work, as a part of what is done now, wherever it is done.
pub fn within_this<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_current_context()
}

impl Spans {
    pub(crate) fn new(collector: &Collector, clock: Clock) -> Result<Self> {
        let (provider, ending) = (collector.spans()?, collector.ending());
        let tracer = provider.tracer("cara");
        Ok(Self { provider, tracer, clock, ending })
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn builder(&self, name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> SpanBuilder {
        self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes)
    }

    fn start(&self, builder: SpanBuilder, within: &Context) -> Span {
        self.tracer.build_with_context(builder, within)
    }

    fn begin(&self, name: String, kind: SpanKind, attributes: Vec<KeyValue>, within: &Context) -> Span {
        self.start(self.builder(name, kind, attributes), within)
    }
}

impl Telemetry {
    pub(crate) fn new(metrics: Metrics, spans: Option<Spans>) -> Self {
        Self { metrics, spans, models: ModelNames::default() }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether somebody is told of traces.
    pub fn is_traced(&self) -> bool {
        self.spans.is_some()
    }

    /// A request begins.
    pub fn request(&self, request: &Request<'_>) -> RequestSpan {
        let Some(spans) = &self.spans else { return RequestSpan(None) };
        let parent = request.traceparent.map(|parent| HashMap::from([("traceparent".to_owned(), parent.to_owned())]));
        let parent =
            parent.map(|carrier| TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier));
        let route = request.route.unwrap_or("_OTHER");
        let attributes =
            vec![KeyValue::new("http.request.method", request.method), KeyValue::new("http.route", route.to_owned())];
        let name = format!("{} {route}", request.method);
        let within = parent.unwrap_or_default();
        let span = spans.begin(name, SpanKind::Server, attributes, &within);
        RequestSpan(Some(Context::new().with_span(span)))
    }

    /// A run begins, within what is done now.
    pub(crate) fn run(&self, runner: &Runner<'_>) -> WatchedRun {
        WatchedRun::begin(self, runner)
    }

    /// Who hears of calls of models within what is done now.
    pub(crate) fn calls(&self) -> ModelCalls {
        ModelCalls { telemetry: self.clone(), within: Context::current() }
    }

    /// Sends what waits, for a while, and nothing from then on.
    pub(crate) async fn end(&self) {
        let (spans, metrics) = (self.spans.clone(), self.metrics.clone());
        let Some(spans) = spans else { return };
        spans.ending.cancel();
        let ended = tokio::task::spawn_blocking(move || {
            let spans = spans.provider.shutdown_with_timeout(AT_END);
            spans.and(metrics.end(AT_END))
        });
        if let Ok(Err(error)) = ended.await {
            tracing::warn!(%error, "not all traces and metrics were sent");
        }
    }
}

impl RequestSpan {
    /// What is done to answer, done within the span.
    pub fn during<F: Future>(&self, answer: F) -> impl Future<Output = F::Output> + use<F> {
        answer.with_context(self.0.clone().unwrap_or_default())
    }

    /// The answer began.
    pub fn answered(self, status: http::StatusCode) {
        let Some(within) = self.0 else { return };
        let span = within.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            failed_in(&span, status.as_str().to_owned().into());
        }
        span.end();
    }
}
