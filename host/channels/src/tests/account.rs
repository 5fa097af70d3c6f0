//! Tests of what drives an account: sources, waits, its end.

use crate::{Account, AccountDriver, AccountState, Pace, Trouble};
use cara_kernel::bindings::channel::{
    Delivery, Event, Handled, Identity, Poll, Request, Response, Source, Started, Timer,
};
use cara_services::clock::Clock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// An account that does what it is told, and remembers.
#[derive(Default)]
struct Told {
    log: Mutex<Vec<(String, Instant)>>,
    said: Notify,
    starts: Mutex<VecDeque<Result<Vec<Source>, Trouble>>>,
    answers: Mutex<VecDeque<Result<(), Trouble>>>,
    handles: Mutex<VecDeque<Result<Vec<Source>, Trouble>>>,
    /// How many events are handled now, and the most there were.
    at_once: Mutex<(usize, usize)>,
}

fn trouble(text: &str) -> Trouble {
    Trouble { text: text.to_owned(), retry_after: None, refused: false }
}

fn poll(id: &str) -> Source {
    let request = Request { method: "POST".into(), url: id.into(), headers: Vec::new(), body: Vec::new() };
    Source::Poll(Poll { id: id.into(), request, after_ms: 0 })
}

impl Told {
    fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push((what.into(), Instant::now()));
        self.said.notify_waiters();
    }

    fn words(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(what, _)| what.clone()).collect()
    }

    /// Waits until so many things happened.
    async fn happened(&self, count: usize) -> Vec<String> {
        let waited = async {
            loop {
                let said = self.said.notified();
                let words = self.words();
                if words.len() >= count {
                    return words;
                }
                said.await;
            }
        };
        timeout(Duration::from_secs(3_600), waited).await.expect("it happens within an hour of the test's clock")
    }
}

#[async_trait::async_trait]
impl Account for Told {
    async fn start(&self) -> Result<Started, Trouble> {
        self.note("start");
        let sources = self.starts.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Vec::new()))?;
        let me = Identity { id: "7".into(), name: "me".into() };
        Ok(Started { me, delivery: Delivery::Blind, sources })
    }

    async fn on_event(&self, _: Identity, event: Event) -> Result<Handled, Trouble> {
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        tokio::task::yield_now().await;
        self.at_once.lock().unwrap().0 -= 1;
        match event {
            Event::Answered(answer) => self.note(format!("event {}", answer.id)),
            Event::Tick(id) => self.note(format!("tick {id}")),
        }
        let next = self.handles.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Handled { next })
    }

    async fn request(&self, request: &Request) -> Result<Response, Trouble> {
        self.note(format!("request {}", request.url));
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))?;
        Ok(Response { status: 200, headers: Vec::new(), body: Vec::new() })
    }
}

struct Fixture {
    told: Arc<Told>,
    state: watch::Receiver<AccountState>,
    changed: watch::Sender<()>,
    stop: CancellationToken,
    driven: JoinHandle<()>,
}

impl Fixture {
    fn of(told: Told) -> Self {
        let (told, changed, stop) = (Arc::new(told), watch::Sender::new(()), CancellationToken::new());
        let (tell, state) = watch::channel(AccountState::default());
        let driver = AccountDriver {
            account: told.clone(),
            pace: Pace::default(),
            clock: Clock::system(),
            state: tell,
            changed: changed.subscribe(),
        };
        let ends = stop.clone();
        let driven = tokio::spawn(async move { driver.drive(ends).await });
        Self { told, state, changed, stop, driven }
    }

    async fn ended(self) {
        self.stop.cancel();
        self.driven.await.unwrap();
        assert_eq!(self.state.borrow().connected_ms, None);
    }

    fn gaps(&self) -> Vec<Duration> {
        let log = self.told.log.lock().unwrap();
        log.windows(2).map(|two| two[1].1 - two[0].1).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_happens_once_and_goes_on_as_its_event_says_until_the_account_is_stopped() {
    let told = Told::default();
    told.starts.lock().unwrap().push_back(Ok(vec![poll("a")]));
    let tick = Source::Timer(Timer { id: "t".into(), after_ms: 700 });
    told.handles.lock().unwrap().extend([Ok(vec![poll("a"), tick]), Ok(Vec::new()), Ok(Vec::new())]);
    let fixture = Fixture::of(told);
    let words = fixture.told.happened(6).await;
    assert_eq!(words, ["start", "request a", "event a", "request a", "event a", "tick t"]);
    let (gaps, state) = (fixture.gaps(), fixture.state.borrow().clone());
    assert!(gaps[2] >= Duration::from_millis(50), "a server that answers at once keeps nobody busy: {gaps:?}");
    assert!(state.connected_ms.is_some() && state.error.is_none() && state.me.unwrap().id == "7");
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_asked_for_again_later_and_later_and_a_platform_that_says_when_is_obeyed() {
    let told = Told::default();
    told.starts.lock().unwrap().push_back(Ok(vec![poll("a")]));
    let asked = Trouble { retry_after: Some(Duration::from_secs(40)), ..trouble("slow down") };
    told.answers.lock().unwrap().extend([Err(trouble("no network")), Err(trouble("no network")), Err(asked)]);
    let fixture = Fixture::of(told);
    let words = fixture.told.happened(6).await;
    assert_eq!(words, ["start", "request a", "request a", "request a", "request a", "event a"]);
    let gaps = fixture.gaps();
    let secs = |gap: &Duration| gap.as_secs_f32();
    assert!((1.0..=2.1).contains(&secs(&gaps[1])) && (2.0..=4.1).contains(&secs(&gaps[2])), "{gaps:?}");
    assert!((40.0..=45.0).contains(&secs(&gaps[3])), "{gaps:?}");
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_connects_anew_and_a_change_wakes_what_waits() {
    let told = Told::default();
    let refused = Trouble { refused: true, ..trouble("who are you?") };
    told.starts.lock().unwrap().extend([Ok(vec![poll("a")]), Err(refused.clone()), Ok(vec![poll("a")])]);
    told.answers.lock().unwrap().push_back(Err(refused));
    let fixture = Fixture::of(told);
    fixture.told.happened(3).await;
    let mut state = fixture.state.clone();
    let failing = state.wait_for(|state| state.error.is_some() && state.connected_ms.is_none()).await.unwrap().clone();
    assert!(failing.error.unwrap().contains("who are you?") && failing.retry_ms.is_some());
    let before = Instant::now();
    fixture.changed.send_replace(());
    let words = fixture.told.happened(6).await;
    assert_eq!(words, ["start", "request a", "start", "start", "request a", "event a"]);
    assert!(before.elapsed() < Duration::from_millis(500), "nobody waits for the next try");
    assert_eq!(fixture.state.borrow().error, None);
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_keeps_failing_has_the_account_connected_anew() {
    let told = Told::default();
    told.starts.lock().unwrap().extend([Ok(vec![poll("a")]), Ok(Vec::new())]);
    told.handles.lock().unwrap().extend((0..5).map(|_| Err(trouble("it is broken"))));
    let fixture = Fixture::of(told);
    let words = fixture.told.happened(12).await;
    assert_eq!(words.iter().filter(|word| *word == "start").count(), 2, "{words:?}");
    assert_eq!(words.iter().filter(|word| *word == "event a").count(), 5);
    let gaps = fixture.gaps();
    let anew = words.iter().rposition(|word| *word == "start").unwrap();
    assert!(fixture.state.borrow().error.is_some(), "only an event that is handled shows that it is mended: {gaps:?}");
    assert!(anew > 1);
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_sources_never_work_is_connected_less_and_less_often() {
    let told = Told::default();
    let refused = || Trouble { refused: true, ..trouble("no") };
    told.starts.lock().unwrap().extend((0..9).map(|_| Ok(vec![poll("a")])));
    told.answers.lock().unwrap().extend((0..9).map(|_| Err(refused())));
    let fixture = Fixture::of(told);
    fixture.told.happened(18).await;
    let log = fixture.told.log.lock().unwrap().clone();
    let starts: Vec<Instant> = log.iter().filter(|(what, _)| what == "start").map(|(_, at)| *at).collect();
    let waits: Vec<Duration> = starts.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits[7] > Duration::from_secs(100) && waits[0] < Duration::from_secs(3), "{waits:?}");
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_try_counts_and_a_platform_that_says_when_is_not_asked_before_for_any() {
    let told = Told::default();
    told.starts.lock().unwrap().push_back(Ok(vec![poll("a")]));
    let later = Trouble { retry_after: Some(Duration::from_secs(30)), ..trouble("flood") };
    told.answers.lock().unwrap().push_back(Err(later));
    let fixture = Fixture::of(told);
    fixture.told.happened(2).await;
    fixture.changed.send_replace(());
    fixture.told.happened(4).await;
    assert!(fixture.gaps()[1] >= Duration::from_secs(30));
    fixture.ended().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_an_account_are_handled_one_at_a_time_and_its_sources_are_bounded() {
    let told = Told::default();
    told.starts.lock().unwrap().push_back(Ok((0..40).map(|number| poll(&format!("s{number}"))).collect()));
    let fixture = Fixture::of(told);
    let words = fixture.told.happened(1 + 2 * 32).await;
    assert_eq!(words.iter().filter(|word| word.starts_with("event")).count(), 32);
    assert_eq!(fixture.told.at_once.lock().unwrap().1, 1);
    fixture.ended().await;
}
