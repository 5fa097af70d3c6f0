//! Thirty days of a family on two channels: who is asked how much, and that
//! nobody is asked twice.
//!
//! The owner, two members and a child who is a guest talk alone with the assistant on both channels, and in a group. The model
//! is honest: it notes, looks up and reckons what it is asked to. Nobody wrote a rule; people answer "always" where that is
//! offered. Now and then the process is another one, also while somebody is asked. The days are the same each time, and as
//! long as the work in them.

use super::house::{CHANNELS, House, PATIENCE, Said, address_on};
use cara_assistant::approvals::answer_request;
use cara_assistant::{Answer, Asked};
use cara_authority::{Decider, PersonId, PersonRole};
use cara_control::Delivered;
use cara_records::{Approval, Records};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DAYS: usize = 30;

/// The owner comes first, the guest last.
const FAMILY: [&str; 4] = ["olga", "anna", "ben", "gus"];

/// The clock is private, so that what it says is somebody's own.
const PRIVATE: &str = "[component.time.tool.time_now]\nresults = \"private\"\n";

/// What the model ends with after it called a tool.
const DONE: &str = "All is done.";

/// How the model begins to tell the time.
const LATE: &str = "It is late";

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// An answer out of the model's head.
    Talk,
    /// A sum.
    Sum,
    /// The time, which is private.
    Time,
    /// What was noted so far.
    Recall,
    /// A note in the person's own words.
    Dictated,
    /// A note in the words of the model.
    Composed,
    /// Another conversation.
    New,
}

/// What somebody says on a day.
struct Line {
    channel: &'static str,
    user: &'static str,
    group: bool,
    wish: Wish,
    text: String,
}

impl Line {
    fn said(&self) -> Said<'_> {
        let said = if self.group { Said::in_group(self.user, &self.text) } else { Said::alone(self.user, &self.text) };
        Said { channel: self.channel, ..said }
    }

    /// The turn of the model's script in which it does what it is asked.
    fn turn(&self, day: usize) -> Option<String> {
        let (name, arguments) = self.call(day)?;
        let (expect, arguments) = (Value::from(self.text.as_str()), Value::from(arguments.to_string()));
        Some(format!(
            "[[turn]]\nexpect = {expect}\nstep = [{{ tool-call = {{ name = \"{name}\", arguments = {arguments} }} }}]\n"
        ))
    }

    fn call(&self, day: usize) -> Option<(&'static str, Value)> {
        Some(match self.wish {
            Wish::Talk | Wish::New => return None,
            Wish::Sum => ("math_evaluate", json!({ "expression": format!("{day} * 7") })),
            Wish::Time => ("time_now", json!({ "zone": "Europe/Oslo" })),
            Wish::Recall => ("memory_list", json!({})),
            Wish::Dictated => ("memory_write", json!({ "key": format!("bins {day}"), "value": bins(day) })),
            Wish::Composed => (
                "memory_write",
                json!({ "key": format!("plan {day}"), "value": format!("They want to do it on day {day}.") }),
            ),
        })
    }

    fn answer(&self) -> &'static str {
        let is_guest = self.user == FAMILY[3];
        match self.wish {
            Wish::Talk => "Of course",
            // A guest's model has no tools: its call is none.
            _ if is_guest => DONE,
            Wish::New => "This is a new conversation",
            Wish::Time => LATE,
            Wish::Sum | Wish::Recall | Wish::Dictated | Wish::Composed => DONE,
        }
    }
}

fn bins(day: usize) -> String {
    format!("the bins go out on day {day}")
}

/// The same numbers each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// What is said on a day, by each in one place: alone, and by one of them in the group.
fn lines(chance: &mut Chance, day: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for user in FAMILY {
        let wish = match chance.below(12) {
            // Not each says something on each day.
            0 | 1 => continue,
            2 | 3 => Wish::Talk,
            4 => Wish::Sum,
            5 | 6 => Wish::Time,
            7 => Wish::Recall,
            8 | 9 => Wish::Dictated,
            _ => Wish::Composed,
        };
        // What a guest cannot have is asked for all the same.
        let wish = if day == DAYS / 2 && user == FAMILY[0] { Wish::New } else { wish };
        lines.push((CHANNELS[chance.below(2) as usize], user, false, wish));
    }
    let speaker = FAMILY[chance.below(3) as usize];
    match chance.below(6) {
        0 => lines.push((CHANNELS[0], speaker, true, Wish::Time)),
        1 | 2 => lines.push((CHANNELS[0], speaker, true, Wish::Talk)),
        _ => {}
    }
    let text = |user: &str, group: bool, wish: Wish| match wish {
        Wish::New => "/new".to_owned(),
        Wish::Dictated => format!("{user} says: remember under `bins {day}`: {}", bins(day)),
        _ => format!("{user} wants a {wish:?} on day {day}{}.", if group { " for all" } else { "" }),
    };
    let line = |(channel, user, group, wish)| Line { channel, user, group, wish, text: text(user, group, wish) };
    lines.into_iter().map(line).collect()
}

fn script(lines: &[Line], day: usize) -> String {
    let turns: String = lines.iter().filter_map(|line| line.turn(day)).collect();
    // Other words on another day: an answer to the group is another one.
    format!(
        "order = \"any\"\n{turns}[[turn]]\nexpect-tool-result = \"Europe/Oslo\"\nstep = [{{ text = \"{LATE} on day {day}.\" }}]\n\
         [[turn]]\nexpect = \"a Talk on\"\nstep = [{{ text = \"Of course, on day {day}.\" }}]\n\
         [[turn]]\nexpect = \"a Time on\"\nstep = [{{ text = \"{LATE}, I suppose.\" }}]\n\
         [[turn]]\nstep = [{{ text = \"{DONE}\" }}]\n"
    )
}

/// What was asked so far.
#[derive(Default)]
struct Tally {
    /// All requests.
    asked: BTreeSet<String>,
    /// What each was about: the session, the tool, the arguments.
    things: BTreeSet<[String; 3]>,
    /// What was allowed for good: the session, the tool.
    always: BTreeSet<[String; 2]>,
    /// Questions, by who answered.
    answered: BTreeMap<&'static str, usize>,
    /// Those that were about answers to the group.
    group: usize,
}

impl Tally {
    /// Looks at a question as those who are asked would.
    fn note(&mut self, line: &Line, approval: &Approval, asked: &Asked, by: &'static str) {
        assert!(self.asked.insert(approval.id.to_string()), "{approval:?} was answered before");
        let thing = [asked.session.clone(), asked.tool.clone(), asked.arguments.clone()];
        assert!(self.things.insert(thing), "asked twice for one thing: {asked:?}");
        let [session, tool] = [asked.session.clone(), asked.tool.clone()];
        assert!(!self.always.contains(&[session.clone(), tool.clone()]), "it was allowed for good: {asked:?}");
        if asked.always.is_some() {
            assert!(asked.within_session && !line.group, "{asked:?}");
            self.always.insert([session, tool]);
        }
        self.group += usize::from(line.group);
        *self.answered.entry(by).or_default() += 1;
    }
}

/// The person of a user.
fn person(user: &str) -> PersonId {
    if user == FAMILY[0] { PersonId::owner() } else { PersonId::parse(user).unwrap() }
}

async fn decider(records: &Records, user: &str) -> Decider {
    let principal = records.principal(&address_on(CHANNELS[0], user), "chat:main").await.unwrap().unwrap();
    principal.deciding("chat:main")
}

/// Who answers a question: who spoke alone, or somebody who may where all read. None may be asked who may not decide.
async fn answerer(records: &Records, line: &Line, approval: &Approval) -> &'static str {
    let roles: BTreeMap<PersonId, PersonRole> =
        records.people().await.unwrap().into_iter().map(|known| (known.id, known.role)).collect();
    for decides in &approval.deciders.persons {
        assert!(matches!(roles.get(decides), Some(PersonRole::Owner | PersonRole::Member)), "{approval:?}");
        let own = [PersonId::owner(), person(line.user)].contains(decides);
        assert!(own, "`{decides}` is asked about what {} wants: {approval:?}", line.user);
    }
    let may = |user: &&&'static str| approval.deciders.persons.contains(&person(user));
    Some(&line.user).into_iter().chain(&FAMILY).find(may).unwrap()
}

/// A question with who answered it.
type Question = (Approval, Asked, &'static str);

/// How often such an answer to a line was sent where it was said.
fn answers(sent: &[(String, String)], line: &Line) -> usize {
    let to = line.said().conversation();
    sent.iter().filter(|(room, text)| *room == to && text.starts_with(line.answer())).count()
}

/// Says a line and has it answered; gives the questions on the way.
async fn lives(house: &House, line: &Line) -> Vec<Question> {
    let before = answers(&house.sent().borrow(), line);
    assert!(matches!(house.says(line.said()).await, Delivered::Taken(_)));
    answered(house, line, before).await
}

/// The same, by another process than the one in which somebody is asked.
async fn lives_on(house: House, line: &Line) -> (House, Vec<Question>) {
    let before = answers(&house.sent().borrow(), line);
    house.says(line.said()).await;
    let asked = house.waits_for_approval().await;
    let house = house.reopened().await;
    let questions = answered(&house, line, before).await;
    assert!(questions.len() == 1 && questions[0].0.id == asked, "{questions:?}");
    (house, questions)
}

/// Answers questions until there is one more answer to a line than before.
async fn answered(house: &House, line: &Line, before: usize) -> Vec<Question> {
    let (records, mut sent) = (house.records().await, house.sent());
    let mut questions = Vec::new();
    let answered = async {
        loop {
            let heard = sent.wait_for(|sent| answers(sent, line) > before);
            if tokio::time::timeout(Duration::from_millis(20), heard).await.is_ok() {
                return;
            }
            for approval in waiting(&records, line).await {
                let asked = cara_assistant::explain::asked(approval.shown.clone()).unwrap();
                let by = answerer(&records, line, &approval).await;
                let answer = if asked.always.is_some() { Answer::Always } else { Answer::Once };
                let decider = decider(&records, by).await;
                answer_request(&records, &approval.id, &asked, &approval.person, &answer, &decider).await.unwrap();
                questions.push((approval, asked, by));
            }
        }
    };
    let lost = tokio::time::timeout(PATIENCE, answered).await.is_err();
    assert!(!lost, "no answer to {:?}: {:?}", line.text, house.sent().borrow());
    questions
}

/// What waits for an answer in the place of a line: each day, everybody speaks in one.
async fn waiting(records: &Records, line: &Line) -> Vec<Approval> {
    let mut waiting = records.waiting_approvals().await.unwrap();
    waiting.retain(|approval| match line.group {
        true => approval.person.as_str().starts_with("group:"),
        false => approval.person == person(line.user),
    });
    waiting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_days_of_a_family_ask_for_each_thing_once_and_only_who_may_decide() {
    let mut house = House::family("order = \"any\"\n[[turn]]\nstep = [{ text = \"Hello.\" }]\n", PRIVATE).await;
    house.enables("memory").await;
    for user in FAMILY {
        let records = house.records().await;
        records.link_address(&person(user), &address_on(CHANNELS[1], user), "a test").await.unwrap();
    }
    let (mut chance, mut tally, mut messages) = (Chance(12), Tally::default(), 0);
    for day in 1..=DAYS {
        let mut lines = lines(&mut chance, day);
        let mut lived = Vec::new();
        if day % 10 == 0 {
            lines.retain(|line| !line.group);
            let text = format!("anna wants a Time on day {day}, all of them.");
            lines.insert(0, Line { channel: CHANNELS[0], user: "anna", group: true, wish: Wish::Time, text });
            house.plays(&script(&lines, day)).await;
            let questions;
            (house, questions) = lives_on(house, &lines[0]).await;
            lived.push(questions);
        } else {
            house.plays(&script(&lines, day)).await;
        }
        lived.extend(join_all(lines[lived.len()..].iter().map(|line| lives(&house, line))).await);
        messages += lines.len();
        for (line, questions) in lines.iter().zip(lived) {
            for (approval, asked, by) in questions {
                tally.note(line, &approval, &asked, by);
            }
        }
    }
    let asked: usize = tally.answered.values().sum();
    let day = |user: &str| *tally.answered.get(user).unwrap_or(&0) as f64 / DAYS as f64;
    let each = FAMILY.map(|user| format!("{user} {:.2}", day(user)));
    let group = tally.group;
    println!(
        "{messages} messages, {asked} questions in {DAYS} days, {group} for the group; a day: {}",
        each.join(", ")
    );
    assert_eq!(requests(&house.records().await).await, asked, "a question that nobody was seen to be asked");
    assert!(FAMILY.iter().all(|user| day(user) <= 1.0) && day(FAMILY[3]) == 0.0, "{each:?}");
    house.close().await;
}

/// How many requests there are in the ledger.
async fn requests(records: &Records) -> usize {
    let mut requests = 0;
    for session in records.recent_sessions(None, u32::MAX).await.unwrap() {
        for run in records.runs(&session.id).await.unwrap() {
            requests += records.approvals_of(&run.id).await.unwrap().len();
        }
    }
    requests
}
