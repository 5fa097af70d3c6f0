//! One tool call, and the hash that an approval of it is bound to.

use crate::id::{ComponentId, SessionId, ToolName};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One tool call as it would be made: exactly this, by exactly this code, in exactly this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Whose tool.
    pub component: ComponentId,
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// The tool.
    pub tool: ToolName,
    /// Its arguments as canonical JSON: see [`canonical`].
    pub arguments: String,
    /// Where data goes, as far as arguments say so.
    pub destinations: Vec<String>,
    /// The servers that settings of the component name: where it connects, whatever the arguments say.
    pub servers: Vec<String>,
    /// The session it is made in.
    pub session: SessionId,
}

/// The hash that an approval is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding(pub [u8; 32]);

impl ToolCall {
    /// SHA-256 over every field with its length before it: no two calls have the same bytes.
    pub fn binding(&self) -> Binding {
        let mut hasher = Sha256::new_with_prefix(b"cara tool call 2\0");
        let fields: [&[u8]; 5] = [
            self.component.as_str().as_bytes(),
            &self.digest,
            self.tool.as_str().as_bytes(),
            self.arguments.as_bytes(),
            self.session.as_str().as_bytes(),
        ];
        for field in fields.into_iter().chain(self.destinations.iter().map(String::as_bytes)) {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
        for server in &self.servers {
            // No field before is so long: a server is no destination.
            hasher.update(u64::MAX.to_be_bytes());
            hasher.update((server.len() as u64).to_be_bytes());
            hasher.update(server);
        }
        Binding(hasher.finalize().into())
    }
}

/// JSON with the keys of every object sorted by bytes and no white space: one text for one value.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            let fields: Vec<String> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_is_part_of_what_is_approved_and_no_destination() {
        let (bare, server) = (ToolCall { destinations: vec![], ..call() }, vec!["a".to_owned()]);
        let at_server = ToolCall { servers: server.clone(), ..bare.clone() };
        let toward = ToolCall { destinations: server, ..bare.clone() };
        assert!(at_server.binding() != bare.binding() && at_server.binding() != toward.binding());
    }

    pub(crate) fn call() -> ToolCall {
        ToolCall {
            component: ComponentId::parse("post").unwrap(),
            digest: [7; 32],
            tool: ToolName::parse("post_send").unwrap(),
            arguments: r#"{"text":"hi","to":"a"}"#.into(),
            destinations: vec!["a".into()],
            servers: Vec::new(),
            session: SessionId::parse("s-1").unwrap(),
        }
    }

    #[test]
    fn every_field_changes_the_binding() {
        type Change = fn(&mut ToolCall);
        let changes: [Change; 9] = [
            |call| call.component = ComponentId::parse("host").unwrap(),
            |call| call.digest[31] ^= 1,
            |call| call.tool = ToolName::parse("post_senc").unwrap(),
            |call| call.arguments = r#"{"text":"ho","to":"a"}"#.into(),
            |call| call.destinations = vec!["b".into()],
            |call| call.destinations = Vec::new(),
            |call| call.destinations.push("a".into()),
            |call| call.destinations.push(String::new()),
            |call| call.session = SessionId::parse("s-2").unwrap(),
        ];
        let original = call().binding();
        for change in changes {
            let mut changed = call();
            change(&mut changed);
            assert_ne!(changed.binding(), original, "{changed:?}");
        }
        let mut shifted = call();
        shifted.destinations = vec!["as".into()];
        assert_ne!(shifted.binding(), original);
        let [mut two, mut one] = [call(), call()];
        (two.destinations, one.destinations) = (vec!["a".into(), "b".into()], vec!["ab".into()]);
        assert_ne!(two.binding(), one.binding());
    }

    #[test]
    fn one_value_has_one_text() {
        let read = |text: &str| canonical(&serde_json::from_str(text).unwrap());
        assert_eq!(
            read(r#"{ "b": [1, {"z":null,"a":"\u0041"}], "a": 1.50 }"#),
            r#"{"a":1.5,"b":[1,{"a":"A","z":null}]}"#
        );
        assert_eq!(read(r#"{"b":1,"a":2}"#), read(r#"{"a":2,"b":1}"#));
    }
}
