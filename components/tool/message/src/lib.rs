//! Messages to channels.
//!
//! The host has the channels and asks for approval; this names the address and the message once.

use cara_sdk::Error;
use cara_sdk::messaging::{self, Outbound};
use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use serde::Deserialize;
use sha2::{Digest, Sha256};

mod address;

/// The component.
#[derive(Debug)]
pub struct Message;

cara_sdk::export_tool!(Message);

/// The most bytes of a text.
const TEXT: usize = 16 * 1024;

#[derive(Deserialize)]
struct Send {
    to: String,
    text: String,
    reply_to: Option<String>,
}

impl Tool for Message {
    fn call(name: String, arguments: String, context: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "message_send" => {
                let send: Send = read_arguments(&arguments)?;
                let to = address::parse(&send.to)?;
                let receipt = messaging::send(&to, &outbound(&send, &context.run)?)?;
                say(format!("sent to `{}`; the platform's id of the message is `{}`", send.to, receipt.message_id))
            }
            other => Err(unknown(other)),
        }
    }
}

fn outbound(send: &Send, run: &str) -> Result<Outbound, Error> {
    if send.text.trim().is_empty() {
        return Err(Error::bad_request("there is no text to send"));
    }
    if send.text.len() > TEXT {
        let length = send.text.len();
        return Err(Error::bad_request(format!("a text has at most {TEXT} bytes, this one has {length}; shorten it")));
    }
    Ok(Outbound {
        content: vec![Content::Text(send.text.clone())],
        reply_to: send.reply_to.clone(),
        idempotency_key: key(&[run, &send.to, &send.text, send.reply_to.as_deref().unwrap_or_default()]),
    })
}

/// SHA-256 over the parts, each with its length before it, so that no two lists of parts are the same bytes.
fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    fn send(to: &str, text: &str, reply_to: Option<&str>) -> Send {
        Send { to: to.into(), text: text.into(), reply_to: reply_to.map(str::to_owned) }
    }

    fn key_of(send: &Send, run: &str) -> String {
        outbound(send, run).unwrap().idempotency_key
    }

    #[test]
    fn the_same_call_again_is_the_same_message_and_any_other_is_not() {
        let first = key_of(&send("a:b:c", "hello", None), "run-1");
        assert_eq!(first.len(), 64);
        assert_eq!(key_of(&send("a:b:c", "hello", None), "run-1"), first);
        for (other, run) in [
            (send("a:b:c", "hello", None), "run-2"),
            (send("a:b:d", "hello", None), "run-1"),
            (send("a:b:c", "hello!", None), "run-1"),
            (send("a:b:c", "hello", Some("m1")), "run-1"),
            (send("a:b:chello", " ", None), "run-1"),
        ] {
            assert!(outbound(&other, run).map_or(true, |message| message.idempotency_key != first));
        }
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_host_is_asked() {
        let long = format!(r#"{{"to":"a:b:c","text":"{}"}}"#, "å".repeat(8_193));
        for arguments in
            ["{}", r#"{"to":"a:b","text":"x"}"#, r#"{"to":"a:b:c","text":" \n"}"#, r#"{"to":"a:b:c"}"#, &long]
        {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Message::call("message_send".into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
