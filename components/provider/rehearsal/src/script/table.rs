//! The TOML form of a script, as `docs/rehearsal-script.md` describes it.

use cara_sdk::provider::StopReason;
use cara_sdk::types::Usage;
use cara_sdk::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Act, Expectation, Order, Pieces, Script, Step, Subject, Turn};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ScriptTable {
    #[serde(default)]
    order: Order,
    #[serde(default)]
    turn: Vec<TurnTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TurnTable {
    expect: Option<Expectation>,
    expect_tool_result: Option<Expectation>,
    expect_system: Option<Expectation>,
    #[serde(default)]
    step: Vec<StepTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectationTable {
    contains: Option<String>,
    exact: Option<String>,
    absent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StepTable {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    tool_call: Option<CallTable>,
    usage: Option<UsageTable>,
    error: Option<ErrorTable>,
    stop: Option<Stop>,
    chunk: Option<u32>,
    repeat: Option<u32>,
    delay_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallTable {
    name: String,
    arguments: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
struct UsageTable {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ErrorTable {
    kind: Kind,
    message: String,
    retry: Option<bool>,
    retry_after_ms: Option<u64>,
}

/// The contract's stop reasons, by name.
#[derive(Deserialize)]
#[serde(remote = "StopReason", rename_all = "kebab-case")]
enum StopName {
    Complete,
    ToolCalls,
    Length,
    StopSequence,
    Refused,
}

#[derive(Deserialize)]
struct Stop(#[serde(with = "StopName")] StopReason);

/// The contract's kinds of errors, by name.
#[derive(Deserialize)]
#[serde(remote = "ErrorKind", rename_all = "kebab-case")]
enum KindName {
    Auth,
    RateLimit,
    Overloaded,
    ContextTooLong,
    Refused,
    BadRequest,
    Network,
    Unsupported,
    Other,
}

#[derive(Deserialize)]
struct Kind(#[serde(with = "KindName")] ErrorKind);

impl<'de> Deserialize<'de> for Expectation {
    /// A text alone is what must be contained.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self { contains: Some(text), ..Self::default() }),
            value => {
                let table: ExpectationTable =
                    value.try_into().map_err(|error: toml::de::Error| serde::de::Error::custom(error.message()))?;
                Ok(Self { contains: table.contains, exact: table.exact, absent: table.absent })
            }
        }
    }
}

/// Reads and checks a script.
pub(super) fn parse(text: &str) -> Result<Script, Error> {
    let table: ScriptTable = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::bad_request(format!("the script cannot be read: line {line}: {}", error.message().trim()))
    })?;
    if table.turn.is_empty() {
        return Err(Error::bad_request("the script has no `[[turn]]`"));
    }
    let turns = table.turn.into_iter().enumerate();
    let turns = turns.map(|(index, turn)| read_turn(index + 1, turn)).collect::<Result<_, _>>()?;
    Ok(Script { order: table.order, turns })
}

fn read_turn(number: usize, table: TurnTable) -> Result<Turn, Error> {
    let count = table.step.len();
    let mut steps = Vec::with_capacity(count);
    for (index, step) in table.step.into_iter().enumerate() {
        let wrong = |why: &str| {
            Error::bad_request(format!("the script cannot be read: turn {number}, step {}: {why}", index + 1))
        };
        let step = read_step(step).map_err(|Wrong(why)| wrong(why))?;
        if matches!(step.act, Act::Stop(_) | Act::Fail(_)) && index + 1 < count {
            return Err(wrong("nothing is played after `stop` or `error`"));
        }
        steps.push(step);
    }
    let expectations = [
        (Subject::Message, table.expect),
        (Subject::ToolResult, table.expect_tool_result),
        (Subject::System, table.expect_system),
    ];
    let expectations = expectations.into_iter().filter_map(|(subject, expectation)| Some((subject, expectation?)));
    Ok(Turn { expectations: expectations.collect(), steps })
}

/// Why a step cannot be.
struct Wrong(&'static str);

fn read_step(table: StepTable) -> Result<Step, Wrong> {
    let StepTable { chunk, repeat, delay_ms, signature, .. } = table;
    if signature.is_some() && table.thinking.is_none() {
        return Err(Wrong("`signature` belongs to `thinking`"));
    }
    let acts = [
        table.text.map(Act::Text),
        table.thinking.map(|text| Act::Thinking { text, signature }),
        table.tool_call.map(|call| Act::ToolCall { name: call.name, arguments: arguments(call.arguments) }),
        table.usage.map(|usage| Act::Usage(read_usage(&usage))),
        table.error.map(|error| Act::Fail(read_error(error))),
        table.stop.map(|Stop(reason)| Act::Stop(reason)),
    ];
    let mut acts = acts.into_iter().flatten();
    let act = match (acts.next(), acts.next()) {
        (Some(act), None) => act,
        (None, _) if delay_ms.is_some() => Act::Wait,
        _ => {
            return Err(Wrong(
                "a step has one of `text`, `thinking`, `tool-call`, `usage`, `error`, `stop`, `delay-ms`",
            ));
        }
    };
    if chunk.is_some() && !matches!(act, Act::Text(_) | Act::Thinking { .. } | Act::ToolCall { .. }) {
        return Err(Wrong("`chunk` belongs to `text`, `thinking` or `tool-call`"));
    }
    if repeat.is_some() && matches!(act, Act::Fail(_) | Act::Stop(_)) {
        return Err(Wrong("`repeat` does not go with `error` or `stop`"));
    }
    let pieces = match chunk {
        None => Pieces::Whole,
        Some(0) => return Err(Wrong("`chunk` is at least 1")),
        Some(characters) => Pieces::Characters(characters as usize),
    };
    Ok(Step { act, pieces, repeat: repeat.unwrap_or(1), delay_ms: delay_ms.unwrap_or(0) })
}

fn read_usage(table: &UsageTable) -> Usage {
    Usage { input: table.input, output: table.output, cache_read: table.cache_read, cache_write: table.cache_write }
}

fn read_error(table: ErrorTable) -> Error {
    let Kind(kind) = table.kind;
    let mut error = Error::new(kind, table.message).after(table.retry_after_ms);
    error.retry = table.retry.unwrap_or(error.retry);
    error
}

/// JSON text; a TOML string is taken as that text, right or wrong.
fn arguments(value: Option<toml::Value>) -> String {
    match value {
        None => "{}".to_owned(),
        Some(toml::Value::String(text)) => text,
        Some(value) => json(value).to_string(),
    }
}

fn json(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(fields) => fields.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}
