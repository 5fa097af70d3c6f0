//! How approvals are asked for: by when, who decides, and where it is asked.

use cara_authority::limits::Time;
use cara_authority::messaging::BadAddress;
use cara_authority::{ConversationAddress, Needed, PersonId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::time::Duration;

/// How approvals are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ApprovalSettings {
    /// After which time silence is a denial; `"10m"` unless set.
    pub deadline: Time,
    /// How long a question of an unattended run waits for an answer that counts the next time; `"24h"` unless set.
    pub queued_deadline: Time,
    /// Who decides, by their ids, `owner` for the owner. Unless set, the owner, and a member about what they ask for alone.
    pub deciders: BTreeSet<PersonId>,
    /// How many of them have to agree: `any`, `all`, or a number; `any` unless set.
    #[serde(deserialize_with = "needed")]
    #[schemars(schema_with = "needed_schema")]
    pub needed: Needed,
    /// The conversation in which somebody is asked, by their id; the direct one in which they wrote last unless set.
    #[schemars(schema_with = "addresses_schema")]
    #[serde(deserialize_with = "addresses")]
    pub ask_at: BTreeMap<PersonId, ConversationAddress>,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self {
            deadline: Time(Duration::from_secs(600)),
            queued_deadline: Time(Duration::from_secs(24 * 60 * 60)),
            deciders: BTreeSet::new(),
            needed: Needed::Any,
            ask_at: BTreeMap::new(),
        }
    }
}

impl ApprovalSettings {
    /// Whether anybody is named in them.
    pub fn names_people(&self) -> bool {
        !self.deciders.is_empty() || !self.ask_at.is_empty()
    }
}

fn needed<'de, D: Deserializer<'de>>(value: D) -> Result<Needed, D::Error> {
    let value = Value::deserialize(value)?;
    let number = || value.as_u64().and_then(|number| NonZeroU8::new(u8::try_from(number).ok()?));
    match value.as_str() {
        Some("any") => Ok(Needed::Any),
        Some("all") => Ok(Needed::All),
        _ => number()
            .map(Needed::Number)
            .ok_or_else(|| de::Error::custom("`needed` is `any`, `all`, or a number from 1")),
    }
}

fn needed_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [{ "type": "string", "enum": ["any", "all"] }, { "type": "integer", "minimum": 1, "maximum": 255 }],
        "default": "any",
    })
}

fn addresses_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let address = serde_json::json!({ "type": "string", "examples": ["console:local:me"] });
    schemars::json_schema!({ "type": "object", "additionalProperties": address })
}

fn addresses<'de, D: Deserializer<'de>>(table: D) -> Result<BTreeMap<PersonId, ConversationAddress>, D::Error> {
    let table = BTreeMap::<PersonId, String>::deserialize(table)?;
    let parsed = table.into_iter().map(|(person, text)| Ok((person, ConversationAddress::parse(&text)?)));
    parsed.collect::<Result<_, BadAddress>>().map_err(de::Error::custom)
}
