//! What is counted and measured, for whoever watches the daemon: no content,
//! and only labels of which there are few.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions where there are any: `gen_ai.*`, `http.*`,
//! `process.*`. Prometheus reads them from `/metrics`.

use crate::collector::{self, Collector};
use crate::error::{Result, error};
use cara_assistant::{Failure, TurnEvent};
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry::{KeyValue, StringValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::Registry;
use std::borrow::Cow;
use std::time::Duration;

/// How many sets of labels one instrument has at most; what else comes is counted together.
const SETS: usize = 256;

/// Where answers and requests are counted by their length, seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// Where calls of models are counted by their length, seconds: the steps of the conventions.
const CALLS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// Where calls of models are counted by the time until something came, seconds.
const FIRST: [f64; 12] = [0.001, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Where calls of models are counted by their tokens: the steps of the conventions.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The methods that are counted by their names.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// A method as it is counted: one of HTTP's own, or `_OTHER`.
pub fn method_name(method: &http::Method) -> &'static str {
    METHODS.into_iter().find(|name| method == *name).unwrap_or("_OTHER")
}

/// All instruments. A clone is the same.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) registry: Registry,
    /// Dropped, it counts nothing any more.
    provider: SdkMeterProvider,
    requests: Histogram<f64>,
    tokens: Histogram<u64>,
    calls: Histogram<f64>,
    first: Histogram<f64>,
    runs: Counter<u64>,
    tool_calls: Counter<u64>,
    approvals: Counter<u64>,
    pub(crate) active: Gauge<u64>,
    pub(crate) waiting: Gauge<u64>,
    pub(crate) messages: Gauge<u64>,
    pub(crate) components: Gauge<u64>,
    pub(crate) memory: Gauge<u64>,
    pub(crate) uptime: Gauge<f64>,
}

/// A request that was answered.
pub struct Answered<'a> {
    /// The method, if it is one of HTTP's own.
    pub method: &'a http::Method,
    /// The path with its arguments as names; none for what leads nowhere.
    pub route: Option<&'a str>,
    /// The status.
    pub status: http::StatusCode,
    /// How long it took until the answer began.
    pub took: Duration,
}

/// A call of a model that ended.
pub(crate) struct ModelCalled<'a> {
    /// What was asked for: `chat`, `embeddings`.
    pub(crate) operation: &'static str,
    /// The provider.
    pub(crate) component: &'a str,
    /// The model, as it is shown: a program may name any.
    pub(crate) model: &'a str,
    /// How long it took.
    pub(crate) took: Duration,
    /// How long until something of the answer came.
    pub(crate) first: Option<Duration>,
    /// Tokens in and out, where the vendor counts them.
    pub(crate) usage: Option<(u64, u64)>,
    /// The kind of its failure.
    pub(crate) error: Option<Cow<'static, str>>,
}

pub(crate) fn failed(what: impl std::fmt::Display) -> crate::error::Error {
    error!(Internal, "the metrics cannot be counted: {what}")
}

impl Metrics {
    /// Nothing is counted yet. A collector is sent what Prometheus would read.
    pub(crate) fn new(collector: Option<&Collector>, process: &str) -> Result<Self> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().map_err(failed)?;
        let view = |_: &Instrument| Stream::builder().with_cardinality_limit(SETS).build().ok();
        let mut provider =
            SdkMeterProvider::builder().with_reader(reader).with_view(view).with_resource(collector::resource(process));
        if let Some(collector) = collector {
            provider = provider.with_reader(collector.reader()?);
        }
        let provider = provider.build();
        let meter = provider.meter("cara");
        let counter = |name, says| meter.u64_counter(name).with_description(says).build();
        let gauge = |name, says| meter.u64_gauge(name).with_description(says).build();
        let seconds = |name, says, steps: &[f64]| {
            let histogram = meter.f64_histogram(name).with_description(says).with_unit("s");
            histogram.with_boundaries(steps.to_vec()).build()
        };
        let tokens = meter
            .u64_histogram("gen_ai.client.token.usage")
            .with_description("Tokens of calls of models, in and out.")
            .with_unit("{token}")
            .with_boundaries(TOKENS.to_vec())
            .build();
        let says = "From a request to the beginning of its answer.";
        let requests = seconds("http.server.request.duration", says, &SECONDS);
        let calls = seconds("gen_ai.client.operation.duration", "How long calls of models take.", &CALLS);
        let says = "From the call of a model to the first of its answer.";
        let first = seconds("gen_ai.client.operation.time_to_first_chunk", says, &FIRST);
        Ok(Self {
            requests,
            tokens,
            calls,
            first,
            runs: counter("cara.runs", "Runs that ended, by how."),
            tool_calls: counter("cara.tool.calls", "Calls of tools, by tool and outcome."),
            approvals: counter("cara.approvals", "Requests to people that were decided, by outcome."),
            active: gauge("cara.runs.active", "Runs that go on."),
            waiting: gauge("cara.approvals.waiting", "Requests that wait for a person."),
            messages: gauge("cara.messages", "Messages of channels, by box and state."),
            components: gauge("cara.components", "Components, by condition."),
            memory: meter.u64_gauge("process.memory.usage").with_unit("By").build(),
            uptime: meter.f64_gauge("process.uptime").with_unit("s").build(),
            registry,
            provider,
        })
    }

    /// A request was answered.
    pub fn answered(&self, answered: &Answered<'_>) {
        let labels = [
            KeyValue::new("http.request.method", method_name(answered.method)),
            KeyValue::new("http.route", answered.route.unwrap_or("_OTHER").to_owned()),
            KeyValue::new("http.response.status_code", i64::from(answered.status.as_u16())),
        ];
        self.requests.record(answered.took.as_secs_f64(), &labels);
    }

    /// Something happened in a run; `is_tool`: a call that it tells of was one of a tool that there is.
    pub(crate) fn happened(&self, event: &TurnEvent, is_tool: bool) {
        match event {
            TurnEvent::ToolResult { name, failed, denied, .. } => {
                let outcome = match (denied, failed) {
                    (Some(_), _) => "denied",
                    (None, true) => "failed",
                    (None, false) => "done",
                };
                // What no tool is called is any text of a model.
                let name = if is_tool { name.clone() } else { "_OTHER".to_owned() };
                let labels = [KeyValue::new("gen_ai.tool.name", name), KeyValue::new("outcome", outcome)];
                self.tool_calls.add(1, &labels);
            }
            TurnEvent::ApprovalDecided { allowed, .. } => {
                let outcome = if *allowed { "allowed" } else { "denied" };
                self.approvals.add(1, &[KeyValue::new("outcome", outcome)]);
            }
            _ => {}
        }
    }

    /// A call of a model ended.
    pub(crate) fn called(&self, called: &ModelCalled<'_>) {
        let mut labels = vec![
            KeyValue::new("gen_ai.operation.name", called.operation),
            KeyValue::new("gen_ai.provider.name", called.component.to_owned()),
            KeyValue::new("gen_ai.request.model", called.model.to_owned()),
        ];
        if let Some((input, output)) = called.usage {
            let kinds = [("input", input), ("output", output)];
            for (kind, count) in kinds.into_iter().take(if called.operation == "chat" { 2 } else { 1 }) {
                labels.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(count, &labels);
                labels.pop();
            }
        }
        if let Some(first) = called.first {
            self.first.record(first.as_secs_f64(), &labels);
        }
        labels.extend(called.error.clone().map(|kind| KeyValue::new("error.type", Value::String(kind.into()))));
        self.calls.record(called.took.as_secs_f64(), &labels);
    }

    /// Gives out what was counted a last time, to whom it is sent.
    pub(crate) fn end(&self, most: Duration) -> OTelSdkResult {
        self.provider.shutdown_with_timeout(most)
    }

    /// A run ended.
    pub(crate) fn ended(&self, failure: Option<&Failure>) {
        let kind: StringValue = failure.map_or("".into(), |failure| failure.kind.to_string().into());
        let outcome = if failure.is_some() { "failed" } else { "done" };
        self.runs.add(1, &[KeyValue::new("outcome", outcome), KeyValue::new("error.type", Value::String(kind))]);
    }
}
