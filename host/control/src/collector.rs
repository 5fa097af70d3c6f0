//! The way of spans and metrics to a collector: OTLP over HTTP, through the
//! gate of all that goes out.
//!
//! The SDK keeps what waits on threads of its own: 2,048 spans at most, the rest is dropped and nobody waits. What is sent
//! has a deadline and a bound on the answer. Variables of the environment (`OTEL_…`) lead nowhere: the URL is the
//! operator's, and nothing of the request that the exporter made counts but its body.

use crate::error::{Result, error};
use bytes::Bytes;
use cara_authority::Destination;
use cara_services::egress::{Budget, Egress, EgressLimits};
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Spans that wait at most; one more is dropped.
const WAITING: usize = 2_048;

/// Spans that are sent together.
const TOGETHER: usize = 512;

/// How long spans wait for others.
const DELAY: Duration = Duration::from_secs(5);

/// How often metrics are sent.
pub(crate) const EVERY: Duration = Duration::from_secs(60);

/// How long a collector may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long it may take once the process ends.
pub(crate) const AT_END: Duration = Duration::from_secs(2);

/// The most bytes of an answer.
const MOST: usize = 64 * 1024;

/// What this process is called in metrics and traces.
pub(crate) fn resource(process: &str) -> Resource {
    let attributes = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", process.to_owned()),
    ];
    Resource::builder_empty().with_service_name("cara").with_attributes(attributes).build()
}

/// A collector, and who tells it.
pub(crate) struct Collector {
    /// Its URL, without a slash at the end.
    url: String,
    egress: Egress,
    resource: Resource,
    /// Whether it took nothing last, which is said once.
    failing: Arc<AtomicBool>,
    /// Cancelled when the process ends.
    ending: CancellationToken,
}

impl Collector {
    /// The collector at a URL, which is told of this process.
    pub(crate) fn new(url: &str, egress: Egress, process: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        let (failing, ending) = Default::default();
        Self { url, egress, resource: resource(process), failing, ending }
    }

    /// Is cancelled when the process ends: then less time is left.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// Who tells it.
    pub(crate) fn resource(&self) -> Resource {
        self.resource.clone()
    }

    fn way(&self, path: &str) -> Way {
        let (egress, failing, ending) = (self.egress.clone(), self.failing.clone(), self.ending.clone());
        Way { url: format!("{}{path}", self.url), egress, failing, ending, runtime: Handle::current() }
    }

    /// Keeps spans, and sends them.
    pub(crate) fn spans(&self) -> Result<SdkTracerProvider> {
        let exporter = by(SpanExporter::builder().with_http(), self.way("/v1/traces")).build().map_err(unmade)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_max_export_batch_size(TOGETHER)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        Ok(SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_resource(self.resource())
            .build())
    }

    /// Reads metrics, and sends them.
    pub(crate) fn reader(&self) -> Result<PeriodicReader<MetricExporter>> {
        let exporter = by(MetricExporter::builder().with_http(), self.way("/v1/metrics")).build().map_err(unmade)?;
        Ok(PeriodicReader::builder(exporter).with_interval(EVERY).build())
    }
}

/// An exporter that takes this way. What is not taken is lost: whoever sends it again would have more and more that waits.
fn by<B: WithExportConfig + WithHttpConfig>(exporter: B, way: Way) -> B {
    let exporter = exporter.with_endpoint(&way.url).with_protocol(Protocol::HttpBinary).with_timeout(DEADLINE);
    exporter.with_retry_policy(RetryPolicy::default().with_max_retries(0)).with_http_client(way)
}

fn unmade(error: impl fmt::Display) -> crate::error::Error {
    error!(Internal, "traces and metrics cannot be sent: {error}\nhint: `cara config get telemetry.otlp`")
}

/// The way to one path of a collector.
struct Way {
    url: String,
    egress: Egress,
    failing: Arc<AtomicBool>,
    ending: CancellationToken,
    /// The threads of the SDK are none of this runtime.
    runtime: Handle,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Way({})", self.url)
    }
}

#[async_trait::async_trait]
impl HttpClient for Way {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let (egress, url, ending) = (self.egress.clone(), self.url.clone(), self.ending.clone());
        let body = request.into_body();
        let sent = self.runtime.spawn(async move {
            let late = async {
                ending.cancelled().await;
                tokio::time::sleep(AT_END).await;
            };
            tokio::select! {
                sent = sent(&egress, &url, body) => sent,
                () = late => Err(HttpError::from("the process ends")),
            }
        });
        let sent = sent.await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| sent);
        let failed = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(why) if !was_failing => {
                tracing::warn!(why, "the collector takes no traces and metrics; some are lost")
            }
            None if was_failing => tracing::info!("the collector takes traces and metrics again"),
            _ => {}
        }
        sent
    }
}

async fn sent(egress: &Egress, url: &str, body: Bytes) -> std::result::Result<Response<Bytes>, HttpError> {
    let budget = Arc::new(Budget::new((body.len() + 2 * MOST) as u64));
    let (connect, first_byte, between_bytes, total) = (DEADLINE / 2, DEADLINE, DEADLINE, DEADLINE);
    let limits = EgressLimits { connect, first_byte, between_bytes, total, budget };
    let mut request = Request::new(Full::new(body));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let answer = egress.send(Destination::named(&Method::POST, url)?, request, &[], &limits).await?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, MOST).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
