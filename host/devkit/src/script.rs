//! Scripted worlds: what `cara plugin test` reads and plays
//! (docs/plugin-tests.md).

use crate::error::{DevkitError, listed};
use crate::subject::{Outside, Secrets, Subject, asked, context};
use crate::testnet::{Exchange, Expected, Testnet, reply};
use cara_authority::{Capability, Refusal, Rule, ServiceGrant};
use cara_kernel::bindings::approvals::{Decision, Question};
use cara_kernel::bindings::turn::Event;
use cara_kernel::bindings::types::{Content, Error, ErrorKind, Usage};
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{Approvals, Fault, HostServices};
use http::header::{InvalidHeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The largest file of tests.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The tests, in the order in which they are played.
    #[serde(rename = "test")]
    pub tests: Vec<Test>,
}

/// One call in one world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Test {
    /// What is tried, in a sentence.
    pub name: String,
    // The call.
    tool: Option<String>,
    arguments: Option<Value>,
    prompt: Option<String>,
    model: Option<String>,
    // The world.
    #[serde(default)]
    settings: BTreeMap<String, Value>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    state: BTreeMap<String, String>,
    #[serde(default)]
    withhold: Vec<String>,
    #[serde(default)]
    approvals: Vec<Answer>,
    #[serde(default)]
    http: Vec<Http>,
    // What has to come of it.
    answer: Option<String>,
    #[serde(default)]
    contains: Vec<String>,
    error: Option<String>,
    stop: Option<String>,
    usage: Option<Tokens>,
    #[serde(default)]
    state_after: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Allow,
    Deny,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    input: u64,
    output: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Http {
    request: String,
    #[serde(default)]
    has_headers: BTreeMap<String, String>,
    has_body: Option<String>,
    has_json: Option<Value>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<Value>,
}

fn ok() -> u16 {
    200
}

/// What came of a call.
struct Came {
    text: String,
    error: Option<Error>,
    stop: Option<String>,
    usage: Option<Usage>,
}

/// Plays one test; `Ok` has what was not as it should be.
pub async fn play(subject: &Subject, test: &Test) -> Result<Vec<String>, DevkitError> {
    let exchanges = test.http.iter().map(Http::exchange).collect::<Result<_, _>>()?;
    let stage = Testnet::new(exchanges)?;
    let person = Arc::new(Person(Mutex::new(test.approvals.iter().copied().collect())));
    let asking = HostServices { approvals: Some(person.clone()), ..HostServices::default() };
    let outside = Outside::new(&stage, Secrets::These(test.secrets.clone()), asking)?;
    let settings = subject.settings(&test.settings)?;
    let mut granted = subject.requested(&settings);
    for text in &test.withhold {
        let withheld = Capability::parse(text)?;
        let before = granted.len();
        granted.retain(|wish| *wish != withheld);
        if granted.len() == before {
            let requested = listed(granted.iter().map(ToString::to_string));
            return Err(DevkitError::NotRequested { withheld: text.clone(), requested });
        }
    }
    let grants = subject.grants(&settings, &granted);
    if !test.state.is_empty() || !test.state_after.is_empty() {
        let all = subject.grants(&settings, &subject.requested(&settings));
        let state = outside.services.ledger.state(&all)?;
        for (key, value) in &test.state {
            state.put(key, value.as_bytes(), None).await?;
        }
    }
    let came = match (&test.tool, &test.prompt) {
        (Some(tool), None) => {
            let tools = subject.manifest().tools();
            let unknown = || DevkitError::UnknownTool {
                tool: tool.clone(),
                known: listed(tools.iter().map(|known| known.name.to_string())),
            };
            let tool = tools.iter().find(|known| known.name.as_str() == tool).ok_or_else(unknown)?;
            let arguments = test.arguments.clone().unwrap_or_else(|| serde_json::json!({}));
            let call = subject.call(tool, &arguments)?;
            let called = subject.component.call_tool(&grants, &outside.services, &call, context()).await;
            came(called.map(|called| called.answer.map(|content| Came::told(text(&content)))))
        }
        (None, Some(prompt)) => {
            let model = test.model.clone().unwrap_or_else(|| subject.default_model());
            let (sender, events) = mpsc::channel(EVENTS_AHEAD);
            let listening = tokio::spawn(listen(events));
            let called = subject.component.complete(&grants, &outside.services, asked(model, prompt), sender).await;
            let (text, usage) = listening.await?;
            came(called.map(|called| {
                called.answer.map(|outcome| {
                    let stop = Some(words(&format!("{:?}", outcome.stop)));
                    Came { stop, usage, ..Came::told(text) }
                })
            }))
        }
        _ => return Err(DevkitError::Call),
    };
    let mut findings = match came {
        Ok(came) => test.compare(&came),
        Err(fault) => vec![fault],
    };
    findings.extend(stage.findings());
    findings.extend(person.left());
    if !test.state_after.is_empty() {
        let all = subject.grants(&settings, &subject.requested(&settings));
        let state = outside.services.ledger.state(&all)?;
        for (key, wanted) in &test.state_after {
            let found = state.get(key).await?.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
            if found.as_ref() != Some(wanted) {
                let found = found.map_or("nothing".into(), |found| format!("`{found}`"));
                findings.push(format!("it keeps {found} under `{key}`, not `{wanted}`"));
            }
        }
    }
    Ok(findings)
}

fn came(called: Result<Result<Came, Error>, Fault>) -> Result<Came, String> {
    match called {
        Ok(Ok(came)) => Ok(came),
        Ok(Err(error)) => Ok(Came { error: Some(error), ..Came::told(String::new()) }),
        Err(fault) => Err(fault.cause().to_string()),
    }
}

async fn listen(mut events: mpsc::Receiver<Event>) -> (String, Option<Usage>) {
    let (mut text, mut usage) = (String::new(), None);
    while let Some(event) = events.recv().await {
        match event {
            Event::Text(more) => text.push_str(&more),
            Event::Usage(tokens) => usage = Some(tokens),
            _ => {}
        }
    }
    (text, usage)
}

fn text(content: &[Content]) -> String {
    let texts = content.iter().filter_map(|content| match content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// `RateLimit` as the contract writes it: `rate-limit`.
fn words(name: &str) -> String {
    let name = name.rsplit("::").next().unwrap_or(name);
    let mut words = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn kind(kind: ErrorKind) -> String {
    words(&format!("{kind:?}"))
}

impl Came {
    fn told(text: String) -> Self {
        Self { text, error: None, stop: None, usage: None }
    }
}

impl Test {
    /// Whether it says what has to come of the call.
    pub fn expects(&self) -> bool {
        self.answer.is_some() || !self.contains.is_empty() || self.error.is_some()
    }

    fn compare(&self, came: &Came) -> Vec<String> {
        let mut findings = Vec::new();
        let told = match (&came.error, &self.error) {
            (Some(error), None) => {
                return vec![format!("it ended with the error {}: {}", kind(error.kind), error.message)];
            }
            (None, Some(wanted)) => return vec![format!("it answered `{}`, not with the error {wanted}", came.text)],
            (Some(error), Some(wanted)) => {
                if kind(error.kind) != *wanted {
                    findings.push(format!("its error is {}, not {wanted}: {}", kind(error.kind), error.message));
                }
                &error.message
            }
            (None, None) => &came.text,
        };
        if let Some(wanted) = self.answer.as_ref().filter(|wanted| *wanted != told) {
            findings.push(format!("it answered `{told}`, not `{wanted}`"));
        }
        let missing = self.contains.iter().filter(|part| !told.contains(part.as_str()));
        findings.extend(missing.map(|part| format!("it answered `{told}`, without `{part}`")));
        if let Some(wanted) = self.stop.as_ref().filter(|wanted| came.stop.as_ref() != Some(wanted)) {
            findings.push(format!("it stopped for `{}`, not `{wanted}`", came.stop.as_deref().unwrap_or("no reason")));
        }
        if let Some(wanted) = &self.usage {
            let found = came.usage.as_ref().map(|usage| Tokens { input: usage.input, output: usage.output });
            if found.as_ref() != Some(wanted) {
                findings.push(format!("it reported {found:?}, not {wanted:?}"));
            }
        }
        findings
    }
}

impl Http {
    fn exchange(&self) -> Result<Exchange, DevkitError> {
        let wrong = || DevkitError::Request(self.request.clone());
        let (method, url) = self.request.split_once(' ').ok_or_else(wrong)?;
        let body = match (&self.has_body, &self.has_json) {
            (Some(_), Some(_)) => return Err(DevkitError::RequestBody),
            (Some(text), None) => Some(Expected::Text(text.clone())),
            (None, json) => json.clone().map(Expected::Json),
        };
        let mut headers = map(&self.headers)?;
        let sent = match (&self.body, &self.json) {
            (Some(_), Some(_)) => return Err(DevkitError::ReplyBody),
            (None, Some(json)) => {
                let json_type = http::HeaderValue::from_static("application/json");
                headers.entry(http::header::CONTENT_TYPE).or_insert(json_type);
                json.to_string()
            }
            (text, None) => text.clone().unwrap_or_default(),
        };
        let status = StatusCode::from_u16(self.status).map_err(|_| DevkitError::Status(self.status))?;
        Ok(Exchange {
            method: method.parse::<Method>().map_err(|_| wrong())?,
            url: url.trim().parse::<Uri>().map_err(|_| wrong())?,
            headers: map(&self.has_headers)?,
            body,
            reply: reply(status, headers, sent.into()),
        })
    }
}

fn map(headers: &BTreeMap<String, String>) -> Result<HeaderMap, DevkitError> {
    let pairs = headers.iter().map(|(name, value)| {
        let wrong = |source| DevkitError::Header { header: format!("{name}: {value}"), source };
        let name: HeaderName = name.parse().map_err(|error: InvalidHeaderName| wrong(error.into()))?;
        Ok((name, value.parse().map_err(|error: InvalidHeaderValue| wrong(error.into()))?))
    });
    pairs.collect()
}

/// Whom the component asks: answers in the order of the script.
struct Person(Mutex<VecDeque<Answer>>);

impl Person {
    fn next(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn left(&self) -> Option<String> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        (left > 0).then(|| format!("{left} of the approvals were not asked for"))
    }
}

#[async_trait::async_trait]
impl Approvals for Person {
    async fn ask(&self, _: ServiceGrant, question: Question) -> Result<Decision, Refusal> {
        match self.next() {
            Some(Answer::Allow) => Ok(Decision::Allowed),
            Some(Answer::Deny) => Ok(Decision::Denied(None)),
            None => {
                let text = format!("the script has no answer to `{}`", question.title);
                Err(Refusal::new(Rule::Unavailable, text).hint("add one to `approvals`"))
            }
        }
    }
}
