//! The TOML form of a script, as `docs/rehearsal-script.md` describes it.

use cara_sdk::provider::{Request, StopReason};
use cara_sdk::types::Usage;
use cara_sdk::{Error, ErrorKind};
use toml::de::{DeTable, DeValue};

use super::node::{Fields, Node, wrong};
use super::{Act, Expectation, Order, Pieces, Script, Step, Subject, Turn};

const ORDERS: [(&str, Order); 3] = [("once", Order::Once), ("loop", Order::Loop), ("any", Order::Any)];

const SUBJECTS: [(&str, Subject); 3] =
    [("expect", Subject::Message), ("expect-tool-result", Subject::ToolResult), ("expect-system", Subject::System)];

const STOPS: [(&str, StopReason); 5] = [
    ("complete", StopReason::Complete),
    ("tool-calls", StopReason::ToolCalls),
    ("length", StopReason::Length),
    ("stop-sequence", StopReason::StopSequence),
    ("refused", StopReason::Refused),
];

const KINDS: [(&str, ErrorKind); 10] = [
    ("auth", ErrorKind::Auth),
    ("rate-limit", ErrorKind::RateLimit),
    ("overloaded", ErrorKind::Overloaded),
    ("context-too-long", ErrorKind::ContextTooLong),
    ("refused", ErrorKind::Refused),
    ("bad-request", ErrorKind::BadRequest),
    ("network", ErrorKind::Network),
    ("unsupported", ErrorKind::Unsupported),
    ("fault", ErrorKind::Fault),
    ("other", ErrorKind::Other),
];

/// The keys of a step: what it does, then how.
const STEP: [&str; 10] =
    ["text", "thinking", "tool-call", "usage", "error", "stop", "delay-ms", "signature", "chunk", "repeat"];

/// Reads and checks a script.
pub(super) fn parse(source: &str) -> Result<Script, Error> {
    let document = DeTable::parse(source)
        .map_err(|error| wrong(source, error.span().map_or(0, |span| span.start), error.message()))?;
    let fields = Fields::of(source, document.get_ref(), &["order", "honours", "turn"])?;
    let turns = fields.read("turn", Node::items)?.unwrap_or_default();
    if turns.is_empty() {
        return Err(Error::bad_request("the script has no `[[turn]]`"));
    }
    let order = fields.read("order", |order| order.name(&ORDERS))?.unwrap_or_default();
    let option = |node: Node<'_>| node.name(&Request::OPTIONS.map(|name| (name, name)));
    let honours = fields.read("honours", Node::items)?.unwrap_or_default();
    let honours = honours.into_iter().map(option).collect::<Result<_, _>>()?;
    Ok(Script { order, honours, turns: turns.into_iter().map(read_turn).collect::<Result<_, _>>()? })
}

fn read_turn(turn: Node<'_>) -> Result<Turn, Error> {
    let fields = turn.table(&["expect", "expect-tool-result", "expect-system", "step"])?;
    let mut expectations = Vec::new();
    for (key, subject) in SUBJECTS {
        if let Some(expectation) = fields.read(key, read_expectation)? {
            expectations.push((subject, expectation));
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for step in fields.read("step", Node::items)?.unwrap_or_default() {
        if let Some(Step { act: Act::Stop(_) | Act::Fail(_), .. }) = steps.last() {
            return Err(step.wrong("nothing is played after `stop` or `error`"));
        }
        steps.push(read_step(step)?);
    }
    Ok(Turn { expectations, steps })
}

/// A text alone is what must be contained.
fn read_expectation(expectation: Node<'_>) -> Result<Expectation, Error> {
    if expectation.value().is_str() {
        return Ok(Expectation { contains: Some(expectation.text()?), ..Expectation::default() });
    }
    let fields = expectation.table(&["contains", "exact", "absent"])?;
    let read = |key| fields.read(key, Node::text);
    Ok(Expectation { contains: read("contains")?, exact: read("exact")?, absent: read("absent")? })
}

fn read_step(step: Node<'_>) -> Result<Step, Error> {
    let fields = step.table(&STEP)?;
    let has = |key| fields.get(key).is_some();
    let act = read_act(step, &fields)?;
    if has("signature") && !has("thinking") {
        return Err(step.wrong("`signature` belongs to `thinking`"));
    }
    if has("chunk") && !matches!(act, Act::Text(_) | Act::Thinking { .. } | Act::ToolCall { .. }) {
        return Err(step.wrong("`chunk` belongs to `text`, `thinking` or `tool-call`"));
    }
    if has("repeat") && matches!(act, Act::Fail(_) | Act::Stop(_)) {
        return Err(step.wrong("`repeat` does not go with `error` or `stop`"));
    }
    let pieces = match fields.read("chunk", Node::number)? {
        None => Pieces::Whole,
        Some(0) => return Err(step.wrong("`chunk` is at least 1")),
        Some(characters) => Pieces::Characters(usize::try_from(characters).unwrap_or(usize::MAX)),
    };
    let repeat = fields.read("repeat", Node::number)?.unwrap_or(1);
    Ok(Step { act, pieces, repeat, delay_ms: fields.read("delay-ms", Node::number)?.unwrap_or(0) })
}

fn read_act(step: Node<'_>, fields: &Fields<'_>) -> Result<Act, Error> {
    let mut acts = STEP[..6].iter().filter_map(|&key| Some((key, fields.get(key)?)));
    match (acts.next(), acts.next()) {
        (Some(("text", text)), None) => Ok(Act::Text(text.text()?)),
        (Some(("thinking", thinking)), None) => {
            Ok(Act::Thinking { text: thinking.text()?, signature: fields.read("signature", Node::text)? })
        }
        (Some(("tool-call", call)), None) => read_call(call),
        (Some(("usage", usage)), None) => read_usage(usage),
        (Some(("error", error)), None) => read_error(error),
        (Some((_, stop)), None) => Ok(Act::Stop(stop.name(&STOPS)?)),
        (None, _) if fields.get("delay-ms").is_some() => Ok(Act::Wait),
        _ => Err(step.wrong("a step has one of `text`, `thinking`, `tool-call`, `usage`, `error`, `stop`, `delay-ms`")),
    }
}

/// Arguments that are a text are sent as that text, right or wrong.
fn read_call(call: Node<'_>) -> Result<Act, Error> {
    let fields = call.table(&["name", "arguments"])?;
    let name = fields.read("name", Node::text)?.ok_or_else(|| call.wrong("`name` is missing"))?;
    let mut arguments = String::new();
    match fields.get("arguments") {
        None => arguments.push_str("{}"),
        Some(node) => match node.value() {
            DeValue::String(text) => arguments.push_str(text),
            _ => node.json(&mut arguments)?,
        },
    }
    Ok(Act::ToolCall { name, arguments })
}

fn read_usage(usage: Node<'_>) -> Result<Act, Error> {
    let fields = usage.table(&["input", "output", "cache-read", "cache-write", "reasoning"])?;
    let count = |key| Ok::<_, Error>(fields.read(key, Node::number)?.unwrap_or(0));
    let (cache_read, cache_write) = (count("cache-read")?, count("cache-write")?);
    let (input, output, reasoning) = (count("input")?, count("output")?, count("reasoning")?);
    Ok(Act::Usage(Usage { input, output, cache_read, cache_write, reasoning }))
}

fn read_error(error: Node<'_>) -> Result<Act, Error> {
    let fields = error.table(&["kind", "message", "retry", "retry-after-ms"])?;
    let kind = fields.read("kind", |kind| kind.name(&KINDS))?.ok_or_else(|| error.wrong("`kind` is missing"))?;
    let message = fields.read("message", Node::text)?.ok_or_else(|| error.wrong("`message` is missing"))?;
    let mut made = Error::new(kind, message).after(fields.read("retry-after-ms", Node::number)?);
    made.retry = fields.read("retry", Node::truth)?.unwrap_or(made.retry);
    Ok(Act::Fail(made))
}
