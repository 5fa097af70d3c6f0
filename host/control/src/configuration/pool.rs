//! `[pool]`: how many calls of components run at once.

use cara_kernel::PoolSize;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// How many calls of components run at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct PoolSettings {
    /// Calls at once, 2 to 4096; half of them of one component. Unless set, as many as may fill half of the machine's
    /// memory at 64 MiB each, 16 to 256.
    #[serde(deserialize_with = "calls")]
    #[schemars(range(min = 2, max = 4096))]
    calls: Option<u32>,
}

impl PoolSettings {
    /// The pool, on a machine with so much memory as far as that is known.
    pub(crate) fn size(self, memory: Option<u64>) -> PoolSize {
        self.calls.or(memory.map(calls_in)).map(PoolSize::new).unwrap_or_default()
    }
}

/// As many calls as may fill half of this much memory with what a call may have, 16 at least and 256 at most.
fn calls_in(memory: u64) -> u32 {
    (memory / 2 / (64 << 20)).clamp(16, 256) as u32
}

fn calls<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u32>, D::Error> {
    let calls = u32::deserialize(deserializer)?;
    let (least, most) = PoolSize::RANGE.into_inner();
    let wrong = || serde::de::Error::custom(format!("`calls` is a number from {least} to {most}"));
    PoolSize::RANGE.contains(&calls).then_some(Some(calls)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_calls_follows_the_memory_within_bounds() {
        let size = |bytes: u64| PoolSettings::default().size(Some(bytes)).calls();
        assert_eq!([1_u64 << 30, 8 << 30, 1 << 40].map(size), [16, 64, 256]);
    }
}
