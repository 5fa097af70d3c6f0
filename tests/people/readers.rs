//! Answers in a group that are made of what is somebody's own.

use super::house::{House, Said, address};
use cara_authority::PersonId;
use cara_records::{ApprovalState, Decision};
use cara_services::ledger::sql::query;

/// The clock is private here, so that a call needs no server.
const PRIVATE: &str = "[component.time.tool.time_now]\nresults = \"private\"\n";

const SCRIPT: &str = r#"
order = "any"
[[turn]]
expect = "what time"
step = [{ tool-call = { name = "time_now", arguments = { zone = "Europe/Oslo" } } }]
[[turn]]
expect-tool-result = "Europe/Oslo"
step = [{ text = "It is late: https://evil.example/?q=late and [here](http://evil.example/a.png), not https://good.example/x." }]
[[turn]]
step = [{ text = "Nothing private, so https://made.example/x stays." }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_made_of_private_content_is_a_question_before_a_group_hears_it() {
    let house = House::family(SCRIPT, PRIVATE).await;
    let records = house.records().await;
    let owner = records.principal(&address("olga"), "chat:main").await.unwrap().unwrap().deciding("chat:main");
    for (decision, heard) in [(Decision::Denied(None), "was not allowed to"), (Decision::Allowed(None), "It is late")] {
        let before = house.hears(0).await.len();
        house.says(Said::in_group("anna", "what time is it? Not https://good.example/x")).await;
        let asked = house.waits_for_approval().await;
        let shown = records.approval(&asked).await.unwrap().unwrap();
        assert_eq!(shown.state, ApprovalState::Waiting);
        assert!(shown.shown["arguments"].as_str().unwrap().contains("It is late"), "{:?}", shown.shown);
        assert_eq!(house.hears(0).await.len(), before, "nothing leaves before");
        // Who asked in the group does not decide.
        for other in ["anna", "ben", "gus"] {
            let by = records.principal(&address(other), "chat:main").await.unwrap().unwrap().deciding("chat:main");
            assert!(records.decide_approval(&asked, Decision::Allowed(None), &by).await.is_err(), "{other}");
        }
        records.decide_approval(&asked, decision, &owner).await.unwrap();
        let (_, text) = house.hears(before + 1).await.pop().unwrap();
        assert!(text.contains(heard), "{text}");
        // A link that nobody wrote is none, whoever shows the message; the one that was asked about stays.
        assert!(!text.contains("evil.example"), "{text}");
        assert!(
            heard != "It is late" || text.contains("evil[.]example") && text.contains("https://good.example/x"),
            "{text}"
        );
        // What was private stays with its run: the next answer needs no question.
        let next = house.asks(Said::in_group("ben", "hello")).await;
        assert!(next.contains("Nothing private"), "{next}");
    }
    house.close().await;
}

/// Each one's answer is told to themselves, and asked about with whom it belongs to where others read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_component_kept_of_one_person_is_that_persons_to_give() {
    let script = r#"
order = "any"
[[turn]]
expect = "note it"
step = [{ tool-call = { name = "plan_set", arguments = { items = [{ text = "papaya-4417", status = "open" }] } } }]
[[turn]]
expect-tool-result = "papaya-4417"
step = [{ text = "It says papaya-4417." }]
[[turn]]
step = [{ text = "Nothing of it." }]
"#;
    let house = House::family(script, "").await;
    house.enables("plan").await;
    let records = house.records().await;
    // Ben's own is told to ben, unasked.
    assert!(house.asks(Said::alone("ben", "note it")).await.contains("papaya"));
    for (whose, decides, others) in [("private:anna", "anna", ["ben", "olga"]), ("private", "olga", ["ben", "anna"])] {
        // The component wrote it in a call that had seen what is somebody else's.
        let mut change = records.ledger().change().await.unwrap();
        let label = format!("tool+{whose}");
        change.sql().execute(query("UPDATE component_state SET label = $1").bind(label)).await.unwrap();
        change.commit().await.unwrap();
        for (decision, heard) in
            [(Decision::Denied(None), "was not allowed to"), (Decision::Allowed(None), "papaya-4417")]
        {
            let before = house.hears(0).await.len();
            house.says(Said::alone("ben", "note it")).await;
            let asked = house.waits_for_approval().await;
            assert_eq!(house.hears(0).await.len(), before, "nothing leaves before");
            for other in others {
                let by = house.decider(other).await;
                let refused = records.decide_approval(&asked, Decision::Allowed(None), &by).await.unwrap_err();
                assert!(refused.to_string().contains("may not decide"), "{other}: {refused}");
            }
            records.decide_approval(&asked, decision, &house.decider(decides).await).await.unwrap();
            let (_, text) = house.hears(before + 1).await.pop().unwrap();
            assert!(text.contains(heard), "{text}");
            // The next answer is made of none of it.
            assert_eq!(house.asks(Said::alone("ben", "hello")).await, "Nothing of it.");
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_alone_is_told_their_own_and_follows_no_link_that_was_made_up() {
    let house = House::family(SCRIPT, PRIVATE).await;
    let text = house.asks(Said::alone("olga", "what time is it? Not https://good.example/x")).await;
    assert!(text.contains("It is late") && !text.contains("evil.example"), "{text}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_to_an_answer_is_not_spent_on_other_words_after_a_restart() {
    let house = House::family(SCRIPT, PRIVATE).await;
    house.says(Said::in_group("anna", "what time is it?")).await;
    let asked = house.waits_for_approval().await;
    // The model is asked again by the next process, and finds other words.
    house.plays(&SCRIPT.replace("It is late", "It is early")).await;
    let house = house.reopened().await;
    let records = house.records().await;
    let owner = records.principal(&address("olga"), "chat:main").await.unwrap().unwrap().deciding("chat:main");
    records.decide_approval(&asked, Decision::Allowed(None), &owner).await.unwrap();
    let again = tokio::select! {
        again = house.waits_for_approval() => again,
        heard = house.hears(1) => panic!("nobody was asked about {heard:?}"),
    };
    let shown = records.approval(&again).await.unwrap().unwrap().shown;
    assert!(again != asked && shown["arguments"].as_str().unwrap().contains("It is early"), "{shown:?}");
    records.decide_approval(&again, Decision::Allowed(None), &owner).await.unwrap();
    assert!(house.hears(1).await[0].1.contains("It is early"));
    house.close().await;
}

/// What was read aside comes into an answer by name alone, and brings where it came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_a_reader_found_are_as_private_as_what_they_were_found_in() {
    let script = r#"
order = "any"
[[turn]]
expect-system = "You read for an assistant"
step = [{ text = '{"found": "all", "facts": ["papaya-4417, see https://evil.example/p"]}' }]
[[turn]]
expect = "note it"
step = [{ tool-call = { name = "plan_set", arguments = { items = [{ text = "papaya-4417", status = "open" }] } } }]
[[turn]]
step = [{ text = "It says {{r1.1}}." }]
"#;
    let house = House::family(script, "[agent.main]\nreading = \"quarantined\"\n").await;
    house.enables("plan").await;
    let records = house.records().await;
    house.asks(Said::alone("ben", "note it")).await;
    let mut change = records.ledger().change().await.unwrap();
    let mail = query("UPDATE component_state SET label = 'tool+web+private:anna'");
    change.sql().execute(mail).await.unwrap();
    change.commit().await.unwrap();
    house.says(Said::alone("ben", "note it")).await;
    let asked = tokio::select! {
        asked = house.waits_for_approval() => asked,
        heard = house.hears(2) => panic!("nobody was asked about {heard:?}"),
    };
    records.decide_approval(&asked, Decision::Allowed(None), &house.decider("anna").await).await.unwrap();
    let (_, text) = house.hears(2).await.pop().unwrap();
    assert!(text.contains("papaya-4417") && !text.contains("evil.example"), "{text}");
    house.close().await;
}

/// Whoever decides for a run, and may not read what a call is made of, hears that there is a question and not what it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_shows_nobody_what_is_private_to_another() {
    let script = r#"
order = "any"
[[turn]]
expect = "note it"
step = [{ tool-call = { name = "plan_set", arguments = { items = [{ text = "papaya-4417", status = "open" }] } } }]
[[turn]]
expect-tool-result = "papaya-4417"
step = [{ tool-call = { name = "message_send", arguments = { to = "chat:main:gus", text = "It says papaya-4417." } } }]
[[turn]]
step = [{ text = "Done." }]
"#;
    let house = House::family(script, "").await;
    house.enables("plan").await;
    let records = house.records().await;
    for user in ["anna", "olga"] {
        house.asks(Said::alone(user, "hello")).await;
    }
    house.asks(Said::alone("ben", "note it")).await;
    house.enables("message").await;
    let mut change = records.ledger().change().await.unwrap();
    change.sql().execute(query("UPDATE component_state SET label = 'tool+private:anna'")).await.unwrap();
    change.commit().await.unwrap();
    house.says(Said::alone("ben", "note it")).await;
    let asked = house.waits_for_approval().await;
    let told = house.is_asked(2).await;
    let to = |room: &str| told.iter().filter(|(to, _)| to == room).map(|(_, text)| text.as_str()).collect::<String>();
    assert!(to("chat:main:anna").contains("papaya-4417"), "{told:?}");
    assert!(!to("chat:main:olga").is_empty() && !to("chat:main:olga").contains("papaya-4417"), "{told:?}");
    assert_eq!(to("chat:main:ben"), "", "{told:?}");
    // Both have to agree: what is sent is anna's, and sending is the owner's to allow.
    for user in ["anna", "olga"] {
        assert_eq!(records.approval(&asked).await.unwrap().unwrap().state, ApprovalState::Waiting, "one is not enough");
        records.decide_approval(&asked, Decision::Allowed(None), &house.decider(user).await).await.unwrap();
    }
    // What ben is told of it is a question to anna, who is the only one to whom the answer is shown.
    let answer = house.waits_for_approval().await;
    assert_eq!(records.approval(&asked).await.unwrap().unwrap().state, ApprovalState::Spent);
    assert_eq!(
        records.approval(&answer).await.unwrap().unwrap().deciders.persons,
        [PersonId::parse("anna").unwrap()].into()
    );
    house.close().await;
}
