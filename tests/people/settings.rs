//! What the settings of sessions do, and what a death leaves.

use super::house::{House, Said, address};
use cara_authority::{ApprovalId, Label, PersonId};
use cara_control::Delivered;
use cara_control::inbox::ReplayInbound;
use cara_control::sessions::{ListSessions, PinSession, SearchSessions};
use cara_records::{Decision, InboundState, NewMessage, Role, RunState};
use serde_json::json;

/// "keep" is asked about; a message that comes meanwhile is seen with its result.
const SCRIPT: &str = r#"
order = "any"
[[turn]]
expect = "and more"
step = [{ text = "More was heard." }]
[[turn]]
expect = "keep it"
step = [{ tool-call = { name = "memory_write", arguments = { key = "k", value = "kept" } } }]
[[turn]]
expect = "recall it"
step = [{ tool-call = { name = "memory_read", arguments = { key = "k" } } }]
[[turn]]
step = [{ text = "Done." }]
"#;

async fn allows(house: &House, asked: &ApprovalId) {
    let records = house.records().await;
    let owner = records.principal(&address("olga"), "chat:main").await.unwrap().unwrap();
    records.decide_approval(asked, Decision::Allowed(None), &owner.deciding("chat:main")).await.unwrap();
}

async fn states(house: &House) -> Vec<InboundState> {
    let mut all = house.records().await.inbox(None, 100).await.unwrap();
    all.sort_by_key(|inbound| (inbound.received_ms, inbound.position));
    all.into_iter().map(|inbound| inbound.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_meanwhile_waits_steers_or_interrupts() {
    for (setting, answers, ends) in [
        ("wait", &["Done.", "More was heard."][..], [InboundState::Answered, InboundState::Answered]),
        ("steer", &["More was heard."], [InboundState::Answered, InboundState::Answered]),
        ("interrupt", &["More was heard."], [InboundState::Dropped, InboundState::Answered]),
    ] {
        let house = House::family(SCRIPT, &format!("[sessions]\nwhile-busy = \"{setting}\"\n")).await;
        house.enables("memory").await;
        house.says(Said::alone("anna", "keep it as you like")).await;
        let asked = house.waits_for_approval().await;
        house.says(Said::alone("anna", "and more")).await;
        if setting != "interrupt" {
            allows(&house, &asked).await;
        }
        let heard: Vec<String> = house.hears(answers.len()).await.into_iter().map(|(_, text)| text).collect();
        assert_eq!(heard, answers, "{setting}");
        assert_eq!(states(&house).await, ends, "{setting}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_goes_on_with_what_one_left() {
    let house = House::family(SCRIPT, "").await;
    house.enables("memory").await;
    house.says(Said::alone("anna", "keep it as you like")).await;
    let asked = house.waits_for_approval().await;
    house.says(Said::alone("anna", "and more")).await;
    let house = house.reopened().await;
    allows(&house, &asked).await;
    let heard: Vec<String> = house.hears(2).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(heard, ["Done.", "More was heard."]);
    let kept = house.records().await.memory(&PersonId::parse("anna").unwrap()).read("k").await.unwrap().unwrap();
    assert_eq!((kept.value.as_str(), kept.origin.unwrap().speaker.as_str()), ("kept", "anna"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_guests_and_groups_are_heard_where_the_settings_say_so() {
    let house = House::family(SCRIPT, "[sessions]\nstrangers = \"guest\"\ngroups = \"all\"\n").await;
    house.enables("memory").await;
    // A guest's model has no tools: its call is none.
    assert_eq!(house.asks(Said::alone("stranger", "keep it")).await, "Done.");
    assert!(house.records().await.waiting_approvals().await.unwrap().is_empty());
    assert_eq!(house.asks(Said::in_group("stranger", "hello")).await, "Done.");
    house.close().await;
    let house = House::family(SCRIPT, "[sessions]\ngroups = \"off\"\n").await;
    assert_eq!(house.says(Said::in_group("olga", "hello")).await, Delivered::Ignored);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_one_session_wherever_and_a_group_its_own_memory_where_the_settings_say_so() {
    let house = House::family(SCRIPT, "[sessions]\nscope = \"person\"\ngroup-memory = true\n").await;
    house.enables("memory").await;
    for room in ["one", "two"] {
        house.asks(Said { room, ..Said::alone("anna", "hello") }).await;
    }
    let records = house.records().await;
    let sessions = records.recent_sessions(Some(&PersonId::parse("anna").unwrap()), 9).await.unwrap();
    assert_eq!(sessions.iter().map(|session| session.messages).collect::<Vec<_>>(), [4]);
    house.says(Said::in_group("anna", "keep it")).await;
    let asked = house.waits_for_approval().await;
    allows(&house, &asked).await;
    house.hears(3).await;
    assert_eq!(house.asks(Said::in_group("ben", "recall it")).await, "Done.");
    let group = records.recent_sessions(None, 1).await.unwrap().remove(0);
    let messages = records.messages(&group.id, 1, 99).await.unwrap();
    assert!(messages[6].body.to_string().contains("kept"), "{messages:?}");
    for person in [PersonId::parse("anna").unwrap(), PersonId::owner()] {
        assert!(records.memory(&person).read("k").await.unwrap().is_none());
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_run_cannot_begin_waits_and_is_answered_when_it_is_repeated() {
    let house = House::family(SCRIPT, "").await;
    house.asks(Said::alone("anna", "hello")).await;
    let records = house.records().await;
    let session = records.recent_sessions(None, 1).await.unwrap().remove(0).id;
    // Somebody else works in the session.
    let said = NewMessage { role: Role::User, body: json!([]), label: Label::NONE, speaker: None };
    let run = records.begin_run(&session, "another process", &said).await.unwrap();
    assert!(matches!(house.repeats(Said::alone("anna", "and more"), "twice").await, Delivered::Taken(_)));
    assert_eq!(house.hears(0).await.len(), 1);
    records.end_run(&run, &[], RunState::Done, None, &[]).await.unwrap();
    assert!(matches!(house.repeats(Said::alone("anna", "and more"), "twice").await, Delivered::Again(_)));
    assert_eq!(house.hears(2).await[1].1, "More was heard.");
    assert_eq!(states(&house).await, [InboundState::Answered, InboundState::Answered]);
    house.close().await;
}

/// Has everything that was said lie back by five hours, as if so much time had gone by.
async fn five_hours_later(house: &House) {
    let records = house.records().await;
    let later = "UPDATE sessions SET changed_ms = changed_ms - 18000000";
    records.ledger().reader().await.unwrap().sql().script(later).await.unwrap();
}

async fn titles(house: &House) -> Vec<String> {
    let sessions = house.records().await.recent_sessions(None, 99).await.unwrap();
    let mut titles: Vec<String> = sessions.into_iter().map(|session| session.title).collect();
    titles.sort_unstable();
    titles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_the_first_message_after_a_silence_in_groups_too_and_goes_on_where_it_is_pinned() {
    let house = House::family(SCRIPT, "[sessions]\nidle = \"4h\"\ngroups = \"all\"\n").await;
    for said in [Said::alone("anna", "one"), Said::in_group("ben", "two"), Said::alone("anna", "three")] {
        house.asks(said).await;
    }
    assert_eq!(titles(&house).await, ["one", "two"]);
    five_hours_later(&house).await;
    for said in [Said::in_group("anna", "four"), Said::alone("anna", "five"), Said::in_group("ben", "six")] {
        house.asks(said).await;
    }
    assert_eq!(titles(&house).await, ["five", "four", "one", "two"]);
    let records = house.records().await;
    let anna = records.recent_sessions(Some(&PersonId::parse("anna").unwrap()), 1).await.unwrap().remove(0);
    house.does(PinSession { id: anna.id.to_string(), pinned: true }).await.unwrap();
    five_hours_later(&house).await;
    house.asks(Said::alone("anna", "seven")).await;
    house.asks(Said::in_group("ben", "eight")).await;
    assert_eq!(titles(&house).await, ["eight", "five", "four", "one", "two"]);
    house.asks(Said::alone("anna", "/new")).await;
    house.asks(Said::alone("anna", "nine")).await;
    assert_eq!(titles(&house).await, ["eight", "five", "four", "nine", "one", "two"]);
    // What others said is found by nobody but them: the owner least of all by a search.
    let search = SearchSessions { words: "seven".into(), limit: 50 };
    let found = house.does(search).await.unwrap();
    assert_eq!((found.sessions.len(), found.looked_at), (0, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_used_for_as_long_as_it_is_kept_is_removed_at_the_next_start() {
    let house = House::family(SCRIPT, "[sessions]\nkeep = \"1d\"\n").await;
    for (room, text) in [("one", "old"), ("two", "pinned")] {
        house.asks(Said { room, ..Said::alone("anna", text) }).await;
    }
    let listed = house.does(ListSessions { limit: 9 }).await.unwrap();
    assert!(listed.iter().all(|row| row.kept_until_ms == Some(row.changed_ms + 86_400_000)));
    let pinned = listed.into_iter().find(|row| row.title == "pinned").unwrap().id;
    house.does(PinSession { id: pinned, pinned: true }).await.unwrap();
    for _ in 0..5 {
        five_hours_later(&house).await;
    }
    house.asks(Said { room: "three", ..Said::alone("anna", "new") }).await;
    let house = house.reopened().await;
    let removed = async {
        while titles(&house).await != ["new", "pinned"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), removed).await.expect("the old session is removed");
    let listed = house.does(ListSessions { limit: 9 }).await.unwrap();
    assert_eq!((listed[0].title.as_str(), listed[0].kept_until_ms), ("pinned", None));
    // Who writes there begins anew.
    house.asks(Said { room: "one", ..Said::alone("anna", "again") }).await;
    assert_eq!(titles(&house).await, ["again", "new", "pinned"]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lay_too_long_is_said_to_be_missed_and_answered_when_it_is_replayed() {
    let house = House::family("order = \"any\"\n[[turn]]\nstep = [{ text = \"Late, but here.\" }]\n", "").await;
    // It came, and the process ended before anybody looked.
    let message = Said::alone("anna", "are you there?").message("old", 1_000);
    let id = house.records().await.receive(&message).await.unwrap().id;
    let house = house.reopened().await;
    let (_, told) = house.hears(1).await.pop().unwrap();
    assert!(told.contains("too old to be answered"), "{told}");
    house.does(ReplayInbound { id: id.to_string() }).await.unwrap();
    assert_eq!(house.hears(2).await.pop().unwrap().1, "Late, but here.");
    house.close().await;
}
