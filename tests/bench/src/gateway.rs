//! What the gateway adds: `/v1/chat/completions` through `cara start`, and
//! through a bare hyper proxy, to the same server, in turns.

use crate::Counts;
use crate::daemon::{Daemon, worked};
use crate::process::{cara, command, first_byte};
use crate::proxy::{CHUNKS, MUCH, Served};
use crate::samples::Samples;
use crate::table::{Aim, Row, Unit};
use anyhow::{Result, bail, ensure};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Connections that ask at once.
const MANY: usize = 32;

/// What the floor is.
const PROXY: &str = "a bare hyper proxy before the same server";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Streamed,
}

/// Somebody who answers: where, as which process, and with which credential.
struct Side {
    address: SocketAddr,
    process: u32,
    token: String,
}

/// What a round of requests took.
#[derive(Debug, Default)]
struct Taken {
    /// Of each request, seconds.
    each: Vec<f64>,
    /// Of all of them, by connections that ask at once.
    all: f64,
    /// Of the processor, of whoever answered.
    processor: f64,
}

/// Both forms, by one connection and by many.
pub(crate) fn measure(counts: Counts, runtime: &Runtime) -> Result<Vec<Row>> {
    let model = Served::start(&["model"])?;
    let proxy = Served::start(&["proxy", &model.address.to_string()])?;
    let floor = Side { address: proxy.address, process: proxy.id(), token: "none".into() };
    let (cara, home) = (cara()?, tempfile::tempdir()?);
    let token = prepare(&cara, home.path(), model.address)?;
    let daemon = Daemon::start_at(&cara, home.path(), "127.0.0.1:0")?;
    let ours = Side { address: Daemon::listening(&cara, home.path())?, process: daemon.id(), token };
    let mut rows = Vec::new();
    for form in [Form::Whole, Form::Streamed] {
        for connections in [1, MANY] {
            let requests = counts.requests.div_ceil(if form == Form::Whole { 1 } else { 8 }).div_ceil(connections);
            rows.extend(runtime.block_on(in_turns(counts.samples, &ours, &floor, form, connections, requests))?);
        }
    }
    Ok(rows)
}

/// A home whose provider asks the server of the bench; the token of a program.
fn prepare(cara: &Path, home: &Path, model: SocketAddr) -> Result<String> {
    let run = |arguments: &[&str]| {
        let mut command = command(cara, home);
        command.args(arguments);
        first_byte(command).map(|(_, text)| text.trim().to_owned())
    };
    let config = format!(
        "[component.openai.settings]\nbase-url = \"http://{model}/v1\"\n\
         [budget.run]\ntokens = 1000000000\n[component.openai.limits]\nrequests = 100\n"
    );
    cara_services::files::ensure_private_dir(&home.join("cara"))?;
    cara_services::files::write_private_atomic(&home.join("cara/config.toml"), config.as_bytes())?;
    // Naming a provider is the operator's grant.
    run(&["chat", "--model", "openai:gpt-5-mini", "--message", "hello"])?;
    run(&["token", "create", "bench", "--scope", "chat"])
}

/// Rounds of both in turns; the first of each is thrown away.
async fn in_turns(
    samples: usize,
    ours: &Side,
    floor: &Side,
    form: Form,
    connections: usize,
    requests: usize,
) -> Result<Vec<Row>> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for turn in 0..=samples {
        let pair = (round(ours, form, connections, requests).await?, round(floor, form, connections, requests).await?);
        if turn > 0 {
            left.push(pair.0);
            right.push(pair.1);
        }
    }
    let all = (connections * requests) as f64;
    let what = if form == Form::Whole { "a request" } else { "a stream of 64 chunks" };
    let row = |name: String, of: &dyn Fn(&Taken) -> Vec<f64>, aim| {
        let samples = |rounds: &[Taken]| Samples::new(rounds.iter().flat_map(of).collect());
        Row { name, against: PROXY, ours: samples(&left), floor: samples(&right), unit: Unit::Time, aim }
    };
    let many = connections > 1;
    let median = if many { Aim::None } else { Aim::Times(2.0) };
    let rate = match form {
        _ if !many => Aim::None,
        Form::Whole => Aim::Times(1.0 / 0.5),
        Form::Streamed => Aim::Times(1.0 / 0.7),
    };
    let processor = if form == Form::Whole { "processor, a request" } else { "processor, a chunk" };
    let pieces = if form == Form::Whole { 1.0 } else { CHUNKS as f64 };
    let mut rows = vec![
        row(format!("gateway: {what}, c={connections}, p50"), &|taken| taken.each.clone(), median),
        row(format!("gateway: {what}, c={connections}, p99"), &|taken| vec![percentile(&taken.each, 0.99)], Aim::None),
    ];
    if many {
        rows.push(row(format!("gateway: {what}, c={connections}, 1/rate"), &|taken| vec![taken.all / all], rate));
    }
    if cfg!(target_os = "linux") {
        let each = |taken: &Taken| vec![taken.processor / all / pieces];
        rows.push(row(format!("gateway: {what}, c={connections}, {processor}"), &each, Aim::None));
    }
    Ok(rows)
}

fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// So many requests by each of so many connections, one after the other.
async fn round(side: &Side, form: Form, connections: usize, requests: usize) -> Result<Taken> {
    let (stream, says) = if form == Form::Streamed { (r#","stream":true"#, MUCH) } else { ("", "Say hello, please.") };
    let body = format!(r#"{{"model":"openai:gpt-5-mini"{stream},"messages":[{{"role":"user","content":"{says}"}}]}}"#);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        side.address,
        side.token,
        body.len()
    );
    let before = worked(side.process).unwrap_or_default();
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (request, address) = (request.clone(), side.address);
        tasks.spawn(async move {
            let mut connection = TcpStream::connect(address).await?;
            connection.set_nodelay(true)?;
            let (mut each, mut answer) = (Vec::with_capacity(requests), Vec::new());
            for _ in 0..requests {
                let asked = Instant::now();
                connection.write_all(request.as_bytes()).await?;
                whole_answer(&mut connection, &mut answer).await?;
                each.push(asked.elapsed().as_secs_f64());
                check(form, &answer)?;
            }
            anyhow::Ok(each)
        });
    }
    let mut taken = Taken::default();
    while let Some(each) = tasks.join_next().await {
        taken.each.extend(each??);
    }
    taken.all = began.elapsed().as_secs_f64();
    // Nothing where the system does not say.
    taken.processor = worked(side.process).unwrap_or_default() - before;
    Ok(taken)
}

/// Reads an answer to its end, by its length or its last chunk.
async fn whole_answer(connection: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    let mut length = None;
    loop {
        ensure!(connection.read_buf(answer).await? > 0, "the connection ended within an answer");
        if length.is_none()
            && let Some(head) = memchr::memmem::find(answer, b"\r\n\r\n")
        {
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            let said = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            length = Some(said.map(|said| said.trim().parse::<usize>()).transpose()?.map(|said| head + 4 + said));
        }
        match length {
            Some(Some(length)) if answer.len() >= length => return Ok(()),
            Some(None) if answer.ends_with(b"\r\n0\r\n\r\n") => return Ok(()),
            _ => {}
        }
    }
}

/// A wrong answer fails the run.
fn check(form: Form, answer: &[u8]) -> Result<()> {
    let words = memchr::memmem::find_iter(answer, b" word").count();
    let whole = match form {
        Form::Whole => memchr::memmem::find(answer, b"Hello, world").is_some(),
        // Words that came together may go on together.
        Form::Streamed => words == CHUNKS && memchr::memmem::find(answer, b"[DONE]").is_some(),
    };
    if !whole || !answer.starts_with(b"HTTP/1.1 200") {
        bail!("a wrong answer came:\n{}", String::from_utf8_lossy(answer));
    }
    Ok(())
}
