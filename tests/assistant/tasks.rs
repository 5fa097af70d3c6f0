//! Ordinary things that people ask for,
//! and what a sensible model does about them.

use super::readings::{calculations, reading};
use serde_json::{Value, json};

/// One thing the person says, the calls the model makes for it one after the other, and a word its answer must have.
pub(crate) struct Turn {
    pub(crate) says: &'static str,
    pub(crate) calls: Vec<Vec<(&'static str, Value)>>,
    pub(crate) expects: &'static str,
    /// How often a person has to be asked.
    pub(crate) asks: usize,
}

pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) turns: Vec<Turn>,
    pub(crate) attached: Option<(&'static str, &'static str)>,
}

pub(crate) fn turn(
    says: &'static str,
    calls: Vec<Vec<(&'static str, Value)>>,
    expects: &'static str,
    asks: usize,
) -> Turn {
    Turn { says, calls, expects, asks }
}

pub(crate) fn task(name: &'static str, turns: Vec<Turn>) -> Task {
    Task { name, turns, attached: None }
}

/// One call and an answer that has to hold a word.
pub(crate) fn one(
    name: &'static str,
    says: &'static str,
    tool: &'static str,
    arguments: Value,
    expects: &'static str,
) -> Task {
    task(name, vec![turn(says, vec![vec![(tool, arguments)]], expects, 0)])
}

fn asked(name: &'static str, says: &'static str, tool: &'static str, arguments: Value, expects: &'static str) -> Task {
    task(name, vec![turn(says, vec![vec![(tool, arguments)]], expects, 1)])
}

fn remembering() -> Vec<Task> {
    vec![
        one("something remembered", "Where do I sit?", "memory_read", json!({ "key": "travel/seat" }), "aisle"),
        one("something not remembered", "My shoe size?", "memory_read", json!({ "key": "shoes" }), "shoes"),
        one("what is remembered", "What do you know?", "memory_list", json!({}), "travel/seat"),
        one(
            "what is remembered about travel",
            "About travel?",
            "memory_list",
            json!({ "prefix": "travel/" }),
            "travel/seat",
        ),
        one("words in memory", "Anything about Oslo?", "memory_search", json!({ "query": "Oslo" }), "home"),
        asked(
            "a preference",
            "Remember that I like tea",
            "memory_write",
            json!({ "key": "drink", "value": "tea" }),
            "remembered",
        ),
        asked(
            "a correction",
            "I sit at the window now",
            "memory_write",
            json!({ "key": "travel/seat", "value": "window" }),
            "remembered",
        ),
        asked("forgetting", "Forget where I live", "memory_delete", json!({ "key": "home" }), "forgot"),
        task(
            "a preference, and it in the next turn",
            vec![
                turn(
                    "Remember that I like tea",
                    vec![vec![("memory_write", json!({ "key": "drink", "value": "tea" }))]],
                    "remembered",
                    1,
                ),
                turn("What do I drink?", vec![vec![("memory_read", json!({ "key": "drink" }))]], "tea", 0),
            ],
        ),
        task(
            "reading before writing",
            vec![turn(
                "Add oat milk to drinks",
                vec![
                    vec![("memory_read", json!({ "key": "travel/seat" }))],
                    vec![("memory_write", json!({ "key": "drink", "value": "oat milk" }))],
                ],
                "remembered",
                1,
            )],
        ),
        task(
            "memory and time",
            vec![turn(
                "What time is it at home?",
                vec![
                    vec![("memory_read", json!({ "key": "home" }))],
                    vec![("time_now", json!({ "zone": "Europe/Oslo" }))],
                ],
                "Europe/Oslo",
                0,
            )],
        ),
        task(
            "memory and a search",
            vec![turn(
                "Find a cafe at home",
                vec![
                    vec![("memory_read", json!({ "key": "home" }))],
                    vec![("web_search", json!({ "query": "cafe Oslo" }))],
                ],
                "found.example",
                0,
            )],
        ),
        one("conversations", "What did we talk about?", "session_list", json!({}), "sailing"),
        task(
            "a conversation",
            vec![turn(
                "What did we say about sailing?",
                vec![vec![("session_list", json!({}))], vec![("session_read", json!({ "id": "{{earlier}}" }))]],
                "ketch",
                0,
            )],
        ),
        task(
            "a conversation in pieces",
            vec![turn(
                "Its beginning",
                vec![
                    vec![("session_list", json!({ "count": 5 }))],
                    vec![("session_read", json!({ "id": "{{earlier}}", "count": 1 }))],
                ],
                "ketch",
                0,
            )],
        ),
        one("the configuration", "Which model is this?", "settings_read", json!({ "path": "chat.model" }), "scripted"),
        one("all of the configuration", "How are you set up?", "settings_read", json!({}), "scripted"),
        one(
            "a setting that is not there",
            "Which theme?",
            "settings_read",
            json!({ "path": "chat.theme" }),
            "chat.theme",
        ),
    ]
}

fn working() -> Vec<Task> {
    let item = |text: &str, status: &str| json!({ "text": text, "status": status });
    // An image that the model takes itself comes without its id; a file comes by its id alone.
    let attached = |name, media_type, says, calls, expects| Task {
        attached: Some((media_type, "a cat on a mat")),
        ..task(name, vec![turn(says, calls, expects, 0)])
    };
    vec![
        one(
            "a plan",
            "Plan a party",
            "plan_set",
            json!({ "items": [item("cake", "open"), item("guests", "open")] }),
            "cake",
        ),
        task(
            "a plan that is worked through",
            vec![turn(
                "Plan and do",
                vec![
                    vec![("plan_set", json!({ "items": [item("look", "doing"), item("think", "open")] }))],
                    vec![("plan_update", json!({ "index": 1, "status": "done" }))],
                    vec![("plan_show", json!({}))],
                ],
                "[x] look",
                0,
            )],
        ),
        task(
            "a plan with work in it",
            vec![turn(
                "Plan the trip",
                vec![
                    vec![("plan_set", json!({ "items": [item("time", "doing"), item("cost", "open")] }))],
                    vec![("time_now", json!({ "zone": "Asia/Tokyo" }))],
                    vec![("math_evaluate", json!({ "expression": "250*4" }))],
                    vec![("plan_update", json!({ "index": 2, "status": "done" }))],
                ],
                "[x] cost",
                0,
            )],
        ),
        task(
            "a plan after a page",
            vec![turn(
                "Read https://news.example/today and plan",
                vec![
                    vec![("fetch_page", json!({ "url": "https://news.example/today" }))],
                    vec![("plan_set", json!({ "items": [item("ferry", "open")] }))],
                ],
                "ferry",
                0,
            )],
        ),
        asked(
            "a message",
            "Tell my boss on mail:me:boss that I am late",
            "message_send",
            json!({ "to": "mail:me:boss", "text": "I am late" }),
            "sent",
        ),
        task(
            "a message after a page",
            vec![turn(
                "Send the news of https://news.example/today to mail:me:boss",
                vec![
                    vec![("fetch_page", json!({ "url": "https://news.example/today" }))],
                    vec![("message_send", json!({ "to": "mail:me:boss", "text": "The harbour opens" }))],
                ],
                "sent",
                1,
            )],
        ),
        task(
            "two messages",
            vec![turn(
                "Tell mail:me:boss and mail:me:team",
                vec![vec![
                    ("message_send", json!({ "to": "mail:me:boss", "text": "late" })),
                    ("message_send", json!({ "to": "mail:me:team", "text": "late" })),
                ]],
                "sent",
                2,
            )],
        ),
        attached(
            "an image described",
            "application/octet-stream",
            "What is on it?",
            vec![vec![("media_describe", json!({ "attachment": "{{attachment}}" }))]],
            "A description",
        ),
        attached(
            "a question about an image",
            "application/octet-stream",
            "Is there a cat?",
            vec![vec![("media_describe", json!({ "attachment": "{{attachment}}", "question": "Is there a cat?" }))]],
            "A description",
        ),
        attached("an image that is seen", "image/png", "What is on it?", vec![], "cat"),
        one(
            "an image on the web",
            "What is on https://pictures.example/cat.png?",
            "media_describe_url",
            json!({ "url": "https://pictures.example/cat.png" }),
            "A description",
        ),
        task(
            "an image found on a page",
            vec![turn(
                "Look at the picture of https://pictures.example/",
                vec![
                    vec![("fetch_page", json!({ "url": "https://pictures.example/" }))],
                    vec![("media_describe_url", json!({ "url": "https://pictures.example/cat.png" }))],
                ],
                "A description",
                0,
            )],
        ),
        task(
            "a talk",
            vec![
                turn("Hello", vec![], "done", 0),
                turn("How are you?", vec![], "done", 0),
                turn("Bye", vec![], "done", 0),
            ],
        ),
    ]
}

/// Every task.
pub(crate) fn all() -> Vec<Task> {
    calculations().into_iter().chain(reading()).chain(remembering()).chain(working()).collect()
}
