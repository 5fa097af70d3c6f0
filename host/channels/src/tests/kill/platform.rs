//! A platform that fails, repeats, delays and lies.

use cara_records::DeliveryClass;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long the platform knows a key.
pub(super) const WINDOW: Duration = Duration::from_millis(1_800);

/// How late a message may arrive.
const LATE: Duration = Duration::from_millis(10);

/// Rooms of each account.
const ROOMS: usize = 12;

const ACCOUNTS: [&str; 3] = ["keyed", "checkable", "blind"];

/// How the platform says that it delivers; it keeps to that.
pub(super) fn class(account: &str) -> Option<DeliveryClass> {
    match account {
        // A little less than it does: who looks at the clock may be held up before it sends.
        "keyed" => Some(DeliveryClass::Keyed { window_ms: WINDOW.as_millis() as u64 - 1_100 }),
        "checkable" => Some(DeliveryClass::Checkable),
        "blind" => Some(DeliveryClass::Blind),
        _ => None,
    }
}

/// A message that arrived.
struct Arrived {
    room: String,
    text: String,
    receipt: String,
    /// The sender may not have waited for it.
    late: bool,
}

/// A message on its way.
#[derive(Clone)]
struct Sent {
    at_ms: u64,
    key: String,
    room: String,
    text: String,
}

/// The platform.
pub(super) struct Platform {
    random: u64,
    messages: Vec<String>,
    acknowledged: BTreeSet<usize>,
    arrived: Vec<Arrived>,
    /// What each key was given, and when, as the sender's clock has it.
    keys: HashMap<String, (String, u64)>,
    late: VecDeque<(Instant, Sent)>,
    answers: Vec<String>,
    repeated: usize,
    /// Who polls while there is nothing new.
    numbers: HashMap<String, usize>,
}

impl Platform {
    pub(super) fn new(count: usize) -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).unwrap();
        let message = |number: usize| {
            let (account, room) = (ACCOUNTS[number % 3], number / 3 % ROOMS);
            format!("{account}:{account}-{room}:{number}")
        };
        let messages: Vec<String> = (0..count).map(message).collect();
        let numbers = messages.iter().enumerate().map(|(number, id)| (id.clone(), number)).collect();
        let (acknowledged, arrived, keys, late, answers) = Default::default();
        let random = u64::from_le_bytes(seed) | 1;
        Self { random, messages, acknowledged, arrived, keys, late, answers, repeated: 0, numbers }
    }

    /// A number below `most`.
    pub(super) fn chance(&mut self, most: u64) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most
    }

    pub(super) fn count(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn repeated(&self) -> usize {
        self.repeated
    }

    /// How long until a message arrives that is late.
    pub(super) fn due(&self) -> Duration {
        let next = self.late.front().map(|(at, ..)| at.saturating_duration_since(Instant::now()));
        next.unwrap_or(Duration::from_secs(60))
    }

    /// What is to be said by now.
    pub(super) fn answers(&mut self) -> Vec<String> {
        self.arrive_late();
        std::mem::take(&mut self.answers)
    }

    fn arrive_late(&mut self) {
        while self.late.front().is_some_and(|(at, ..)| *at <= Instant::now()) {
            let (_, sent) = self.late.pop_front().unwrap();
            self.arrive(&sent, true);
        }
    }

    /// Hears a line: a number, what is asked, and of what.
    pub(super) fn hear(&mut self, line: &str) {
        self.arrive_late();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [number, "poll"] => self.poll(number),
            [number, "acknowledge", ..] => {
                self.acknowledged.extend(words[2..].iter().map(|id| self.numbers[*id]));
                self.answers.push(format!("{number} well"));
            }
            [number, "send", at, key, room, text] => {
                let [key, room, text] = [key, room, text].map(str::to_owned);
                self.send(number, Sent { at_ms: at.parse().unwrap(), key, room, text });
            }
            [number, "confirm", key, ..] => self.confirm(number, key),
            _ => panic!("{line}"),
        }
    }

    /// What was not acknowledged, and now and then what was, changed meanwhile.
    fn poll(&mut self, number: &str) {
        let new = (0..self.messages.len()).filter(|number| !self.acknowledged.contains(number)).take(24);
        let mut told: Vec<String> = new.map(|number| self.messages[number].clone()).collect();
        if told.is_empty() {
            return self.answers.push(format!("{number} all"));
        }
        let again: Vec<usize> = self.acknowledged.iter().copied().collect();
        for _ in 0..self.chance(3).min(again.len() as u64) {
            let old = again[self.chance(again.len() as u64) as usize];
            told.push(format!("{}!", self.messages[old]));
        }
        self.answers.push(format!("{number} {}", told.join(" ")));
    }

    fn send(&mut self, number: &str, sent: Sent) {
        match self.chance(100) {
            // Not there, and it says so.
            0..6 => self.answers.push(format!("{number} busy -")),
            6..9 => self.answers.push(format!("{number} later 20")),
            // There, and it says that it failed.
            9..14 => {
                self.arrive(&sent, false);
                self.answers.push(format!("{number} failed 500"));
            }
            // There, and it says nothing.
            14..17 => drop(self.arrive(&sent, false)),
            // Not there, and it says nothing, or that something failed.
            17..19 => {}
            19..21 => self.answers.push(format!("{number} failed 502")),
            // There some time later.
            21..24 => {
                let at = Instant::now() + LATE;
                let at_ms = sent.at_ms + LATE.as_millis() as u64;
                self.late.push_back((at, Sent { at_ms, ..sent }));
            }
            chance => {
                let receipt = self.arrive(&sent, false);
                // Some answers come twice.
                let times = if chance < 27 { 2 } else { 1 };
                (0..times).for_each(|_| self.answers.push(format!("{number} sent {receipt}")));
            }
        }
    }

    fn arrive(&mut self, sent: &Sent, late: bool) -> String {
        let Sent { at_ms, key, room, text } = sent.clone();
        let known = self.keys.get(&key).filter(|(_, first)| at_ms < first + WINDOW.as_millis() as u64);
        if let Some((receipt, _)) = known.filter(|_| room.starts_with("chat:keyed:")) {
            self.repeated += 1;
            return receipt.clone();
        }
        let receipt = format!("m-{}", self.arrived.len());
        self.keys.insert(key, (receipt.clone(), at_ms));
        self.arrived.push(Arrived { room, text, receipt: receipt.clone(), late });
        receipt
    }

    fn confirm(&mut self, number: &str, key: &str) {
        match self.chance(10) {
            0 => {}
            1 => self.answers.push(format!("{number} failed 500")),
            _ => match self.keys.get(key) {
                Some((receipt, _)) => self.answers.push(format!("{number} sent {receipt}")),
                None => self.answers.push(format!("{number} none -")),
            },
        }
    }

    /// What the platform calls the messages with this text that arrived.
    pub(super) fn has(&self, text: &str) -> Vec<String> {
        self.arrived.iter().filter(|arrived| arrived.text == text).map(|arrived| arrived.receipt.clone()).collect()
    }

    /// In each room the answers stand in the order of what they answer, but for those that came after they were given up.
    pub(super) fn check_order(&self) {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for arrived in &self.arrived {
            let gives_up = arrived.room.starts_with("chat:blind:");
            if arrived.late && gives_up {
                continue;
            }
            let number = self.numbers[&arrived.text];
            let before = last.insert(&arrived.room, number);
            assert!(before.is_none_or(|before| before < number), "{} came after {before:?}", arrived.text);
        }
    }
}
