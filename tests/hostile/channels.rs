//! Attacks of a channel: forged senders, another account's state, floods.

use cara_authority::{AccountId, ChannelGrant, Refusal};
use cara_harness::{Reply, Subject, Testbed, Upstream};
use cara_kernel::bindings::channel::{Account, Event, Identity, Request};
use cara_kernel::bindings::inbox::Inbound;
use cara_kernel::bindings::types::{Address, ErrorKind, Outbound};
use cara_kernel::{CallServices, HostServices, Inbox};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Remembers what was handed in: by which channel, for which account, how much.
#[derive(Default)]
struct Taken(Mutex<Vec<(String, String, usize)>>);

#[async_trait::async_trait]
impl Inbox for Taken {
    async fn deliver(&self, by: ChannelGrant, account: &AccountId, messages: Vec<Inbound>) -> Result<(), Refusal> {
        self.0.lock().unwrap().push((by.component().to_string(), account.to_string(), messages.len()));
        Ok(())
    }
}

struct House {
    testbed: Testbed,
    upstream: Upstream,
    taken: Arc<Taken>,
}

impl House {
    async fn new() -> Self {
        let upstream = Upstream::start(|_| Reply::ok("{}")).await;
        Self { testbed: Testbed::new().await, upstream, taken: Arc::default() }
    }

    fn subject(&self) -> Subject {
        let wanted = self.testbed.guest("hostile-channel").setting("base-url", self.upstream.url());
        self.testbed.secrets.set("hostile-channel", "token@main", "canary-of-the-token");
        wanted.load()
    }

    fn of(&self, subject: &Subject, account: &str) -> (CallServices, Account) {
        let me = Identity { id: "7".into(), name: "me".into() };
        let host_services = HostServices { inbox: Some(self.taken.clone()), ..HostServices::default() };
        let id = AccountId::parse(account).unwrap();
        let services = CallServices { account: Some(id), host_services, ..subject.services.clone() };
        (services, Account { id: account.to_owned(), me })
    }

    async fn starts(&self, subject: &Subject, account: &str) -> Result<String, String> {
        let (services, _) = self.of(subject, account);
        let started = subject.component.start_account(&subject.grants, &services).await;
        let started = started.map_err(|fault| fault.to_string())?;
        started.answer.map(|started| started.me.name).map_err(|error| error.message)
    }

    async fn event(&self, subject: &Subject, account: &str) -> Result<(), String> {
        let (services, of) = self.of(subject, account);
        let event = Event::Tick("t".into());
        let handled = subject.component.on_event(&subject.grants, &services, of, event).await;
        handled.map_err(|fault| fault.to_string())?.answer.map(drop).map_err(|error| error.message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_hands_in_came_to_the_account_that_was_called_whatever_it_says() {
    let house = House::new().await;
    let subject = house.subject();
    house.event(&subject, "forge").await.unwrap();
    house.starts(&subject, "early").await.unwrap();
    let of = |account: &str| ("hostile-channel".to_owned(), account.to_owned(), 1);
    assert_eq!(*house.taken.0.lock().unwrap(), [of("forge"), of("early")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_no_account_hands_in_nothing() {
    let house = House::new().await;
    let subject = house.subject();
    let (services, account) = house.of(&subject, "forge");
    let services = CallServices { account: None, ..services };
    let handled = subject.component.on_event(&subject.grants, &services, account, Event::Tick("t".into())).await;
    let handled = handled.unwrap();
    assert!(handled.answer.is_err() && handled.refusals[0].text().contains("is called for no account"));
    assert!(house.taken.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_messages_at_once_are_refused_whole() {
    let house = House::new().await;
    let subject = house.subject();
    let error = house.event(&subject, "flood").await.unwrap_err();
    assert!(error.contains("101 messages were handed in together"), "{error}");
    assert!(house.taken.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_reads_what_another_one_keeps() {
    let house = House::new().await;
    let subject = house.subject();
    house.starts(&subject, "keeper").await.unwrap();
    assert_eq!(house.starts(&subject, "thief").await.unwrap(), "|");
    assert_eq!(house.starts(&subject, "keeper").await.unwrap(), "me", "its own is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_spins_breaks_or_returns_too_much_is_ended_and_others_go_on() {
    let house = House::new().await;
    let subject = house.subject();
    for (account, told) in [
        ("spin", "used up its 1000000000 units of fuel"),
        ("enormous", "its output is over 1048576 bytes"),
        ("many", "its output is over 1048576 bytes"),
    ] {
        let fault = house.starts(&subject, account).await.unwrap_err();
        assert!(fault.contains(told), "{account}: {fault}");
    }
    let fault = house.event(&subject, "panic").await.unwrap_err();
    assert!(fault.contains("component `hostile-channel` broke"), "{fault}");
    let (services, account) = house.of(&house.subject(), "confirm");
    let fresh = house.subject();
    let to = Address { channel: String::new(), account: String::new(), conversation: "1".into(), thread: None };
    let confirmed = fresh.component.confirm_message(&fresh.grants, &services, account, to, "k".into()).await;
    assert!(confirmed.unwrap_err().to_string().contains("its output is over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_the_host_makes_for_it_go_where_it_may_and_with_its_secret_in_its_place_alone() {
    let house = House::new().await;
    let subject = house.subject();
    let (services, _) = house.of(&subject, "main");
    let ask = async |method: &str, url: String, body: &str| {
        let headers = vec![("x-note".to_owned(), "cara-secret--token".to_owned())];
        let request = Request { method: method.into(), url, headers, body: body.as_bytes().to_vec() };
        subject.component.request(&subject.grants, &services, &request).await.unwrap()
    };
    let far = ask("GET", "https://evil.example/".into(), "").await.unwrap_err();
    assert!(far.kind == ErrorKind::Refused && far.message.contains("may not reach"), "{far:?}");
    assert!(ask("DELETE", house.upstream.url(), "").await.unwrap_err().message.contains("DELETE"));
    assert!(ask("GET", "no url".into(), "").await.is_err());
    let asked = format!("{}/botcara-secret--token/getMe", house.upstream.url());
    assert_eq!(ask("POST", asked, "cara-secret--token").await.unwrap().status, 200);
    let recorded = house.upstream.requests().pop().unwrap();
    assert_eq!(recorded.target, "/botcanary-of-the-token/getMe");
    assert!(recorded.header("x-note") == "cara-secret--token" && recorded.body == b"cara-secret--token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_knows_what_was_sent_whatever_the_channel_says() {
    let house = House::new().await;
    let subject = house.subject();
    let to = || Address { channel: String::new(), account: String::new(), conversation: "1".into(), thread: None };
    let message = || Outbound { content: Vec::new(), reply_to: None, idempotency_key: "k".into() };
    for (url, sent) in [(house.upstream.url(), true), ("http://127.0.0.1:1".to_owned(), false)] {
        let subject = match sent {
            true => subject.component.clone(),
            false => house.testbed.guest("hostile-channel").setting("base-url", url.clone()).load().component,
        };
        let grants = match sent {
            true => house.subject().grants,
            false => house.testbed.guest("hostile-channel").setting("base-url", url).load().grants,
        };
        let (mut services, account) = house.of(&house.subject(), "main");
        let known = Arc::new(AtomicU32::new(0));
        services.host_services.sent = Some(known.clone());
        let answer = subject.send_message(&grants, &services, account, to(), message()).await.unwrap().answer;
        assert!(answer.is_err());
        assert_eq!(known.load(Ordering::Relaxed) > 0, sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_call_is_cut_off_while_the_server_is_silent_may_have_been_sent() {
    let house = House::new().await;
    let silent = Upstream::start(|_| Reply::silence()).await;
    let wanted = house.testbed.guest("hostile-channel").setting("base-url", silent.url());
    house.testbed.secrets.set("hostile-channel", "token@main", "canary-of-the-token");
    let subject = wanted.limits("wall = \"500ms\"").load();
    let (mut services, account) = house.of(&subject, "main");
    let known = Arc::new(AtomicU32::new(0));
    services.host_services.sent = Some(known.clone());
    let to = Address { channel: String::new(), account: String::new(), conversation: "1".into(), thread: None };
    let message = Outbound { content: Vec::new(), reply_to: None, idempotency_key: "k".into() };
    let ended = subject.component.send_message(&subject.grants, &services, account, to, message).await;
    // It ends by the wall, or by the request's own time, which is over at the same moment.
    assert!(ended.is_err() || ended.is_ok_and(|returned| returned.answer.is_err()));
    assert_eq!(known.load(Ordering::Relaxed), 1);
}
