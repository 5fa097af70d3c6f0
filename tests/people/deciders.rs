//! Questions go to where the decider is, and are answered there: by whom they
//! were asked, and by nobody else.

use super::house::{House, Said, address};
use cara_authority::{ApprovalId, PersonId, PersonRole, Scope, Source};
use cara_control::approvals::{Place, RespondToApproval, Verdict};
use cara_control::config::CheckConfig;
use cara_control::tokens::CreateToken;
use cara_control::{CredentialKind, Events, Operation};
use cara_records::{ApprovalState, Records};

/// "keep it" is asked about, and so is "keep much", which is too long for a message.
fn script() -> String {
    r#"
order = "any"
[[turn]]
expect = "keep it"
step = [{ tool-call = { name = "memory_write", arguments = { key = "k", value = "kept, see https://evil.example/x" } } }]
[[turn]]
expect = "keep much"
step = [{ tool-call = { name = "memory_write", arguments = { key = "much", value = "LONG" } } }]
[[turn]]
expect-tool-result = "denied by"
step = [{ text = "I was not allowed to." }]
[[turn]]
step = [{ text = "Done." }]
"#
    .replace("LONG", &"x".repeat(4_000))
}

async fn house(config: &str) -> House {
    let house = House::family(&script(), config).await;
    house.enables("memory").await;
    house
}

/// What somebody's memory keeps.
async fn kept(records: &Records, person: &str) -> Option<String> {
    let person = PersonId::parse(person).unwrap();
    records.memory(&person).read("k").await.unwrap().map(|kept| kept.value)
}

/// The last of so many questions: where it was asked, its text and its id.
async fn question(house: &House, number: usize) -> (String, String, ApprovalId) {
    let (to, text) = house.is_asked(number).await.pop().unwrap();
    let id = text.split("/approve ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    (to, text, ApprovalId::parse(&id).unwrap())
}

async fn state(records: &Records, id: &ApprovalId) -> ApprovalState {
    records.approval(id).await.unwrap().unwrap().state
}

/// Says something, and gives the next messages, in whatever order they come.
async fn says(house: &House, said: Said<'_>, messages: usize) -> String {
    let before = house.hears(0).await.len();
    house.says(said).await;
    house.hears(before + messages).await.split_off(before).into_iter().map(|(_, text)| text + "\n").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_given_with_a_credential_is_kept_with_it_whatever_place_it_names() {
    let house = house("").await;
    house.says(Said::alone("olga", "keep it")).await;
    let (_, _, id) = question(&house, 1).await;
    let (agents, tokens_per_day, expires_in_ms, person, certificate, tailnet) = Default::default();
    let (name, scopes) = ("phone".to_owned(), [Scope::Approve].into());
    let create = CreateToken { name, scopes, agents, tokens_per_day, expires_in_ms, person, certificate, tailnet };
    let made = house.does(create).await.unwrap();
    let (application, token) = (&house.application, made.token.unwrap());
    let credentials = application.credentials().await.unwrap();
    let held = credentials.shown(CredentialKind::Token, token.as_bytes(), application.now_ms()).unwrap();
    let answer = RespondToApproval { id: id.to_string(), verdict: Verdict::Deny, reason: None, by: Place::Prompt };
    answer.run(application, &held.principal("gateway 192.0.2.7"), &Events::nobody()).await.unwrap();
    let verdict = house.records().await.approval(&id).await.unwrap().unwrap().verdict.unwrap();
    assert_eq!(verdict.by, format!("gateway 192.0.2.7 with {}", made.credential.id));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_alone_is_asked_in_that_conversation_and_answers_there() {
    let house = house("").await;
    let records = house.records().await;
    for (number, answer, told, done) in [
        (1, "/deny ID not today", "is denied.", "I was not allowed to."),
        (2, "/approve ID", "is allowed, once: `memory_write` of `memory`.", "Done."),
        (3, "/approve ID always", "From now on: `memory_write`", "Done."),
    ] {
        house.says(Said::alone("anna", "keep it")).await;
        let (to, text, id) = question(&house, number).await;
        assert_eq!(to, "chat:main:anna");
        // Every byte of it, and nothing that a program follows.
        for shown in
            ["`memory_write` of `memory`", "https[:]//evil[.]example/x", "because: ", "seen: owner", "sha256: "]
        {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("evil.example"), "{text}");
        let answer = answer.replace("ID", id.as_str());
        let heard = says(&house, Said::alone("anna", &answer), 2).await;
        assert!(heard.contains(told) && heard.contains(done), "{heard}");
        let verdict = records.approval(&id).await.unwrap().unwrap().verdict.unwrap();
        assert_eq!((verdict.by.as_str(), verdict.person), ("chat", PersonId::parse("anna").ok()));
        // The same again changes nothing, and another one comes too late.
        let again = says(&house, Said::alone("anna", &answer), 1).await;
        assert!(again.contains("this changes nothing"), "{again}");
        let other = if number == 1 { format!("/approve {id}") } else { format!("/deny {id}") };
        let late = says(&house, Said::alone("anna", &other), 1).await;
        assert!(late.starts_with("Nothing was decided: the approval is"), "{late}");
    }
    // The rule that was stored answers from now on.
    assert!(says(&house, Said::alone("anna", "keep it"), 1).await.contains("Done."));
    assert_eq!(house.is_asked(0).await.len(), 3);
    assert_eq!(kept(&records, "anna").await.as_deref(), Some("kept, see https://evil.example/x"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_decides_and_nobody_learns_whether_there_is_such_a_question() {
    let house = house("[sessions]\nstrangers = \"guest\"\n").await;
    let records = house.records().await;
    house.says(Said::alone("anna", "keep it")).await;
    let (_, _, id) = question(&house, 1).await;
    let no_such = says(&house, Said::alone("ben", "/approve a-zzzzzz"), 1).await;
    for command in ["/approve ID", "/approve ID always", "/deny ID because"] {
        let command = command.replace("ID", id.as_str());
        // The owner may decide, but was not asked here.
        for user in ["ben", "gus", "stranger", "olga"] {
            assert_eq!(says(&house, Said::alone(user, &command), 1).await, no_such, "{user}");
        }
        // Nor does whoever was asked decide where others read, or in another conversation.
        for user in ["anna", "ben", "olga", "stranger"] {
            let told = says(&house, Said::in_group(user, &command), 1).await;
            assert!(told.contains("in a conversation with me alone"), "{user}: {told}");
        }
        assert_eq!(says(&house, Said { room: "another", ..Said::alone("anna", &command) }, 1).await, no_such);
        // A text with it is a message like any other; whatever else is quoted is no answer.
        assert!(says(&house, Said::alone("ben", &format!("they said: {command}")), 1).await.contains("Done."));
        let quoted = says(&house, Said::quoted("anna", &command), 1).await;
        assert!(quoted.contains("only a message of your own"), "{quoted}");
    }
    assert_eq!(says(&house, Said::alone("ben", "/approvals"), 1).await, "You are not asked anything now.\n");
    assert!(says(&house, Said::alone("anna", "/approvals"), 1).await.contains(id.as_str()));
    assert!(says(&house, Said::alone("anna", "/approve"), 1).await.contains("That is no answer"));
    assert_eq!(state(&records, &id).await, ApprovalState::Waiting);
    // Whoever is nobody any more, and whoever has the address now, decides nothing either.
    records.unlink_address(&address("anna"), "a test").await.unwrap();
    house.knows("mallory", PersonRole::Member, "anna").await;
    assert_eq!(says(&house, Said::alone("anna", &format!("/approve {id}")), 1).await, no_such);
    assert_eq!(state(&records, &id).await, ApprovalState::Waiting);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_of_a_group_goes_to_the_owner_alone_and_never_to_the_group() {
    let house = house("").await;
    assert_eq!(house.asks(Said::alone("olga", "hello")).await, "Done.");
    house.says(Said::in_group("anna", "keep it")).await;
    let (to, text, id) = question(&house, 1).await;
    assert_eq!(to, "chat:main:olga");
    assert!(!text.contains("always"), "no rule answers in a group: {text}");
    let heard = says(&house, Said::alone("olga", &format!("/approve {id}")), 2).await;
    assert!(heard.contains("is allowed, once") && heard.contains("Done."), "{heard}");
    // Nor where the configuration, or what the owner did last, would lead there.
    house.close().await;
    let house = self::house("[approvals.ask-at]\nowner = \"chat:main:group\"\n").await;
    house.says(Said::in_group("anna", "keep it")).await;
    house.waits_for_approval().await;
    house.asks(Said::alone("ben", "hello")).await;
    assert!(house.is_asked(0).await.is_empty());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_shown_whole_is_named_and_is_not_answered_there() {
    let house = house("").await;
    house.says(Said::alone("anna", "keep much")).await;
    let (_, text) = house.is_asked(1).await.pop().unwrap();
    let id = house.waits_for_approval().await;
    assert!(text.contains(&format!("`cara approvals show {id}`")) && !text.contains("xxx"), "{text}");
    let told = says(&house, Said::alone("anna", &format!("/approve {id}")), 1).await;
    assert!(told.starts_with("Nothing was decided"), "{told}");
    assert_eq!(state(&house.records().await, &id).await, ApprovalState::Waiting);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_have_to_agree_where_the_configuration_says_so() {
    let settings =
        "[approvals]\ndeciders = [\"anna\", \"ben\"]\nneeded = \"all\"\n[approvals.ask-at]\nben = \"chat:main:ben\"\n";
    let house = house(settings).await;
    let records = house.records().await;
    house.says(Said::alone("anna", "keep it")).await;
    let mut asked: Vec<String> = house.is_asked(2).await.into_iter().map(|(to, _)| to).collect();
    asked.sort();
    assert_eq!(asked, ["chat:main:anna", "chat:main:ben"]);
    let (_, text, id) = question(&house, 2).await;
    assert!(!text.contains("always"), "{text}");
    let command = format!("/approve {id}");
    let kept_yes = says(&house, Said::alone("anna", &command), 1).await;
    assert!(kept_yes.contains("others have to agree"), "{kept_yes}");
    assert_eq!(state(&records, &id).await, ApprovalState::Waiting);
    assert_eq!(says(&house, Said::alone("anna", "/approvals"), 1).await, "You are not asked anything now.\n");
    let heard = says(&house, Said::alone("ben", &command), 2).await;
    assert!(heard.contains("is allowed, once") && heard.contains("Done."), "{heard}");
    assert!(kept(&records, "anna").await.is_some());
    // What somebody else says with a no is theirs, whoever they are to the assistant.
    house.says(Said::alone("anna", "keep it")).await;
    let (_, _, id) = question(&house, 4).await;
    says(&house, Said::alone("ben", &format!("/deny {id} write to me instead")), 2).await;
    let session = records.approval(&id).await.unwrap().unwrap().session;
    let told = records.messages(&session, 1, 99).await.unwrap();
    let told = told.iter().rfind(|message| message.body.to_string().contains("write to me instead")).unwrap();
    assert!(told.label.has(Source::OtherPerson), "{told:?}");
    // One no is a no, and whoever asked in the group is not among those who decide.
    house.says(Said::in_group("anna", "keep it")).await;
    let (to, _, id) = question(&house, 5).await;
    assert_eq!(to, "chat:main:ben");
    let heard = says(&house, Said::alone("ben", &format!("/deny {id} no")), 2).await;
    assert!(heard.contains("I was not allowed to."), "{heard}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_decide_are_checked_with_the_registry() {
    let house = house("").await;
    for (text, problem) in [
        ("deciders = [\"owner\", \"ann\"]", "`anna`, if you mean that one"),
        ("deciders = [\"gus\"]", "a guest, who decides nothing"),
        ("ask-at = { anna2 = \"chat:main:anna\" }", "`anna`, if you mean that one"),
        ("needed = \"most\"", "`any`, `all`, or a number"),
    ] {
        let text = Some(format!("[approvals]\n{text}\n"));
        let error = house.does(CheckConfig { text, name: None }).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
    let text = Some("[approvals]\ndeciders = [\"owner\", \"anna\"]\nneeded = 2\n".to_owned());
    house.does(CheckConfig { text, name: None }).await.unwrap();
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_asks_nobody_again_and_takes_the_answer() {
    let house = house("").await;
    house.says(Said::alone("anna", "keep it")).await;
    let (_, _, id) = question(&house, 1).await;
    let house = house.reopened().await;
    let heard = says(&house, Said::alone("anna", &format!("/approve {id}")), 2).await;
    assert!(heard.contains("is allowed, once") && heard.contains("Done."), "{heard}");
    assert_eq!(house.is_asked(0).await.len(), 1);
    house.close().await;
}
