//! How much may be spent: tokens and money, per run, session,
//! day and component.

use cara_authority::manifest::Price;
use cara_authority::{ComponentId, PersonId, PersonRole};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Tokens that a run may use unless the operator says otherwise.
const RUN_TOKENS: u64 = 1_000_000;

/// Tokens that a guest may use in one day unless the operator says otherwise.
const GUEST_TOKENS: u64 = 200_000;

/// Millionths of a dollar. Written as dollars: `2.50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u64);

/// One amount; what is not set is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Amount {
    /// Tokens in and out together.
    pub tokens: Option<u64>,
    /// US dollars. A model whose price is not known is then not asked.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1e9))]
    pub dollars: Option<Micros>,
}

/// How much may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// One message and all that is done to answer it; 1,000,000 tokens unless set.
    pub run: Amount,
    /// The budget of one conversation.
    pub session: Amount,
    /// Everything in one day, UTC.
    pub day: Amount,
    /// What each component's models may cost in one day.
    pub component: BTreeMap<ComponentId, Amount>,
    /// What each person may use in one day, by role.
    pub role: RoleBudgets,
    /// What single persons may use in one day, in place of what their role may; `owner` is the owner.
    pub person: BTreeMap<PersonId, Amount>,
}

/// What each person may use in one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleBudgets {
    /// Each member.
    pub member: Amount,
    /// Each guest, and whoever is not known; 200,000 tokens unless set.
    pub guest: Amount,
}

impl Default for RoleBudgets {
    fn default() -> Self {
        Self { member: Amount::default(), guest: Amount { tokens: Some(GUEST_TOKENS), dollars: None } }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        let run = Amount { tokens: Some(RUN_TOKENS), dollars: None };
        let (session, day, component, role, person) = Default::default();
        Self { run, session, day, component, role, person }
    }
}

impl Amount {
    /// Whether it limits anything.
    pub fn is_some(&self) -> bool {
        self.tokens.is_some() || self.dollars.is_some()
    }
}

impl Budgets {
    /// What a person with this role may use in one day; nobody's role is that of a guest.
    pub fn allowance(&self, person: &PersonId, role: Option<PersonRole>) -> Amount {
        let owner = || (*person == PersonId::owner()).then(|| PersonId::parse("owner").ok()).flatten();
        let own = self.person.get(person).or_else(|| self.person.get(&owner()?));
        own.copied().unwrap_or(match role {
            Some(PersonRole::Owner) => Amount::default(),
            Some(PersonRole::Member) => self.role.member,
            Some(PersonRole::Guest) | None => self.role.guest,
        })
    }

    /// Whether what a person may use depends on who it is.
    pub fn limits_people(&self) -> bool {
        self.role.member.is_some() || self.role.guest.is_some() || !self.person.is_empty()
    }

    /// Whether any limit is in money, so that prices must be known.
    pub fn limits_money(&self, component: &ComponentId) -> bool {
        let own = self.component.get(component);
        [Some(&self.run), Some(&self.session), Some(&self.day), own].into_iter().flatten().any(|a| a.dollars.is_some())
    }
}

/// In dollars: `$2.50`, `$0.00001`.
impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (dollars, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let parts = format!("{micros:06}");
        write!(f, "${dollars}.{:0<2}", parts.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        if !(0.0..=1e9).contains(&dollars) {
            return Err(serde::de::Error::custom(format!("{dollars} is not an amount of dollars; write `2.50`")));
        }
        Ok(Self((dollars * 1e6).round() as u64))
    }
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    /// Of the prompt, the cached ones included.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Of `input`, read from the cache.
    pub cache_read: u64,
    /// Of `input`, written to the cache.
    pub cache_write: u64,
}

/// What tokens cost. A dollar a million of them is a millionth of a dollar each.
pub(crate) fn cost(price: &Price, tokens: Tokens) -> Micros {
    let plain = tokens.input.saturating_sub(tokens.cache_read + tokens.cache_write);
    let parts = [
        (plain, price.input),
        (tokens.cache_read, price.cache_read.unwrap_or(price.input)),
        (tokens.cache_write, price.cache_write.unwrap_or(price.input)),
        (tokens.output, price.output),
    ];
    Micros(parts.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>().ceil() as u64)
}

/// Whether it is an amount that can be.
pub fn is_plausible(price: &Price) -> bool {
    let all = [Some(price.input), Some(price.output), price.cache_read, price.cache_write];
    all.into_iter().flatten().all(|price| (0.0..=100_000.0).contains(&price))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let price: Price = toml::from_str("input = 3.0\noutput = 15.0\ncache-read = 0.3\ncache-write = 3.75").unwrap();
        let tokens = Tokens { input: 1_000, output: 100, cache_read: 600, cache_write: 200 };
        assert_eq!(cost(&price, tokens), Micros(600 + 180 + 750 + 1_500));
        assert_eq!([10, 2_500_000, 0].map(|micros| Micros(micros).to_string()), ["$0.00001", "$2.50", "$0.00"]);
        assert_eq!(cost(&price, Tokens { input: 1, ..Tokens::default() }), Micros(3));
    }

    #[test]
    fn a_person_has_their_own_allowance_or_that_of_their_role() {
        let budgets: Budgets = toml::from_str(
            "[role.member]\ntokens = 5\n[person.anna]\ntokens = 7\n[person.owner]\ndollars = 1.0\n[person.gus]\ntokens = 1",
        )
        .unwrap();
        let tokens = |person: &str, role| budgets.allowance(&PersonId::parse(person).unwrap(), role).tokens;
        assert_eq!(tokens("anna", Some(PersonRole::Member)), Some(7));
        assert_eq!(tokens("ben", Some(PersonRole::Member)), Some(5));
        assert_eq!(tokens("gus", Some(PersonRole::Guest)), Some(1));
        // A guest, a stranger and a group have the least.
        assert_eq!([tokens("x", Some(PersonRole::Guest)), tokens("group:1", None)], [Some(GUEST_TOKENS); 2]);
        let owner = budgets.allowance(&PersonId::owner(), Some(PersonRole::Owner));
        assert_eq!((owner.tokens, owner.dollars), (None, Some(Micros(1_000_000))));
        assert!(!Budgets::default().allowance(&PersonId::owner(), Some(PersonRole::Owner)).is_some());
        for bad in ["[role.stranger]\ntokens = 1", "[role.owner]\ntokens = 1", "[person.\"a b\"]\ntokens = 1"] {
            assert!(toml::from_str::<Budgets>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_amount_is_read_strictly() {
        let budgets: Budgets =
            toml::from_str("[run]\ntokens = 1000\n[day]\ndollars = 2.5\n[component.a]\ndollars = 1.0").unwrap();
        assert_eq!(budgets.day.dollars, Some(Micros(2_500_000)));
        assert!(budgets.limits_money(&ComponentId::parse("a").unwrap()));
        assert_eq!(Budgets::default().run.tokens, Some(RUN_TOKENS));
        for bad in ["[run]\ndollars = -1.0", "[run]\neuros = 1.0", "[week]\ntokens = 1", "[component.A]\ntokens = 1"] {
            assert!(toml::from_str::<Budgets>(bad).is_err(), "{bad}");
        }
    }
}
