//! Many messages at once: order within a conversation, and nobody waits for
//! another one's approver.

use super::house::{House, Said};
use cara_authority::PersonRole;
use cara_control::Delivered;
use cara_records::{Role, RunState};

const ECHO: &str = "order = \"any\"\n\n[[turn]]\nexpect = \"keep it\"\nstep = [{ tool-call = { name = \"memory_write\", arguments = { key = \"k\", value = \"v\" } } }]\n\n[[turn]]\nstep = [{ text = \"Done.\" }]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_messages_of_one_conversation_are_answered_in_their_order() {
    let house = House::family(ECHO, "").await;
    for number in 0..64 {
        let text = format!("message {number}");
        assert!(matches!(house.repeats(Said::alone("anna", &text), &text).await, Delivered::Taken(_)));
        assert!(matches!(house.repeats(Said::alone("anna", &text), &text).await, Delivered::Again(_)));
    }
    house.hears(64).await;
    let records = house.records().await;
    let session = records.recent_sessions(None, 9).await.unwrap();
    assert_eq!(session.len(), 1);
    let messages = records.messages(&session[0].id, 1, 1_000).await.unwrap();
    assert_eq!(messages.len(), 128);
    for (number, pair) in messages.chunks(2).enumerate() {
        assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
        assert!(pair[0].body.to_string().contains(&format!("message {number}\"")), "{number}");
        assert_eq!(pair[0].run, pair[1].run);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_conversations_at_once_are_all_answered_and_a_silent_approver_delays_none() {
    let house = House::family(ECHO, "").await;
    house.enables("memory").await;
    house.says(Said::alone("anna", "keep it as you like")).await;
    house.waits_for_approval().await;
    for number in 0..64 {
        let user = format!("user-{number}");
        house.knows(&user, PersonRole::Member, &user).await;
    }
    for number in 0..64 {
        house.says(Said::alone(&format!("user-{number}"), "hello")).await;
    }
    let mut answered: Vec<String> = house.hears(64).await.into_iter().map(|(to, _)| to).collect();
    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), 64);
    let records = house.records().await;
    let open = records.unfinished_runs().await.unwrap();
    assert!(open.len() == 1 && open[0].state == RunState::Running, "{open:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_conversation_leaves_the_old_one_where_it_is_found() {
    let house = House::family(ECHO, "").await;
    house.asks(Said::alone("anna", "one")).await;
    assert!(house.asks(Said::alone("anna", "/new")).await.contains("new conversation"));
    house.asks(Said::alone("anna", "two")).await;
    let records = house.records().await;
    let mut titles: Vec<String> =
        records.recent_sessions(None, 9).await.unwrap().into_iter().map(|session| session.title).collect();
    titles.sort();
    assert_eq!(titles, ["one", "two"]);
    house.close().await;
}
