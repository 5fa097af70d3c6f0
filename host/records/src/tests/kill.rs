//! A process that is killed at any moment loses nothing it said, and repeats
//! nothing.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const CHILD: &str = "CARA_TEST_LEDGER_CHILD";
const KILLS: usize = 20;

/// Says that something is done; what is said was durable before.
fn acknowledge(line: String) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {line}").unwrap();
    out.flush().unwrap();
}

/// The process that is killed: takes over what the one before it left, then works until it is killed. Without its
/// variable it is no child, and there is nothing to do.
#[tokio::test]
async fn a_child_works_until_it_is_killed() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let ledger = Ledger::open(open_at(&place), Clock::system(), audit_key()).await.unwrap();
    let records = Records::open(&ledger, content_key()).await.unwrap();
    for run in records.unfinished_runs().await.unwrap() {
        // It tries what must not be: to begin again what may have happened.
        for call in records.calls(&run.id).await.unwrap() {
            for approval in records.approvals_of(&run.id).await.unwrap() {
                effect(&records, &run.id, &call.call_id, Some(&approval.id)).await;
            }
            effect(&records, &run.id, &call.call_id, None).await;
        }
        records.end_run(&run.id, &[], RunState::Interrupted, Some("killed"), &[]).await.unwrap();
        acknowledge(format!("end {}", run.id));
    }
    let session = match records.recent_sessions(None, 1).await.unwrap().pop() {
        Some(session) => session.id,
        None => records.begin_session(&person("anna"), "t", "a", "t").await.unwrap(),
    };
    loop {
        work(&records, &session).await;
    }
}

/// Begins a call and does it, which must happen at most once.
async fn effect(records: &Records, run: &RunId, call: &str, approval: Option<&cara_authority::ApprovalId>) {
    if records.start(run, call, approval.map_or(By::Policy, |id| By::Approval(id, &[9; 32]))).await.is_ok() {
        acknowledge(format!("effect {run}/{call}"));
    }
}

async fn work(records: &Records, session: &SessionId) {
    let run = records.begin_run(session, "child", &said("do it", Source::Owner)).await.unwrap();
    acknowledge(format!("run {run}"));
    let calls = [allowed("free"), call("asked")];
    records.propose(&run, &said("calls", Source::Owner), &calls).await.unwrap();
    acknowledge(format!("call {run}/free"));
    let question = NewApproval {
        binding: [9; 32],
        session: session.clone(),
        run: run.clone(),
        call_id: "asked".into(),
        person: person("anna"),
        deciders: Deciders::only(PersonId::owner()),
        shown: json!("x"),
        deadline_ms: u64::MAX / 4,
    };
    let approval = records.request_approval(&question).await.unwrap();
    records.decide_approval(&approval, Decision::Allowed(None), &desk("anna")).await.unwrap();
    acknowledge(format!("approval {approval}"));
    effect(records, &run, "free", None).await;
    effect(records, &run, "asked", Some(&approval)).await;
    let ends = [finished("free", CallState::Done), finished("asked", CallState::Done)];
    records.end_calls(&run, &ends, &said("results", Source::Web)).await.unwrap();
    acknowledge(format!("call {run}/asked"));
    let answer = [said("answer", Source::Web)];
    assert!(records.end_run(&run, &answer, RunState::Done, None, &[]).await.unwrap());
    acknowledge(format!("end {run}"));
}

/// Runs the child until it has said `lines` things, kills it a little later, and returns all it said.
fn killed_after(place: &Place, lines: usize, later: u32) -> Vec<String> {
    let name = concat!(module_path!(), "::a_child_works_until_it_is_killed");
    let (_, name) = name.split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, place.at.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = said.filter_map(|line| line.strip_prefix("ack ").map(str::to_owned));
    let mut all: Vec<String> = said.by_ref().take(lines).collect();
    assert_eq!(all.len(), lines, "the child ended by itself");
    (0..later).for_each(|_| std::hint::spin_loop());
    child.kill().unwrap();
    child.wait().unwrap();
    all.extend(said);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_nothing_said_and_repeats_no_effect() {
    let place = Place::new();
    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for _ in 0..KILLS {
        let random = u64::from_le_bytes(std::array::from_fn(|_| rand_byte()));
        let (lines, later) = (1 + (random % 23) as usize, (random >> 32) as u32 % 3_000_000);
        let lines = tokio::task::block_in_place(|| killed_after(&place, lines, later));
        for line in lines {
            if let Some(effect) = line.strip_prefix("effect ") {
                *effects.entry(effect.to_owned()).or_default() += 1;
            }
            said.insert(line);
        }
        check(&place, &said).await;
    }
    assert!(effects.len() > 20 && effects.values().all(|times| *times == 1), "{effects:?}");
}

fn rand_byte() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).unwrap();
    byte[0]
}

/// All that was said is there, and the ledger is whole.
async fn check(place: &Place, said: &BTreeSet<String>) {
    let records = records_at(place, 1).await;
    records.ledger().verify_events().await.unwrap();
    let run = |id: &str| RunId::parse(id).unwrap();
    for line in said {
        let (what, id) = line.split_once(' ').unwrap();
        let call = id.split_once('/');
        match what {
            "run" => assert!(records.run(&run(id)).await.unwrap().is_some(), "{line}"),
            "end" => assert_ne!(records.run(&run(id)).await.unwrap().unwrap().state, RunState::Running, "{line}"),
            "approval" => {
                let approval = records.approval(&cara_authority::ApprovalId::parse(id).unwrap()).await.unwrap();
                assert_eq!(approval.unwrap().verdict.unwrap().what, ApprovalState::Allowed, "{line}");
            }
            "call" | "effect" => {
                let (of, call_id) = call.unwrap();
                let call = records.call(&run(of), call_id).await.unwrap().unwrap();
                assert!(what == "call" || call.started_ms.is_some(), "{line}");
            }
            other => panic!("{other}"),
        }
    }
    let session = records.recent_sessions(None, 1).await.unwrap().pop();
    let Some(session) = session else { return };
    let messages = records.messages(&session.id, 1, u32::MAX).await.unwrap();
    assert_eq!(messages.len() as u64, session.messages);
    records.ledger().close().await;
}
