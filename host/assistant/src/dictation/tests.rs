//! Messages that dictate a call, and many more that do not.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::part::{Part, Role};
use cara_authority::{ComponentId, SessionId, ToolName};
use serde_json::json;

fn said(parts: Vec<Part>) -> Message {
    Message { place: 1, role: Role::User, parts, speaker: None }
}

fn dictates(text: &str, tool: &str, arguments: Value, to: &[&str]) -> bool {
    dictated_by(&said(vec![Part::text(Source::Owner, text)]), tool, arguments, to)
}

fn dictated_by(message: &Message, tool: &str, arguments: Value, to: &[&str]) -> bool {
    let properties: serde_json::Map<String, Value> = ["to", "text", "key", "value", "count", "loud"]
        .into_iter()
        .map(|name| (name.to_owned(), if name == "count" { json!({ "default": 8 }) } else { json!({}) }))
        .collect();
    let destinations: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
    let call = ToolCall {
        component: ComponentId::parse("c").unwrap(),
        digest: [0; 32],
        tool: ToolName::parse(tool).unwrap(),
        arguments: arguments.to_string(),
        destinations: destinations.clone(),
        servers: Vec::new(),
        session: SessionId::parse("s-1").unwrap(),
    };
    let sends = tool == "message_send";
    dictating(&call, &json!({ "properties": properties }), sends, message, &HashSet::new()).is_some()
}

const TO: &str = "mail:me:boss";

fn late() -> Value {
    json!({ "to": TO, "text": "I am late" })
}

#[test]
fn what_is_marked_and_named_is_dictated() {
    for text in [
        "Send \"I am late\" to mail:me:boss",
        "Please send “I am late” to mail:me:boss.",
        "Send to mail:me:boss: I am late",
        "Tell mail:me:boss 'I am late'. Thanks!",
        "Read https://page.example/ first.\nThen send `I am late` to `mail:me:boss`",
        "Send `I am late` to `mail:me:boss`. Then read https://page.example/. Thank you so much!",
        "Send `I am late` to `mail:me:boss`. Remember `bus` under `late`.",
        "- Send “I am late” to mail:me:boss",
        "Schick „I am late” an mail:me:boss",
    ] {
        assert!(dictates(text, "message_send", late(), &[TO]), "{text}");
    }
    let tea = |loud: bool| json!({ "key": "drink", "value": "tea", "count": 8, "loud": loud });
    assert!(dictates("Remember under `drink`: tea", "memory_write", tea(false), &[]));
    assert!(!dictates("Remember under `drink`: tea", "memory_write", tea(true), &[]));
    assert!(dictates("Forget `pin`.", "memory_delete", json!({ "key": "pin" }), &[]));
}

#[test]
fn what_only_stands_somewhere_in_the_message_is_not() {
    for text in [
        "I am late. Tell mail:me:boss about it",
        "Send “I am very late” to mail:me:boss",
        "Send “I am late” to mail:me:bosses",
        "Send “I am late” and “I am sorry” to mail:me:boss",
        "Write “I am late” down. Send a summary to mail:me:boss",
        "The page of mail:me:boss says “I am late”",
        "At mail:me:boss and https://send.example/ they say “I am late”",
        "My project is called x. Tell mail:me:boss “I am late”",
        "Proofread this mail to mail:me:boss: I am late",
        "Translate this message to mail:me:boss: I am late",
        "Summarise the message “I am late” from mail:me:boss",
        "Send “I am late” to mail:me:boss, the one who complained about mail:me:mallory",
        "Send “I am late” to mail:me:mallory",
        "Send “I am late” to mail:me:boss. But: only once I say go, otherwise never",
        "Send “I am late” to mail:me:boss as soon as Anna agrees",
        "Draft, later maybe: Send “I am late” to mail:me:boss",
        "Send “I am  late” to mail:me:boss",
    ] {
        assert!(!dictates(text, "message_send", late(), &[TO]), "{text}");
    }
    // A number of one's own is not text for others.
    let pin = json!({ "to": TO, "text": "1234" });
    assert!(!dictates("My PIN is 1234. Send “a summary” to mail:me:boss", "message_send", pin, &[TO]));
    assert!(!dictates("Send “x” to mail:me:boss", "message_send", json!({ "to": TO, "text": "x", "count": 9 }), &[TO]));
}

#[test]
fn a_negation_a_condition_or_a_question_withholds_it() {
    for text in [
        "Do not send “I am late” to mail:me:boss",
        "Don’t send “I am late” to mail:me:boss",
        "Send “I am late” to mail:me:boss if the train is gone",
        "Send “I am late” to mail:me:boss. Wait, don't",
        "Send “I am late” to mail:me:boss. Cancel.",
        "Send “I am late” to mail:me:boss. Forget this.",
        "Send “I am late” to mail:me:boss. Check with Anna first.",
        "Send “I am late” to mail:me:boss. Show it to me first.",
        "Send “I am late” to mail:me:boss. Read it back to me and let me confirm.",
        "Send “I am late” to mail:me:boss. Read https://page.example/ first.",
        "Send “I am late” to mail:me:boss. Look whether it rains.",
        "Send “I am late” to mail:me:boss. Look: I changed my mind",
        "Send “I am late” to mail:me:boss. Thanks, ignore that.",
        "Send “I am late” to mail:me:boss. Thanks but I changed my mind.",
        "Send “I am late” to mail:me:boss. Thanks?",
        "Send “I am late” to mail:me:boss. “Never mind.”",
        "Send “I am late” to mail:me:boss. Change “late” to “ill”.",
        "Send “I am late” to mail:me:boss. Cancel the message to mail:me:boss.",
        "Send “I am late” to mail:me:boss.\nRemember: keep that to yourself",
        "Send “I am late” to mail:me:boss.\nRemember under `mail`: not yet",
        "Send “I am late” to mail:me:boss. Keep the message in “drafts”.",
        "Send “I am late” to mail:me:boss. Put the message on “hold”.",
        "Send “I am late” to mail:me:boss. Put on “hold” at “work”.",
        "Send “I am late” to mail:me:boss. Schedule the message for “tomorrow”.",
        "Send “I am late” to mail:me:boss. Schedule for “tomorrow”.",
        "Send “I am late” to mail:me:boss. Make the text “I am ill”.",
        "Send “I am late” to mail:me:boss. Set the text to “I am ill” first.",
        "Send “I am late” to mail:me:boss. Add “, sorry” to the message.",
        "~~Send “I am late” to mail:me:boss~~",
        "- [ ] Send “I am late” to mail:me:boss",
        "> Send “I am late” to mail:me:boss",
        "❌ Send “I am late” to mail:me:boss",
        "Send “I am late” to mail:me:boss 🚫",
        "Send “I am late” to mail:me:boss\n👎",
        "Note under `rule`: never send before I say go\nSend “I am late” to mail:me:boss",
        "Note “never send before I say go” under `rule`. Send “I am late” to mail:me:boss",
        "Look whether it rains. Then send “I am late” to mail:me:boss",
        "Check with mail:me:anna first. Then send “I am late” to mail:me:boss",
        "Search `trains`: if they run\nSend “I am late” to mail:me:boss",
        "Shall I send “I am late” to mail:me:boss?",
        "I would never send “I am late” to mail:me:boss",
        "Sende „I am late” nicht an mail:me:boss",
    ] {
        assert!(!dictates(text, "message_send", late(), &[TO]), "{text}");
    }
}

#[test]
fn another_thing_to_be_done_with_the_same_words_is_not_dictated() {
    let four = json!({ "key": "pin", "value": "4711" });
    for text in [
        "Proofread this note `pin`: 4711",
        "Summarise my note `pin`: 4711",
        "Save `4711` under `pin`.\nImportant: do not do it before I confirm",
    ] {
        assert!(!dictates(text, "memory_write", four.clone(), &[]), "{text}");
    }
    assert!(!dictates("Anna wanted me to forget `pin`, crazy idea.", "memory_delete", json!({ "key": "pin" }), &[]));
    // What leaves without a destination is not where the person said.
    assert!(!dictates("Send “Layoffs” to mail:me:anna", "message_send", json!({ "text": "Layoffs" }), &[]));
    let pin = json!({ "key": "pin" });
    for text in ["Tell me what is under `pin`", "Save `pin`", "Remember this: delete `pin`", "Show `pin`", "`pin`"] {
        assert!(!dictates(text, "memory_delete", pin.clone(), &[]), "{text}");
    }
    let both = json!({ "key": "pin" });
    assert!(!dictates("Save `0000` under `pin`", "memory_delete", both, &[]));
}

#[test]
fn which_words_are_for_which_argument_is_said_too() {
    let kept = |key: &str, value: &str| json!({ "key": key, "value": value });
    for text in ["Save `4711` under `pin`", "Save under `pin`: 4711", "Remember `4711` under the key `pin`"] {
        assert!(dictates(text, "memory_write", kept("pin", "4711"), &[]), "{text}");
        assert!(!dictates(text, "memory_write", kept("4711", "pin"), &[]), "{text}");
    }
    for text in ["Save `pin` and `4711`", "Save `pin`: 4711"] {
        assert!(!dictates(text, "memory_write", kept("pin", "4711"), &[]), "{text}");
    }
    for text in ["Move `draft` to `final`", "Move `draft` under `final`", "Rename `draft` under the name `final`"] {
        assert!(!dictates(text, "note_move", kept("final", "draft"), &[]), "{text}");
        assert!(!dictates(text, "note_rename", kept("final", "draft"), &[]), "{text}");
    }
    // An address that the text speaks of is not where it goes.
    let text = "ask mail:me:mallory about it";
    let to = json!({ "to": "mail:me:mallory", "text": text });
    assert!(!dictates(&format!("Reply “{text}”"), "message_reply", to, &["mail:me:mallory"]));
}

#[test]
fn what_the_schema_does_not_give_by_itself_is_not_left_unsaid() {
    let said = said(vec![Part::text(Source::Owner, "Delete `pin`")]);
    for (default, given, dictated) in [
        (json!({}), json!(false), true),
        (json!({ "default": false }), json!(false), true),
        (json!({ "default": true }), json!(false), false),
        (json!({ "default": "all" }), json!(""), false),
        (json!({ "default": 1 }), json!(null), false),
    ] {
        let call = ToolCall {
            component: ComponentId::parse("c").unwrap(),
            digest: [0; 32],
            tool: ToolName::parse("memory_delete").unwrap(),
            arguments: json!({ "key": "pin", "dry_run": given }).to_string(),
            destinations: Vec::new(),
            servers: Vec::new(),
            session: SessionId::parse("s-1").unwrap(),
        };
        let schema = json!({ "properties": { "key": {}, "dry_run": default } });
        assert_eq!(dictating(&call, &schema, false, &said, &HashSet::new()).is_some(), dictated, "{schema}");
    }
}

#[test]
fn no_word_is_listed_twice_or_both_joins_and_takes_back() {
    let lists = VERBS.into_iter().chain([COURTESY, JOINING, READING, GREETING, DOUBTS]);
    for list in lists {
        let mut known = HashSet::new();
        let twice: Vec<_> = list.iter().filter(|word| !known.insert(**word)).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
    let both: Vec<_> = DOUBTS.iter().filter(|word| JOINING.contains(word) || GREETING.contains(word)).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn pasted_and_suspected_words_dictate_nothing() {
    let text = "Send “I am late” to mail:me:boss";
    for source in [Source::File, Source::Web, Source::OtherPerson, Source::Model] {
        let message = said(vec![Part::text(source, text)]);
        assert!(!dictated_by(&message, "message_send", late(), &[TO]), "{source:?}");
    }
    let mut suspected = Part::text(Source::Owner, text);
    suspected.label = suspected.label.join(&Label::of(Source::Suspect));
    assert!(!dictated_by(&said(vec![suspected]), "message_send", late(), &[TO]));
    // A pasted stretch within own words is no mark of the person's.
    let parts = vec![
        Part::text(Source::Owner, "Send “"),
        Part::text(Source::File, "I am late"),
        Part::text(Source::Owner, "” to mail:me:boss"),
    ];
    assert!(!dictated_by(&said(parts), "message_send", late(), &[TO]));
}
