//! Traces and metrics by OTLP: who did what for how long, as the conventions
//! of OpenTelemetry have it, and no word of what was said.

use super::doors::Holder;
use super::home::{CLOCK, Home};
use super::listen::listening;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a person says, and what no collector may hear.
const CANARY: &str = "canary-prompt-7Q";

/// The trace of whoever asks.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Paths and bodies that were sent.
type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Who takes traces and metrics.
struct Collector {
    url: String,
    taken: Taken,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Taken::default();
        let into = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, into) = (stream.unwrap(), into.clone());
                std::thread::spawn(move || {
                    let Some(request) = request(&mut stream) else { return };
                    into.lock().unwrap().push(request);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                });
            }
        });
        Self { url, taken }
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let traces = taken.iter().filter(|(path, _)| path == "/v1/traces");
        let requests = traces.map(|(_, body)| ExportTraceServiceRequest::decode(&body[..]).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The sets of labels of each metric, as they came last.
    fn metrics(&self) -> BTreeMap<String, BTreeSet<String>> {
        let taken = self.taken.lock().unwrap();
        let metrics = taken.iter().filter(|(path, _)| path == "/v1/metrics");
        let requests = metrics.map(|(_, body)| ExportMetricsServiceRequest::decode(&body[..]).unwrap());
        let scopes = requests.flat_map(|request| request.resource_metrics).flat_map(|metrics| metrics.scope_metrics);
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let sets: Vec<Vec<KeyValue>> = match metric.data.unwrap() {
                Data::Histogram(all) => all.data_points.into_iter().map(|point| point.attributes).collect(),
                Data::Sum(all) => all.data_points.into_iter().map(|point| point.attributes).collect(),
                Data::Gauge(all) => all.data_points.into_iter().map(|point| point.attributes).collect(),
                other => panic!("{other:?}"),
            };
            let shown = sets.iter().map(|set| {
                let all: Vec<String> = attributes(set).iter().map(|(key, value)| format!("{key}={value}")).collect();
                all.join(" ")
            });
            found.entry(metric.name).or_default().extend(shown);
        }
        found
    }
}

fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if bytes.len() - end - 4 >= length.parse().unwrap() {
                assert!(head.contains("content-type: application/x-protobuf"), "{head}");
                return Some((head.split(' ').nth(1).unwrap().to_owned(), bytes[end + 4..].to_vec()));
            }
        }
        match stream.read(&mut part).unwrap() {
            0 => return None,
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let shown = |value: &KeyValue| match value.value.as_ref().and_then(|value| value.value.as_ref()).unwrap() {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        Any::DoubleValue(_) => "number".to_owned(),
        other => format!("{other:?}"),
    };
    of.iter().map(|value| (value.key.clone(), shown(value))).collect()
}

/// Asks a model over TCP, within the trace.
fn asks(address: &str, token: &str, model: &str) -> String {
    let body = format!(
        "{{\"model\":\"{model}\",\"max_tokens\":50,\"messages\":[{{\"role\":\"user\",\"content\":\"{CANARY} two\"}}]}}"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn token(home: &Home, name: &str, scopes: &str) -> String {
    home.ok(&["token", "create", name, "--scope", scopes]).trim().to_owned()
}

#[test]
fn spans_and_metrics_have_the_names_of_the_conventions_and_no_word_of_what_was_said() {
    let (home, collector) = (Home::new(), Collector::new());
    let script =
        "order = 'any'\\n[[turn]]\\nstep = [{ text = 'canary-answer-7Q' }, { usage = { input = 11, output = 3 } }]\\n";
    home.configure(&format!(
        "[chat]\nmodel = \"rehearsal:script\"\n[gateway]\nlisten = [\"127.0.0.1:0\"]\n[telemetry]\notlp = \"{}\"\n[component.rehearsal.settings]\nscript = \"{script}\"",
        collector.url
    ));
    let mut holder = Holder::of(&home);
    let (operator, talker) = (token(&home, "operator", "chat,operate"), token(&home, "talker", "chat"));
    home.chat(CLOCK, CANARY, &[]);
    let address = listening(&home);
    for token in [&operator, &talker] {
        let answer = asks(&address, token, "rehearsal:script");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("canary-answer-7Q"), "{answer}");
    }
    let unknown = asks(&address, &talker, "rehearsal:canary-model-7Q");
    assert!(unknown.starts_with("HTTP/1.1"), "{unknown}");
    home.ok(&["stop"]);
    // What waits is sent when its doors are closed.
    assert!(holder.0.wait().unwrap().success());

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    // The run, and what it did, below the request that began it.
    let run = named("invoke_agent main");
    let run = run.first().unwrap_or_else(|| panic!("{names:?}"));
    let began = named("POST /control/v1/runs");
    assert_eq!((&run.parent_span_id, &run.trace_id), (&began[0].span_id, &began[0].trace_id), "{names:?}");
    let of = attributes(&run.attributes);
    assert_eq!((&*of["gen_ai.operation.name"], &*of["gen_ai.agent.name"]), ("invoke_agent", "main"));
    assert!(of["gen_ai.conversation.id"].starts_with("s-"));
    let tool = named("execute_tool time_now");
    assert_eq!((&tool[0].parent_span_id, tool.len()), (&run.span_id, 1), "{names:?}");
    assert_eq!(attributes(&tool[0].attributes)["gen_ai.tool.name"], "time_now");
    assert!(tool[0].end_time_unix_nano >= tool[0].start_time_unix_nano);
    let chats = named("chat script");
    let within = chats.iter().filter(|span| span.parent_span_id == run.span_id).count();
    assert_eq!(within, 2, "one asks for the tool, one answers: {names:?}");

    // Calls of programs: the trace of whoever operates is taken, that of who only talks is not.
    let requests = named("POST /v1/chat/completions");
    assert_eq!(requests.len(), 3, "{names:?}");
    let taken: Vec<&&Span> = requests.iter().filter(|span| hex::encode(&span.trace_id) == TRACE).collect();
    assert_eq!(taken.len(), 1, "{names:?}");
    assert_eq!(hex::encode(&taken[0].parent_span_id), "b7ad6b7169203331");
    let of = attributes(&taken[0].attributes);
    assert_eq!((&*of["http.request.method"], &*of["http.response.status_code"]), ("POST", "200"));
    let call = chats.iter().find(|span| span.parent_span_id == taken[0].span_id).unwrap();
    let of = attributes(&call.attributes);
    let wanted = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "rehearsal"),
        ("gen_ai.request.model", "script"),
        ("gen_ai.response.model", "script"),
        ("gen_ai.usage.input_tokens", "11"),
        ("gen_ai.usage.output_tokens", "3"),
        ("gen_ai.response.time_to_first_chunk", "number"),
    ];
    for (key, value) in wanted {
        assert_eq!(of.get(key).map(String::as_str), Some(value), "{key}: {of:?}");
    }

    let metrics = collector.metrics();
    let tokens = &metrics["gen_ai.client.token.usage"];
    let labels = "gen_ai.operation.name=chat gen_ai.provider.name=rehearsal gen_ai.request.model=script";
    for kind in ["input", "output"] {
        assert!(tokens.contains(&format!("{labels} gen_ai.token.type={kind}")), "{tokens:?}");
    }
    for name in ["gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk"] {
        assert!(metrics[name].contains(labels), "{name}: {:?}", metrics[name]);
    }
    for name in ["http.server.request.duration", "cara.runs", "process.memory.usage", "cara.components"] {
        assert!(metrics.contains_key(name), "{name}: {:?}", metrics.keys());
    }

    let taken = collector.taken.lock().unwrap();
    let secrets = [operator.as_str(), talker.as_str(), "Europe/Oslo", "It is late", "canary-prompt", "canary-answer"];
    for (path, body) in taken.iter() {
        let text = String::from_utf8_lossy(body);
        for word in secrets {
            assert!(!text.contains(word), "`{word}` was sent to {path}");
        }
        // A name that nobody but a client gave may be any text: it is in no span and no label.
        assert!(!text.contains("canary-model"), "{path}");
    }
}

#[test]
fn a_collector_that_never_answers_holds_up_nothing() {
    let home = Home::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    home.configure(&format!("[telemetry]\notlp = \"http://{}\"", listener.local_addr().unwrap()));
    let mut holder = Holder::of(&home);
    home.chat(CLOCK, "what time is it?", &[]);
    let began = Instant::now();
    home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let log = std::fs::read_to_string(home.path("logs/cara.log")).unwrap();
    assert!(log.contains("the collector takes no traces and metrics"), "{log}");
    drop(listener);
}

#[test]
fn a_collector_that_may_not_be_reached_is_refused() {
    let home = Home::new();
    for url in ["http://example.com:4318", "http://10.0.0.1:4318", "ftp://127.0.0.1", "http://127.0.0.1:4318?a=b", "x"]
    {
        home.configure(&format!("[telemetry]\notlp = \"{url}\""));
        let told = home.fails(&["config", "check"]);
        assert!(told.contains("`telemetry.otlp`"), "{url}: {told}");
    }
}
