//! Runs that nobody waits for: what needs an answer is denied at once, and an
//! answer counts the next time, once.

use super::house::{House, Said};
use cara_authority::{Label, PersonId, Source};
use cara_control::approvals::{ListApprovals, Place, RespondToApproval, Verdict};
use cara_control::config::SetSetting;
use cara_control::runs::{BeginRun, Ended, Piece, Respondent, Words};
use cara_records::ApprovalState;

const SCRIPT: &str = r#"
order = "any"
[[turn]]
expect = "keep it"
step = [{ tool-call = { name = "memory_write", arguments = { key = "k", value = "kept" } } }]
[[turn]]
step = [{ text = "Done." }]
"#;

/// A prompt that a schedule composed.
fn prompt(session: Option<&str>, label: Label) -> BeginRun {
    BeginRun {
        run: BeginRun::fresh().unwrap(),
        session: session.map(str::to_owned),
        by: Respondent { model: "rehearsal:script".into(), unattended: true, ..Respondent::default() },
        message: vec![Piece { label, ..Piece::of(Words::Composed, "keep it") }],
        attachments: Vec::new(),
        compact: false,
        present: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nobody_waits_for_is_denied_at_once_and_a_later_yes_counts_once() {
    let house = House::family(SCRIPT, "").await;
    house.enables("memory").await;
    house.asks(Said::alone("olga", "hello")).await;
    let records = house.records().await;
    let run = async |session: Option<&str>, label| {
        let ended = house.does(prompt(session, label)).await.unwrap();
        assert!(matches!(ended, Ended::Done(_)), "{ended:?}");
    };
    let kept = async || records.memory(&PersonId::owner()).read("k").await.unwrap().map(|kept| kept.changed_ms);
    run(None, Label::NONE).await;
    let waiting = house.does(ListApprovals {}).await.unwrap().remove(0);
    // The owner is asked, where they wrote last.
    let (to, text) = house.is_asked(1).await.remove(0);
    assert!(to == "chat:main:olga" && text.contains(&waiting.id), "{to} {text}");
    let session = records.recent_sessions(Some(&PersonId::owner()), 1).await.unwrap().remove(0).id;
    let said = records.messages(&session, 1, 9).await.unwrap();
    let nobodys = Label::of(Source::Model).join(&Label::UNKNOWN);
    assert_eq!(said[0].label, nobodys, "a prompt that was composed is nobody's own");
    let said: String = said.into_iter().map(|message| message.body.to_string()).collect();
    assert!(said.contains("denied by the host, as nobody was there") && said.contains(&waiting.id), "{said}");
    // The same again asks nobody a second time.
    run(Some(session.as_str()), Label::NONE).await;
    assert_eq!(house.does(ListApprovals {}).await.unwrap().len(), 1);
    assert_eq!((house.is_asked(0).await.len(), kept().await.is_some()), (1, false));
    house
        .does(RespondToApproval { id: waiting.id, verdict: Verdict::Once, reason: None, by: Place::Command })
        .await
        .unwrap();
    // Another session, and a run that has seen more than the person was told, have no part in it.
    run(None, Label::NONE).await;
    run(Some(session.as_str()), Label::of(Source::File)).await;
    assert!(kept().await.is_none());
    assert_eq!(house.is_asked(3).await.len(), 3);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_yes_is_spent_by_the_call_that_begins_with_it() {
    let house = House::family(SCRIPT, "").await;
    house.enables("memory").await;
    let records = house.records().await;
    house.does(prompt(None, Label::NONE)).await.unwrap();
    let id = house.waits_for_approval().await;
    let session = records.approval(&id).await.unwrap().unwrap().session;
    house
        .does(RespondToApproval { id: id.to_string(), verdict: Verdict::Once, reason: None, by: Place::Command })
        .await
        .unwrap();
    // Also after a restart.
    let house = house.reopened().await;
    let records = house.records().await;
    let revision = async || {
        let kept = records.memory(&PersonId::owner()).read("k").await.unwrap();
        kept.map(|kept| kept.changed_ms)
    };
    assert!(revision().await.is_none());
    house.does(prompt(Some(session.as_str()), Label::NONE)).await.unwrap();
    let first = revision().await;
    assert!(first.is_some());
    assert_eq!(records.approval(&id).await.unwrap().unwrap().state, ApprovalState::Spent);
    // The next one is asked about anew.
    house.does(prompt(Some(session.as_str()), Label::NONE)).await.unwrap();
    assert_eq!(revision().await, first);
    assert_ne!(house.waits_for_approval().await, id);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_others_were_asked_is_not_taken_for_one_of_those_who_decide_now() {
    let house = House::family(SCRIPT, "[approvals]\ndeciders = [\"owner\", \"anna\"]\nneeded = \"all\"\n").await;
    house.enables("memory").await;
    house.does(prompt(None, Label::NONE)).await.unwrap();
    let session = house.records().await.recent_sessions(Some(&PersonId::owner()), 1).await.unwrap().remove(0).id;
    for (key, value) in [("approvals.needed", "any"), ("approvals.deciders", "[\"owner\"]")] {
        house.does(SetSetting { key: key.into(), value: value.into() }).await.unwrap();
    }
    house.does(prompt(Some(session.as_str()), Label::NONE)).await.unwrap();
    let waiting = house.records().await.waiting_approvals().await.unwrap();
    let deciders: Vec<usize> = waiting.iter().map(|asked| asked.deciders.persons.len()).collect();
    assert!(deciders.len() == 2 && deciders.contains(&1), "{deciders:?}");
    house.close().await;
}
