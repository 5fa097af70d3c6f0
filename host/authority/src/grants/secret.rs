//! What a component may spend: which secrets are placed, and which sign.

use super::Grants;
use crate::capability::Capability;
use crate::destination::{Destination, Sender};
use crate::id::{ComponentId, SecretName};
use crate::interfaces::Interfaces;
use crate::manifest::{Key, Secret, Spot};
use crate::pattern::OriginPattern;
use crate::refusal::{Refusal, Rule};

/// Having a `SecretGrant` tells you: this sender may spend this secret, toward these origins, in these spots.
#[derive(Debug, Clone)]
pub struct SecretGrant {
    sender: Sender,
    name: SecretName,
    audience: Vec<OriginPattern>,
    spots: Vec<Spot>,
    key: Option<Key>,
    optional: bool,
}

/// A secret that was not granted.
#[derive(Debug, Clone)]
pub(super) struct Withheld {
    name: SecretName,
    /// Where nothing is to be had without it.
    needed: Vec<OriginPattern>,
}

impl Grants {
    pub(super) fn meet_secret(&mut self, declared: &Secret, interfaces: &Interfaces, granted: &[Capability]) {
        let used = if declared.key.is_some() { interfaces.imports_secrets() } else { interfaces.imports_http() };
        let Secret { name, places, key, optional, .. } = declared;
        let audience: Vec<OriginPattern> =
            declared.audience.iter().filter_map(|host| host.resolve(&self.settings)).collect();
        if !used || !granted.contains(&Capability::Secret(name.clone())) {
            let needed = if *optional || key.is_some() { Vec::new() } else { audience };
            self.withheld.push(Withheld { name: name.clone(), needed });
            return;
        }
        let (sender, spots) = (Sender::Component(self.component.clone()), places.clone());
        let (name, key, optional) = (name.clone(), *key, *optional);
        self.secrets.push(SecretGrant { sender, name, audience, spots, key, optional });
    }

    /// The secret of that name, if it may be spent.
    pub fn secret(&self, name: &str) -> Result<&SecretGrant, Refusal> {
        if let Some(grant) = self.secrets.iter().find(|grant| grant.name.as_str() == name) {
            return Ok(grant);
        }
        if let Some(withheld) = self.withheld.iter().find(|withheld| withheld.name.as_str() == name) {
            return Err(self.withheld(&withheld.name));
        }
        let shown = crate::display_safe(name);
        let text = format!("component `{}` declares no secret `{shown}`", self.component);
        Err(Refusal::new(Rule::Undeclared, text)
            .hint("only a new version, signed with another manifest, can ask for more"))
    }

    /// The secret of that name as a key, if it is one.
    pub fn key(&self, name: &str) -> Result<(&SecretGrant, Key), Refusal> {
        let grant = self.secret(name)?;
        let refusal = || {
            Refusal::new(Rule::Denied, format!("secret `{name}` of component `{}` is no key", self.component))
                .hint("its manifest places it in requests; what is sent signs nothing")
        };
        grant.key.map(|key| (grant, key)).ok_or_else(refusal)
    }

    /// The secrets that are placed in a request to that destination. One that was not granted, and without which nothing
    /// is to be had there, is a refusal that names the cure.
    pub fn placed(&self, destination: &Destination) -> Result<Vec<&SecretGrant>, Refusal> {
        let needed = |withheld: &&Withheld| withheld.needed.iter().any(|to| to.matches(destination.origin()));
        if let Some(withheld) = self.withheld.iter().find(needed) {
            return Err(self.withheld(&withheld.name));
        }
        Ok(self.secrets.iter().filter(|grant| !grant.spots.is_empty() && grant.admits(destination)).collect())
    }

    fn withheld(&self, name: &SecretName) -> Refusal {
        let component = &self.component;
        Refusal::new(Rule::Ungranted, format!("component `{component}` may not spend secret `{name}`"))
            .hint(format!("to allow it, run `cara secrets set {component}/{name}`"))
    }
}

impl SecretGrant {
    /// The operator's own password or token, for the origin of a request of theirs; nothing for a component's request.
    pub fn own(destination: &Destination, spot: Spot) -> Result<Self, Refusal> {
        if *destination.sender() != Sender::Operator {
            return Err(Refusal::new(Rule::Denied, "the operator's own secrets are not a component's"));
        }
        Ok(Self {
            sender: Sender::Operator,
            name: SecretName::parse("login").expect("the name is well formed"),
            audience: vec![OriginPattern::exactly(destination.origin())],
            spots: vec![spot],
            key: None,
            optional: false,
        })
    }

    /// Whose stored secret it is; a refusal for the operator's own, which is not stored.
    pub fn component(&self) -> Result<&ComponentId, Refusal> {
        match &self.sender {
            Sender::Component(component) => Ok(component),
            Sender::Operator => Err(Refusal::new(Rule::Unavailable, format!("secret `{}` is not stored", self.name))),
        }
    }

    /// The secret's name.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// The spots it may stand in.
    pub fn spots(&self) -> &[Spot] {
        &self.spots
    }

    /// Whether a request goes without it when there is no value.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// What stands for the value in a spot. It is no secret, and anywhere else it is text.
    pub fn marker(&self) -> String {
        format!("cara-secret--{}", self.name)
    }

    /// Whether it may go along with a request to this destination.
    pub fn admits(&self, destination: &Destination) -> bool {
        self.sender == *destination.sender() && self.audience.iter().any(|to| to.matches(destination.origin()))
    }
}
