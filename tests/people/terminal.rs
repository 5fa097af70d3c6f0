//! What the owner says at a terminal: in the inbox before its run begins, and
//! once, whatever dies.

use super::house::{House, Said};
use cara_authority::{Label, RunId, SessionId, Source};
use cara_control::ErrorKind;
use cara_control::chat::OpenChat;
use cara_control::inbox::{InboundRow, ListInbox, ReplayInbound};
use cara_control::runs::{Attachment, BeginRun, Ended, Piece, Respondent, ResumeRun, Words};
use cara_control::sessions::DeleteSession;
use cara_records::{InboundState, NewMessage, Role};

const SCRIPT: &str = "order = \"any\"\n[[turn]]\nstep = [{ text = \"Done.\" }]\n";

fn by() -> Respondent {
    Respondent { model: "rehearsal:script".into(), ..Respondent::default() }
}

/// A message with a piece that a program composed, and a file.
fn begin(run: &str) -> BeginRun {
    BeginRun {
        run: run.into(),
        session: None,
        by: by(),
        message: vec![
            Piece::of(Words::Typed, "look at "),
            Piece { label: Label::of(Source::Web), ..Piece::of(Words::Composed, "these words") },
        ],
        attachments: vec![Attachment {
            name: "a.txt".into(),
            media_type: "text/plain".into(),
            data: "aGVsbG8=".into(),
        }],
        compact: false,
        present: false,
    }
}

/// What the terminals of the home said, the newest first.
async fn said(house: &House) -> Vec<InboundRow> {
    let mut all = house.does(ListInbox { state: None, limit: 99 }).await.unwrap();
    all.retain(|row| row.at.starts_with("console:"));
    all
}

async fn states(house: &House) -> Vec<InboundState> {
    said(house).await.into_iter().map(|row| row.state).collect()
}

/// The disk as a process leaves it that dies when it took the message in, and before its run begins.
async fn died_before_the_run(house: House) -> House {
    let records = house.records().await;
    for left in [
        "DELETE FROM runs",
        "DELETE FROM messages",
        "UPDATE sessions SET messages = 0",
        "UPDATE inbox SET state = 'waiting', run = NULL, settled_ms = NULL",
    ] {
        records.ledger().reader().await.unwrap().sql().script(left).await.unwrap();
    }
    let house = house.reopened().await;
    // Whatever a start does has been done when somebody else was answered.
    assert_eq!(house.asks(Said::alone("anna", "hello")).await, "Done.");
    house
}

/// That the message was answered once, with each piece and the file as they were handed in.
async fn was_answered_once(house: &House, session: &str) {
    let (records, session) = (house.records().await, SessionId::parse(session).unwrap());
    let messages = records.messages(&session, 1, 99).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::User, Role::Assistant]);
    let parts = messages[0].body.as_array().unwrap();
    let kinds: Vec<_> = parts.iter().map(|part| (part["kind"].as_str().unwrap(), part["text"].as_str())).collect();
    let file = [("attachment", None), ("text", Some("hello"))];
    assert_eq!(kinds, [&file[..], &[("text", Some("look at ")), ("text", Some("these words"))]].concat());
    let (typed, composed) = (&parts[2]["label"], &parts[3]["label"]);
    assert_eq!((typed.as_str(), composed.as_str()), (Some(Source::Owner.name()), Some("web+model")));
    assert_eq!(
        (records.runs(&session).await.unwrap().len(), records.attachments(&session).await.unwrap().len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_its_process_took_in_and_did_not_begin_is_answered_once() {
    let house = House::family(SCRIPT, "").await;
    let ended = house.does(begin("r-aaaaaaaaaa")).await.unwrap();
    assert!(matches!(ended, Ended::Done(_)), "{ended:?}");
    let row = said(&house).await.remove(0);
    assert_eq!((row.at.as_str(), row.from.as_str()), ("console:local:s-aaaaaaaaaa", "console:local:owner"));
    assert_eq!((row.state, row.run.as_deref()), (InboundState::Answered, Some("r-aaaaaaaaaa")));
    was_answered_once(&house, "s-aaaaaaaaaa").await;

    // Whoever said it is gone, and comes back to the conversation.
    let house = died_before_the_run(house).await;
    assert_eq!(states(&house).await, [InboundState::Waiting]);
    let opened = house.does(OpenChat { last: true, ..OpenChat::default() }).await.unwrap();
    assert_eq!(opened.session.unwrap().interrupted.as_deref(), Some("r-aaaaaaaaaa"));
    let resume = ResumeRun { run: "r-aaaaaaaaaa".into(), by: by(), present: false };
    assert!(matches!(house.does(resume).await.unwrap(), Ended::Done(_)));
    was_answered_once(&house, "s-aaaaaaaaaa").await;
    assert_eq!(states(&house).await, [InboundState::Answered]);

    // Whoever said it makes the same request again.
    let house = died_before_the_run(house).await;
    for _ in 0..2 {
        assert!(matches!(house.does(begin("r-aaaaaaaaaa")).await.unwrap(), Ended::Done(_)));
        was_answered_once(&house, "s-aaaaaaaaaa").await;
    }
    let again = house.does(ReplayInbound { id: row.id.clone() }).await.unwrap_err();
    assert!(again.to_string().contains("hint: say it again with `cara chat --session s-aaaaaaaaaa`"), "{again}");

    // With its conversation it is forgotten, and still known.
    let house = died_before_the_run(house).await;
    house.does(DeleteSession { id: "s-aaaaaaaaaa".into() }).await.unwrap();
    assert!(said(&house).await.is_empty());
    let again = house.does(begin("r-aaaaaaaaaa")).await.unwrap_err();
    assert!(again.kind == ErrorKind::Conflict && again.to_string().contains("came before"), "{again}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_run_does_not_begin_is_told_and_not_taken_up() {
    let house = House::family(SCRIPT, "").await;
    house.does(begin("r-aaaaaaaaaa")).await.unwrap();
    let (records, session) = (house.records().await, SessionId::parse("s-aaaaaaaaaa").unwrap());
    // Another process works in the session.
    let body = serde_json::json!([]);
    let message = NewMessage { role: Role::User, body, label: Label::of(Source::Owner), speaker: None };
    records.begin_run(&session, "another process", &message).await.unwrap();
    let next = BeginRun { session: Some(session.to_string()), ..begin("r-bbbbbbbbbb") };
    let ended = house.does(next).await.unwrap();
    assert!(matches!(ended, Ended::Error(_)), "{ended:?}");
    assert_eq!(states(&house).await, [InboundState::Dropped, InboundState::Answered]);
    assert!(records.run(&RunId::parse("r-bbbbbbbbbb").unwrap()).await.unwrap().is_none());
    house.close().await;
}
