//! Messages each way, a process that is killed at any moment, and a platform
//! that fails, repeats, delays and lies.
//!
//! ```text
//! parent: Platform ←─ lines ─→ child: poll, receive, acknowledge · runs that answer · the driver      ✂ SIGKILL, again and again
//! ```
//!
//! Nothing may be lost, and nothing repeated where the platform knows the key or can be asked; of the rest, what nobody knows
//! is shown as that.

use super::*;
use cara_authority::{PersonAddress, PersonId, RunId, SessionId, Source};
use cara_records::{InboundId, InboundState, NewInbound, NewMessage, ReceiveError, Role, RunState};
use cara_services::ledger::{Place, Server};
use platform::{Platform, WINDOW};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use tokio::sync::oneshot;

mod platform;

const CHILD: &str = "CARA_TEST_CHANNELS_CHILD";

/// Kills, unless the variable says otherwise; for each there are some 34 messages.
const KILLS: usize = 40;
const MORE: &str = "CARA_KILLS";
const OF_ONE: usize = 34;

/// As the driver is in the child: everything in a hurry.
const HURRY: Pace = Pace {
    at_once: 64,
    deadline: Duration::from_millis(150),
    settle: Duration::from_millis(600),
    first_wait: Duration::from_millis(4),
    longest_wait: Duration::from_millis(16),
    attempts: 1_000,
    time: Duration::from_secs(3_600),
    grace: Duration::from_millis(20),
};

/// Says a line, all of it or nothing.
fn say(line: String) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The platform as the child sees it: a question on a line, an answer on a line.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<HashMap<u64, oneshot::Sender<String>>>>, Arc<Mutex<u64>>);

impl Line {
    fn listen(&self) {
        let waiting = self.0.clone();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let Some((number, answer)) = line.split_once(' ') else { continue };
                let asked = waiting.lock().unwrap().remove(&number.parse::<u64>().unwrap());
                // Whoever gave up hears nothing any more, nor who is answered twice.
                let _heard = asked.map(|asked| asked.send(answer.to_owned()));
            }
        });
    }

    async fn ask(&self, what: &str) -> String {
        let (sender, answer) = oneshot::channel();
        let number = {
            let mut number = self.1.lock().unwrap();
            *number += 1;
            *number
        };
        self.0.lock().unwrap().insert(number, sender);
        say(format!("ask {number} {what}"));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

struct Far(Line);

#[async_trait::async_trait]
impl Channel for Far {
    fn name(&self) -> &str {
        "chat"
    }

    fn class(&self, account: &str) -> Option<DeliveryClass> {
        platform::class(account)
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        let (to, text) = (&message.message.address, message.message.body.as_str().unwrap());
        // What is on its way is not late because the platform reads it late.
        let answer = self.0.ask(&format!("send {} {} {to} {text}", Clock::system().now_ms(), message.id)).await;
        match answer.split_once(' ').unwrap() {
            ("sent", receipt) => Ok(receipt.to_owned()),
            ("busy", _) => Err(SendError::new(Failure::NotSent, "busy")),
            ("later", ms) => {
                let wish = Duration::from_millis(ms.parse().unwrap());
                Err(SendError::new(Failure::NotSent, "later").retry_after(wish))
            }
            (_, why) => Err(SendError::new(Failure::Unsure, why)),
        }
    }

    async fn confirm(&self, to: &ConversationAddress, key: &str) -> Result<Option<String>, SendError> {
        let answer = self.0.ask(&format!("confirm {key} {to} -")).await;
        match answer.split_once(' ').unwrap() {
            ("sent", receipt) => Ok(Some(receipt.to_owned())),
            ("none", _) => Ok(None),
            (_, why) => Err(SendError::new(Failure::Unsure, why)),
        }
    }
}

/// The records in a file, or on a server, which who lives has to itself.
async fn records(place: &str) -> Records {
    let place = place.parse::<Server>().map_or(PathBuf::from(place).into(), Place::from);
    let ledger = Ledger::open(place, Clock::system(), [7; 32].into()).await.unwrap();
    Records::open(&ledger, ContentKey::new([5; 32].into())).await.unwrap()
}

/// The process that is killed. Without its variable it is no child, and there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_works_until_it_is_killed() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let records = records(&place).await;
    let line = Line::default();
    line.listen();
    let sent = {
        let (records, channel) = (records.clone(), Arc::new(Far(line.clone())));
        tokio::spawn(async move {
            drive(records, channel, "a child", &|_| true, HURRY, CancellationToken::new()).await.unwrap();
        })
    };
    let answered = tokio::spawn(answer_all(records.clone()));
    receive_all(&records, &line).await;
    // All came: until all are answered, and something is known of each answer.
    let (mut inbox, mut outbox) = (records.inbox_changed(), records.outbox_settled());
    loop {
        let counts = records.inbox_counts().await.unwrap();
        let open = records.outbox_open("chat").await.unwrap();
        if open == 0 && counts.iter().all(|(state, _)| *state == InboundState::Answered) {
            break;
        }
        tokio::select! {
            _ = inbox.changed() => {}
            _ = outbox.changed() => {}
        }
    }
    assert!(!sent.is_finished() && !answered.is_finished());
    say("ask 0 done".to_owned());
}

/// Takes in what the platform has, and acknowledges it when that is on disk.
async fn receive_all(records: &Records, line: &Line) {
    loop {
        let polled = line.ask("poll").await;
        if polled == "all" {
            return;
        }
        let came: Vec<NewInbound> = polled.split(' ').map(came).collect();
        let mut changed = records.inbox_changed();
        while let Err(refused) = records.receive_all(&came).await {
            // Nothing of it is acknowledged before there is room.
            assert!(matches!(refused, ReceiveError::Full { .. }), "{refused}");
            changed.changed().await.unwrap();
        }
        let ids: Vec<&str> = came.iter().map(|new| new.platform_id.as_str()).collect();
        line.ask(&format!("acknowledge {}", ids.join(" "))).await;
    }
}

/// A message as the platform writes it: `account:room:number`, and `!` behind it where it was changed since.
fn came(text: &str) -> NewInbound {
    let id = text.trim_end_matches('!');
    let [account, room, _] = id.split(':').collect::<Vec<_>>().try_into().unwrap();
    NewInbound {
        address: ConversationAddress::parse(&format!("chat:{account}:{room}")).unwrap(),
        sender: PersonAddress::parse(&format!("chat:{account}:ben")).unwrap(),
        sender_name: None,
        platform_id: id.to_owned(),
        group: false,
        mentioned: false,
        body: json!(text),
        label: Label::of(Source::OtherPerson),
        sent_ms: 0,
    }
}

/// Answers what waits, the messages of a conversation that wait together in one run.
async fn answer_all(records: Records) {
    let session = match records.recent_sessions(None, 1).await.unwrap().pop() {
        Some(session) => session.id,
        None => records.begin_session(&PersonId::parse("anna").unwrap(), "chat", "a", "t").await.unwrap(),
    };
    for run in records.unfinished_runs().await.unwrap() {
        end(&records, &run.id).await;
    }
    let mut changed = records.inbox_changed();
    loop {
        changed.mark_unchanged();
        for waiting in records.waiting_conversations().await.unwrap() {
            let messages = records.waiting_inbound(&waiting.address, 20).await.unwrap();
            let ids: Vec<InboundId> = messages.into_iter().map(|message| message.id).collect();
            begin(&records, &session, &ids).await;
        }
        if records.waiting_conversations().await.unwrap().is_empty() {
            changed.changed().await.unwrap();
        }
    }
}

async fn begin(records: &Records, session: &SessionId, messages: &[InboundId]) {
    let said = NewMessage { role: Role::User, body: json!("?"), label: Label::NONE, speaker: None };
    let run = Records::fresh_run().unwrap();
    records.begin_run_for(&run, session, "a child", &said, (None, None), messages).await.unwrap();
    end(records, &run).await;
}

/// Ends a run, also one that another process began, with an answer to each of its messages.
async fn end(records: &Records, run: &RunId) {
    let answers = records.inbound_of(run).await.unwrap().into_iter().map(|inbound| NewOutbound {
        address: inbound.message.address,
        by: "run".into(),
        key: inbound.id.to_string(),
        answers: Some(inbound.id),
        run: Some(run.clone()),
        body: json!(inbound.message.platform_id),
        label: Label::NONE,
    });
    let answers: Vec<NewOutbound> = answers.collect();
    assert!(records.end_run_with(run, &[], RunState::Done, None, &[], &answers).await.unwrap());
}

/// What a child said, and where it is answered.
struct Talk {
    heard: Receiver<String>,
    answers: ChildStdin,
}

impl Talk {
    /// Answers until the child said so much, or is done. Returns whether it is.
    fn answer(&mut self, platform: &mut Platform, most: usize) -> bool {
        let mut said = 0;
        while said < most {
            match self.heard.recv_timeout(platform.due()) {
                Ok(line) if line == "0 done" => return true,
                Ok(line) => {
                    said += 1;
                    platform.hear(&line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the child ended by itself"),
            }
            for answer in platform.answers() {
                // It may be dead.
                let _ = writeln!(self.answers, "{answer}");
            }
        }
        false
    }
}

/// Runs a child until it has said so much, and kills it; or until it is done.
fn one(place: &str, platform: &mut Platform, most: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["tests::kill::a_child_works_until_it_is_killed", "--exact", "--nocapture"])
        .env(CHILD, place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, heard) = channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let reading = std::thread::spawn(move || {
        for line in lines.filter_map(|line| line.strip_prefix("ask ").map(str::to_owned)) {
            let _ = sender.send(line);
        }
    });
    let mut talk = Talk { heard, answers: child.stdin.take().unwrap() };
    let done = talk.answer(platform, most);
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap();
    // What was on its way when it was killed arrives all the same.
    talk.heard.try_iter().filter(|line| line != "0 done").for_each(|line| platform.hear(&line));
    platform.answers();
    done
}

#[test]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing_that_can_be_known() {
    let folder = tempfile::tempdir().unwrap();
    killed_again_and_again(folder.path().join("ledger.db").to_str().unwrap());
}

#[test]
fn kills_at_any_moment_lose_nothing_on_a_server_either() {
    let Some(postgres) = cara_postgres::server() else { return };
    killed_again_and_again(&postgres.url(&postgres.user()));
}

fn killed_again_and_again(place: &str) {
    let kills = std::env::var(MORE).map_or(KILLS, |kills| kills.parse().unwrap());
    let mut platform = Platform::new(kills * OF_ONE);
    let began = Instant::now();
    let mut killed = 0;
    while killed < kills {
        let most = 1 + platform.chance(2 * OF_ONE as u64) as usize;
        if one(place, &mut platform, most) {
            break;
        }
        killed += 1;
        if killed % 10 == 0 {
            // Nothing runs for so long that the platform forgets all keys.
            let (_nobody, never) = channel::<()>();
            assert!(never.recv_timeout(WINDOW).is_err());
        }
    }
    assert!(killed == kills, "all was done after {killed} kills");
    assert!(one(place, &mut platform, usize::MAX));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runtime.block_on(check(place, &platform));
    say(format!("{} messages each way, {kills} kills, {:?}: {told}", platform.count(), began.elapsed()));
}

/// Compares what the ledger says with what the platform has.
async fn check(place: &str, platform: &Platform) -> String {
    let records = records(place).await;
    let count = platform.count();
    assert_eq!(records.inbox_counts().await.unwrap(), [(InboundState::Answered, count as u64)], "each once");
    let rows = records.outbox(None, u32::MAX).await.unwrap();
    assert_eq!(rows.len(), count, "an answer each");
    let (mut sent, mut unknown, mut arrived) = (0, BTreeMap::new(), 0);
    for row in rows {
        let text = row.message.body.as_str().unwrap();
        let has = platform.has(text);
        assert!(has.len() <= 1, "{text} arrived {} times: {row:?}", has.len());
        match row.state {
            OutboundState::Sent => {
                assert_eq!(row.receipt.as_deref(), has.first().map(String::as_str), "guessed: {row:?}");
                sent += 1;
            }
            OutboundState::Unknown => {
                *unknown.entry(row.message.address.account.clone()).or_insert(0) += 1;
                arrived += has.len();
            }
            state => panic!("{text} is {state}"),
        }
        let must_be_known = row.class == Some(DeliveryClass::Checkable);
        assert!(row.state == OutboundState::Sent || !must_be_known, "{row:?}");
        if let Some(DeliveryClass::Keyed { window_ms }) = row.class.filter(|_| row.state == OutboundState::Unknown) {
            // Only where there was no time to send it again.
            let late = row.settled_ms.unwrap() + 2 * HURRY.deadline.as_millis() as u64;
            assert!(late >= row.first_ms.unwrap() + window_ms, "{row:?}");
        }
    }
    platform.check_order();
    format!(
        "{sent} sent, unknown {unknown:?}, of which {arrived} arrived, {} repetitions seen by key",
        platform.repeated()
    )
}
