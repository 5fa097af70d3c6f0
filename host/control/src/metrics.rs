//! What is counted and measured, for whoever watches the daemon: no content,
//! and only labels of which there are few.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions where there are any: `gen_ai.*`, `http.*`,
//! `process.*`. Prometheus reads them from `/metrics`.

use crate::error::{Result, error};
use cara_assistant::{Failure, TurnEvent};
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry::{KeyValue, StringValue, Value};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::Registry;
use std::time::Duration;

/// How many sets of labels one instrument has at most; what else comes is counted together.
const SETS: usize = 256;

/// Where answers and requests are counted by their length, seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// All instruments. A clone is the same.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) registry: Registry,
    /// Dropped, it counts nothing any more.
    _provider: SdkMeterProvider,
    requests: Histogram<f64>,
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

pub(crate) fn failed(what: impl std::fmt::Display) -> crate::error::Error {
    error!(Internal, "the metrics cannot be counted: {what}")
}

impl Metrics {
    /// Nothing is counted yet.
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().map_err(failed)?;
        let view = |_: &Instrument| Stream::builder().with_cardinality_limit(SETS).build().ok();
        let provider = SdkMeterProvider::builder().with_reader(reader).with_view(view).build();
        let meter = provider.meter("cara");
        let counter = |name, says| meter.u64_counter(name).with_description(says).build();
        let gauge = |name, says| meter.u64_gauge(name).with_description(says).build();
        let requests = meter
            .f64_histogram("http.server.request.duration")
            .with_description("From a request to the beginning of its answer.")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .build();
        Ok(Self {
            requests,
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
            _provider: provider,
        })
    }

    /// A request was answered.
    pub fn answered(&self, answered: &Answered<'_>) {
        const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
        let method = METHODS.into_iter().find(|method| answered.method == *method).unwrap_or("_OTHER");
        let labels = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", answered.route.unwrap_or("_OTHER").to_owned()),
            KeyValue::new("http.response.status_code", i64::from(answered.status.as_u16())),
        ];
        self.requests.record(answered.took.as_secs_f64(), &labels);
    }

    /// Something happened in a run.
    pub(crate) fn happened(&self, event: &TurnEvent) {
        match event {
            TurnEvent::ToolResult { name, failed, denied, .. } => {
                let outcome = match (denied, failed) {
                    (Some(_), _) => "denied",
                    (None, true) => "failed",
                    (None, false) => "done",
                };
                let labels = [KeyValue::new("gen_ai.tool.name", name.clone()), KeyValue::new("outcome", outcome)];
                self.tool_calls.add(1, &labels);
            }
            TurnEvent::ApprovalDecided { allowed, .. } => {
                let outcome = if *allowed { "allowed" } else { "denied" };
                self.approvals.add(1, &[KeyValue::new("outcome", outcome)]);
            }
            _ => {}
        }
    }

    /// A run ended.
    pub(crate) fn ended(&self, failure: Option<&Failure>) {
        let kind: StringValue = failure.map_or("".into(), |failure| failure.kind.to_string().into());
        let outcome = if failure.is_some() { "failed" } else { "done" };
        self.runs.add(1, &[KeyValue::new("outcome", outcome), KeyValue::new("error.type", Value::String(kind))]);
    }
}
