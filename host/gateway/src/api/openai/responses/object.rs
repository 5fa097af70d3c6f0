//! A response as an object: what was asked for, and how far it is.

use cara_control::completion::Finish;
use serde_json::{Map, Value, json};

/// What every state of a response has in common.
#[derive(Debug, Clone)]
pub(super) struct Object {
    id: String,
    fields: Map<String, Value>,
    summarizes: bool,
    is_sealed: bool,
}

impl Object {
    /// `fields` is what was asked for, as it is told; `summarizes` whether reasoning is told, `is_sealed` whether it is handed
    /// out to be sent back.
    pub(super) fn new(id: &str, mut fields: Map<String, Value>, summarizes: bool, is_sealed: bool) -> Self {
        for (name, value) in [
            ("id", id.into()),
            ("object", "response".into()),
            ("error", Value::Null),
            ("incomplete_details", Value::Null),
            ("usage", Value::Null),
            ("user", Value::Null),
            ("truncation", "disabled".into()),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Self { id: id.to_owned(), fields, summarizes, is_sealed }
    }

    /// What ids of its items have in common.
    pub(super) fn suffix(&self) -> &str {
        self.id.split_once('_').map_or(&*self.id, |(_, suffix)| suffix)
    }

    pub(super) const fn summarizes(&self) -> bool {
        self.summarizes
    }

    /// In a state, with what has come.
    pub(super) fn told(&self, status: &str, output: &[Value]) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("status".to_owned(), status.into());
        fields.insert("output".to_owned(), output.into());
        Value::Object(fields)
    }

    /// At its end; `reason` says why it is incomplete.
    pub(super) fn ended(&self, finish: &Finish, reason: Option<&str>, output: &[Value]) -> Value {
        let mut response = self.told(if reason.is_some() { "incomplete" } else { "completed" }, output);
        if let Some(reason) = reason {
            response["incomplete_details"] = json!({ "reason": reason });
        }
        let usage = &finish.usage;
        response["model"] = finish.model.as_str().into();
        response["usage"] = json!({
            "input_tokens": usage.input,
            "input_tokens_details": { "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": usage.input + usage.output,
        });
        response
    }

    /// A response or an item as a client is told it.
    pub(super) fn shown(&self, value: &Value) -> Value {
        if self.is_sealed { value.clone() } else { unsealed(value) }
    }
}

/// Without what has to be sent back of reasoning: a client that did not ask for it is not told.
pub(super) fn unsealed(value: &Value) -> Value {
    let mut value = value.clone();
    let strip = |item: &mut Value| {
        if let Some(item) = item.as_object_mut().filter(|item| item.get("type").is_some_and(|kind| kind == "reasoning"))
        {
            item.remove("encrypted_content");
        }
    };
    strip(&mut value);
    for item in value.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten() {
        strip(item);
    }
    value
}
