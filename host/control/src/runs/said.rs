//! What is said at a terminal, as the inbox keeps it: durable before its run
//! begins, and one message by the run's id.
//!
//! Who said it comes back for the answer with the same id, and brings what the answer needs: a model, settings, variables. So
//! nobody else answers it. What nobody came back for is taken up with its session.

use super::{BeginRun, LARGEST, Piece, Respondent, Words};
use crate::application::Application;
use crate::error::{Result, fail};
use crate::names::CONSOLE;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_assistant::outbound::{MessageBody, Piece as Shown};
use cara_assistant::{Input, Session};
use cara_authority::{ConversationAddress, Label, PersonAddress, RunId, SessionId, Source};
use cara_kernel::bindings::types::Blob;
use cara_records::{Inbound, InboundId, InboundState, NewInbound, Records};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The account of the terminals of this machine.
const ACCOUNT: &str = "local";

/// A message as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kept {
    #[serde(flatten)]
    body: MessageBody,
    /// What each piece is made of.
    made: Vec<Made>,
    /// The files that go with it, which are kept with the session.
    files: Vec<String>,
    compact: bool,
}

/// What a piece of a message is made of.
#[derive(Serialize, Deserialize)]
struct Made {
    words: Words,
    label: Label,
}

/// Where in the inbox that is which is said in a session at a terminal.
pub(crate) fn address(session: &SessionId) -> ConversationAddress {
    let (channel, account, conversation) = (CONSOLE.to_owned(), ACCOUNT.to_owned(), session.to_string());
    ConversationAddress { channel, account, conversation, thread: None }
}

fn sender() -> PersonAddress {
    PersonAddress { channel: CONSOLE.to_owned(), account: ACCOUNT.to_owned(), user: "owner".to_owned() }
}

/// Whether a message was said at a terminal.
pub(crate) fn is_own(message: &NewInbound) -> bool {
    message.address.channel == CONSOLE && message.sender == sender()
}

/// The run of a message that waits in a session since its process ended.
pub(crate) async fn left_in(application: &Application, session: &SessionId) -> Result<Option<RunId>> {
    let first = application.records().await?.waiting_inbound(&address(session), 1).await?.pop();
    let run = first.and_then(|first| RunId::parse(&first.message.platform_id).ok());
    Ok(run.filter(|run| application.active_runs.run(run).is_none()))
}

async fn find(records: &Records, run: &RunId) -> Result<Option<InboundId>> {
    Ok(records.received(CONSOLE, ACCOUNT, run.as_str()).await?)
}

/// The request that a process took in and did not begin.
pub(super) async fn left(records: &Records, run: &RunId, by: &Respondent, present: bool) -> Result<Option<BeginRun>> {
    let Some(id) = find(records, run).await? else { return Ok(None) };
    let Some(Inbound { message, state: InboundState::Waiting, .. }) = records.inbound(&id).await? else {
        return Ok(None);
    };
    let Kept { body, made, compact, .. } = serde_json::from_value(message.body)?;
    let text = |part| if let Shown::Text(text) = part { text } else { String::new() };
    let pieces = made.into_iter().zip(body.parts);
    let pieces = pieces.map(|(Made { words, label }, part)| Piece { words, label, text: text(part) });
    Ok(Some(BeginRun {
        run: run.to_string(),
        session: Some(message.address.conversation),
        by: by.clone(),
        message: pieces.collect(),
        // They are kept with the session, and found there.
        attachments: Vec::new(),
        compact,
        present,
    }))
}

impl BeginRun {
    /// Takes the message in, with its files; durable when it returns. One that was taken in before and has not begun is that one.
    pub(super) async fn take_in(
        &self,
        records: &Records,
        run: &RunId,
        session: &mut Session,
        input: &Input,
    ) -> Result<InboundId> {
        let address = address(session.id());
        if let Some(id) = find(records, run).await? {
            let before = records.inbound(&id).await?;
            let waits = |before: &Inbound| before.state == InboundState::Waiting && before.message.address == address;
            let Some(before) = before.filter(waits) else {
                fail!(
                    Conflict,
                    "the message of run `{run}` came before, and is not answered once more\nhint: `cara inbox show {id}` says \
                     what became of it; to say it again, give its run another id"
                );
            };
            let Kept { files, .. } = serde_json::from_value(before.message.body)?;
            session.attach_again(records, &files).await?;
            return Ok(id);
        }
        let mut files = Vec::new();
        for file in &self.attachments {
            let data = BASE64_STANDARD.decode(&file.data)?;
            if data.len() > LARGEST {
                fail!(Invalid, "`{}` has {} bytes\nhint: attachments hold at most 8 MiB", file.name, data.len());
            }
            let blob = Blob { media_type: file.media_type.clone(), name: Some(file.name.clone()), data };
            files.push(session.attach(records, blob, Label::of(Source::File).private()).await?);
        }
        let parts = self.message.iter().map(|piece| Shown::Text(piece.text.clone())).collect();
        let made = self.message.iter().map(|piece| Made { words: piece.words, label: piece.label.clone() }).collect();
        let body = Kept { body: MessageBody { parts, reply_to: None }, made, files, compact: self.compact };
        let new = NewInbound {
            address,
            sender: sender(),
            sender_name: None,
            platform_id: run.to_string(),
            group: false,
            mentioned: true,
            body: json!(body),
            label: input.pieces().map(|(label, _)| label).collect(),
            sent_ms: records.ledger().now_ms(),
        };
        Ok(records.receive_own(&new).await?.id)
    }
}
