//! Telegram's Bot API.
//!
//! ```text
//! start: getMe ─→ poll: getUpdates(offset) ─→ on_event: deliver all ─→ poll: getUpdates(offset after them)
//! send:  Markdown ─→ HTML ─→ sendMessage, or as plain text where Telegram does not read it
//! ```
//!
//! Telegram forgets an update when a later offset is asked for: that is its acknowledgement, and nothing else is kept here.

mod html;
mod inbound;
mod wire;

use cara_sdk::channel::{Account, Action, Channel, Delivery, Event, Handled, Identity, Source, Started, poll};
use cara_sdk::http::Request;
use cara_sdk::types::{Address, Blob, Content, Outbound, Receipt};
use cara_sdk::{Error, ErrorKind, inbox, random, secrets, settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{Answer, ChatAction, GetUpdates, LinkPreview, ReplyParameters, SendMessage, Sent, Update, User};

/// The component.
#[derive(Debug)]
pub struct Telegram;

cara_sdk::export_channel!(Telegram);

/// The one source.
const UPDATES: &str = "updates";

/// How long Telegram holds a request for updates, seconds.
const HOLD: u32 = 50;

/// How many updates are taken at once: each has at most two texts of 4,096 units, six bytes each in JSON, with their entities,
/// and the host takes 1 MiB.
const TOGETHER: u32 = 8;

/// The most bytes of an answer.
const ANSWER: u64 = 1 << 20;

/// The longest caption of a file, UTF-16 units.
const CAPTION: usize = 1_024;

fn url(method: &str) -> Result<String, Error> {
    let base: String = settings::get("base-url")?.unwrap_or_default();
    Ok(format!("{}/bot{}/{method}", base.trim_end_matches('/'), secrets::marker("bot-token")))
}

fn asked<T: DeserializeOwned>(request: Request) -> Result<T, Error> {
    let response = request.limit(ANSWER).send()?;
    let status = response.status();
    let body = response.bytes(ANSWER)?;
    read(status, &body)
}

/// What an answer says, whose status Telegram repeats in its body.
fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Error> {
    match serde_json::from_slice::<Answer<T>>(body) {
        Ok(answer) => answer.result(),
        Err(_) if status >= 500 => Err(Error::network(format!("Telegram failed with status {status}"))),
        Err(error) => Err(Error::other(format!("Telegram answered with status {status}, not as documented: {error}"))),
    }
}

fn call<T: DeserializeOwned>(method: &str, arguments: &impl Serialize) -> Result<T, Error> {
    asked(Request::post(url(method)?).json(arguments)?)
}

fn updates(offset: Option<i64>, limit: u32) -> Result<Source, Error> {
    let wanted = GetUpdates { offset, limit, timeout: HOLD, allowed_updates: ["message"] };
    poll(UPDATES, Request::post(url("getUpdates")?).json(&wanted)?, 0)
}

impl Channel for Telegram {
    fn start(_: String) -> Result<Started, Error> {
        let me: User = call("getMe", &serde_json::json!({}))?;
        let name = me.username.unwrap_or(me.first_name);
        let me = Identity { id: me.id.to_string(), name };
        // One at first: where several together are too much, the account goes on one by one.
        let first = updates(None, 1)?;
        Ok(Started { me, delivery: Delivery::Blind, sources: vec![first] })
    }

    fn on_event(account: Account, event: Event) -> Result<Handled, Error> {
        let Event::Answered(answer) = event else { return Ok(Handled { next: Vec::new() }) };
        let all: Vec<Update> = read(answer.response.status, &answer.response.body)?;
        let last = all.iter().map(|update| update.update_id).max();
        let came: Vec<_> = all.into_iter().filter_map(|update| inbound::inbound(update, &account.me)).collect();
        // That the inbox has no room is no fault of the token.
        inbox::deliver(&came).map_err(|refusal| Error::network(Error::from(refusal).message))?;
        Ok(Handled { next: vec![updates(last.map(|last| last + 1), TOGETHER)?] })
    }

    fn send(_: Account, to: Address, message: Outbound) -> Result<Receipt, Error> {
        let (chat_id, message_thread_id) = place(&to)?;
        let reply = message.reply_to.as_deref().and_then(|id| id.rsplit_once(':')).and_then(|(_, id)| id.parse().ok());
        let reply_parameters =
            reply.map(|message_id| ReplyParameters { message_id, allow_sending_without_reply: true });
        let (text, mut files) = parts(message.content);
        let sent: Sent = match (files.pop(), files.is_empty()) {
            (Some((kind, blob)), true) => send_file(chat_id, message_thread_id, kind, &blob, &text)?,
            (Some(_), false) => return Err(Error::bad_request("Telegram takes one file with a message")),
            (None, _) => {
                let link_preview_options = LinkPreview { is_disabled: true };
                let parse_mode = Some("HTML");
                let plain = SendMessage {
                    chat_id,
                    message_thread_id,
                    text,
                    parse_mode: None,
                    link_preview_options,
                    reply_parameters,
                };
                let formatted = SendMessage { text: html::html(&plain.text), parse_mode, ..plain.clone() };
                match formatted.text.is_empty() {
                    true => call("sendMessage", &plain)?,
                    false => readable(call("sendMessage", &formatted), || call("sendMessage", &plain))?,
                }
            }
        };
        Ok(Receipt { message_id: format!("{}:{}", sent.chat.id, sent.message_id) })
    }

    fn confirm(_: Account, _: Address, _: String) -> Result<Option<Receipt>, Error> {
        Err(Error::unsupported("Telegram cannot be asked for a message by its key"))
    }

    fn act(_: Account, action: Action) -> Result<(), Error> {
        let Action::Typing(at) = action;
        let (chat_id, message_thread_id) = place(&at)?;
        call("sendChatAction", &ChatAction { chat_id, message_thread_id, action: "typing" }).map(|_: bool| ())
    }
}

/// Where Telegram did not take the formatted text (it cannot be read, became too long, or empty), the same as plain text: after
/// such an error nothing was sent.
fn readable<T>(tried: Result<T, Error>, plain: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match tried {
        Err(error) if error.kind == ErrorKind::BadRequest => plain(),
        other => other,
    }
}

/// The chat and the topic of an address.
fn place(to: &Address) -> Result<(i64, Option<i64>), Error> {
    let none =
        |_| Error::bad_request("the address is no chat of Telegram: write its number, as in `telegram:main:4711`");
    let topic = to.thread.as_deref().map(str::parse).transpose().map_err(none)?;
    Ok((to.conversation.parse().map_err(none)?, topic))
}

/// How a file is sent: the method, and the name of its field.
type FileKind = (&'static str, &'static str);

/// The words and the files of a message.
fn parts(content: Vec<Content>) -> (String, Vec<(FileKind, Blob)>) {
    let (mut words, mut files) = (Vec::new(), Vec::new());
    for part in content {
        match part {
            Content::Text(text) => words.push(text),
            Content::Image(blob) => files.push((("sendPhoto", "photo"), blob)),
            Content::Audio(blob) => files.push((("sendAudio", "audio"), blob)),
            Content::File(blob) => files.push((("sendDocument", "document"), blob)),
        }
    }
    (words.join("\n\n"), files)
}

/// Sends a file as `multipart/form-data` (RFC 7578).
fn send_file(
    chat_id: i64,
    topic: Option<i64>,
    (method, field): FileKind,
    blob: &Blob,
    caption: &str,
) -> Result<Sent, Error> {
    if caption.encode_utf16().count() > CAPTION {
        return Err(Error::bad_request(format!("the words with a file have at most {CAPTION} UTF-16 units")));
    }
    let boundary: String = random::bytes(16).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut body = Vec::with_capacity(blob.data.len() + 1024);
    let mut part = |head: &str, data: &[u8]| {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    };
    part("name=\"chat_id\"", chat_id.to_string().as_bytes());
    if let Some(topic) = topic {
        part("name=\"message_thread_id\"", topic.to_string().as_bytes());
    }
    if !caption.is_empty() {
        part("name=\"caption\"", caption.as_bytes());
    }
    let plain = |text: &str| -> String { text.chars().filter(|c| !c.is_control() && *c != '"').take(100).collect() };
    let name = plain(blob.name.as_deref().unwrap_or("file"));
    let media_type = plain(&blob.media_type);
    part(&format!("name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: {media_type}"), &blob.data);
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    asked(Request::post(url(method)?).body(&format!("multipart/form-data; boundary={boundary}"), body))
}
