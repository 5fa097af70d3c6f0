//! From a message that is on disk to the first byte of the model that answers
//! it: who speaks, which session, a run, the request; beside a bare call of the model.

use crate::Counts;
use crate::door::{application, told};
use crate::samples::Samples;
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, bail, ensure};
use cara_assistant::TurnEvent;
use cara_assistant::outbound::MessageBody;
use cara_authority::{ConversationAddress, Label, PersonAddress, PersonId, PersonRole, Principal, RunId};
use cara_channels::{Channel, SendError};
use cara_control::runs::FollowRun;
use cara_control::{Application, Delivered, Event, Events, Operation, Scope};
use cara_harness::Testbed;
use cara_records::{DeliveryClass, InboundId, NewInbound, Outbound, Records};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What the model says; it goes on for a while, so that who listens has come by then.
const SCRIPT: &str = "order = \"any\"\n[[turn]]\nstep = [{ text = \"forty-two\" }, { delay-ms = 200 }]\n";

/// How often is looked whether a run began: long before the model is asked.
const LOOK: Duration = Duration::from_millis(1);

/// Who speaks.
const SENDER: &str = "chat:main:anna";

/// A channel that takes everything, and says how much that was.
struct Counting(watch::Sender<usize>);

#[async_trait::async_trait]
impl Channel for Counting {
    fn name(&self) -> &str {
        "chat"
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(DeliveryClass::Blind)
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        self.0.send_modify(|sent| *sent += 1);
        Ok(message.id.to_string())
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}

/// Measures it.
pub(crate) async fn measure(counts: Counts) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let settings = toml::Table::from_iter([("script".to_owned(), toml::Value::from(SCRIPT))]);
    let config = format!(
        "[chat]\nmodel = \"rehearsal:script\"\n[vault]\nstore = \"file\"\n[component.rehearsal.settings]\n{}",
        toml::to_string(&settings)?
    );
    let (application, _) = application(folder.path())?;
    std::fs::write(folder.path().join("config.toml"), config)?;
    let records = application.records().await.map_err(told)?.clone();
    let anna = PersonId::parse("anna")?;
    records.name_person(&anna, "Anna", PersonRole::Member, "a bench").await?;
    records.link_address(&anna, &PersonAddress::parse(SENDER)?, "a bench").await?;
    let channel = Arc::new(Counting(watch::Sender::new(0)));
    application.attach_channel(channel.clone()).await.map_err(told)?;
    let subject = Testbed::new().await.first_party("rehearsal").load();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // The first of each is thrown away.
    for number in 0..=counts.samples {
        let sample = first_byte(&application, &records, number).await?;
        let mut sent = channel.0.subscribe();
        sent.wait_for(|sent| *sent > number).await?;
        let began = Instant::now();
        ensure!(!subject.complete("builtin").await.text().is_empty(), "the stand-in said nothing");
        if number > 0 {
            ours.push(sample);
            floor.push(began.elapsed().as_secs_f64());
        }
    }
    application.close().await;
    let (ours, floor) = (Samples::new(ours), Samples::new(floor));
    let name = "people: inbound durable to the first byte of the model".into();
    Ok(vec![Row { name, against: "a bare provider call", ours, floor, unit: Unit::Time, aim: Aim::None }])
}

/// Hands in a message. Returns the seconds from when it was on disk to the first word.
async fn first_byte(application: &Arc<Application>, records: &Records, number: usize) -> Result<f64> {
    let message = NewInbound {
        address: ConversationAddress::parse(SENDER)?,
        sender: PersonAddress::parse(SENDER)?,
        sender_name: None,
        platform_id: number.to_string(),
        group: false,
        mentioned: false,
        body: json!(MessageBody::text("what is six times seven?")),
        label: Label::NONE,
        sent_ms: u64::MAX,
    };
    let delivered = application.deliver(message).await.map_err(told)?;
    let began = Instant::now();
    let Delivered::Taken(id) = delivered else { bail!("a new message is {delivered:?}") };
    let run = run_of(records, &id).await?.to_string();
    let events = Events::new(Scope::Run);
    let mut reader = events.read();
    let following = {
        let (application, events) = (application.clone(), events.clone());
        tokio::spawn(async move {
            let followed =
                FollowRun { run, after: 0 }.run(&application, &Principal::of_account("a bench"), &events).await;
            events.end();
            followed.map(drop)
        })
    };
    let mut took = None;
    while let Some(event) = reader.next().await {
        if let Event::Run { event: TurnEvent::Text { .. } } = *event {
            took.get_or_insert(began.elapsed());
        }
    }
    following.await?.map_err(told)?;
    Ok(took.context("the model said nothing")?.as_secs_f64())
}

/// The run that answers a message, once there is one.
async fn run_of(records: &Records, id: &InboundId) -> Result<RunId> {
    let mut changed = records.inbox_changed();
    loop {
        changed.mark_unchanged();
        let inbound = records.inbound(id).await?.context("the message is gone")?;
        if let Some(run) = inbound.run {
            return Ok(run);
        }
        // Nobody is told that a run begins.
        let _nothing = tokio::time::timeout(LOOK, changed.changed()).await;
    }
}
