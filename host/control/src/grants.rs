//! What each component may do: granting, taking away, listing.

use crate::application::Application;
use crate::component_settings::{naming_addresses, secret_of};
use crate::error::{ErrorKind, Result, error, fail};
use crate::event::Events;
use crate::operation::{Operation, Route};
use cara_authority::manifest::Target;
use cara_authority::origin::Scheme;
use cara_authority::{Capability, ComponentId, Origin, Principal, Reach, SettingKey};
use cara_kernel::Checked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Refuses to give in clear what is a secret of another component.
pub(crate) fn refuse_secrets(application: &Application, checked: &Checked, requested: &[Capability]) -> Result<()> {
    let (id, installed) = (checked.manifest().id(), application.installed()?);
    for wish in requested {
        if let Capability::Environment(name) = wish
            && let Some(owner) = secret_of(&installed, name.as_str())
        {
            fail!(
                Refused,
                "component `{id}` asks for environment variable {name}, which holds a secret of `{owner}`\n\
                 hint: a secret is never given in clear; its author has to declare it as `[[secret]]`"
            );
        }
    }
    Ok(())
}

/// Grants a component capabilities that its manifest asks for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddGrants {
    /// The component.
    pub component: String,
    /// The capabilities, each as `http https://api.example.com`, `secret api-key`, `environment REGION`, `state`; beside
    /// `http` of a server off this machine, `plain http://10.0.0.5:11434` for HTTP without TLS, and `private` with the same
    /// address for one in a private network.
    pub capabilities: Vec<String>,
    /// For how long, milliseconds; for good when left out.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// What became of each capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddedGrants {
    /// The capabilities that are new.
    pub granted: Vec<String>,
    /// Those that were granted already, for as long or longer.
    pub already: Vec<String>,
}

impl Operation for AddGrants {
    type View = AddedGrants;
    const ROUTE: Route =
        Route::post("grants.add", "/control/v1/grants", "Grant a component capabilities, for good or for a time.")
            .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.component)?;
        let checked = application.checked(&id)?;
        let requested = application.setting_sources()?.requested(&checked)?;
        let capabilities = parsed(&self.capabilities)?;
        if let Some(other) = capabilities.iter().find(|capability| !asked_for(&checked, &requested, capability)) {
            let asked: Vec<String> = requested.iter().map(|wish| format!("`{wish}`")).collect();
            let asked = if asked.is_empty() { "nothing".to_owned() } else { asked.join(", ") };
            fail!(
                Refused,
                "component `{id}` does not ask for `{other}`, so it could not use it\nhint: it asks for {asked}"
            );
        }
        refuse_secrets(application, &checked, &capabilities)?;
        check_openings(&id, &capabilities, &application.ledger.granted(&id).await?)?;
        let until = self.for_ms.map(|ms| application.services.clock.now_ms().saturating_add(ms));
        let new = application.ledger.grant(&id, &capabilities, "cara grant", until).await?;
        let (granted, already): (Vec<_>, Vec<_>) =
            capabilities.into_iter().partition(|capability| new.contains(capability));
        for place in granted.iter().filter(|capability| !requested.contains(capability)) {
            if let (Capability::Http(to), Some(key)) = (place, setting_of_address(&checked)) {
                events.note(format!(
                    "`{id}` connects there once its setting says so: `cara config set component.{id}.settings.{key} {to}`"
                ));
            }
        }
        let texts = |all: Vec<Capability>| all.iter().map(ToString::to_string).collect();
        Ok(AddedGrants { granted: texts(granted), already: texts(already) })
    }
}

/// Whether a component asks for this, or could once its settings name that one address.
fn asked_for(checked: &Checked, requested: &[Capability], capability: &Capability) -> bool {
    let (Capability::Http(to) | Capability::Plain(to) | Capability::Private(to)) = capability else {
        return requested.contains(capability);
    };
    let settable = to.origin().is_some() && setting_of_address(checked).is_some();
    settable || requested.contains(&Capability::Http(to.clone()))
}

/// The setting that says where a component connects, where its manifest leaves that to the operator.
fn setting_of_address(checked: &Checked) -> Option<&SettingKey> {
    checked.manifest().http().iter().find_map(|http| match &http.host {
        Target::Setting(key) => Some(key),
        Target::Written(_) => None,
    })
}

/// Says that a component could not reach the address that the configuration names now.
pub(crate) async fn say_closed(application: &Application, id: &ComponentId, events: &Events) -> Result<()> {
    let checked = application.checked(id)?;
    let mut places = application.setting_sources()?.requested(&checked)?;
    places.retain(|wish| matches!(wish, Capability::Http(_)));
    if let Err(closed) = check_openings(id, &places, &application.ledger.granted(id).await?) {
        events.note(closed.to_string());
    }
    Ok(())
}

/// Refuses to open what needs no opening or must not be opened, and an address that stays closed without.
pub(crate) fn check_openings(id: &ComponentId, capabilities: &[Capability], granted: &[Capability]) -> Result<()> {
    let holds = |opening: Capability| capabilities.contains(&opening) || granted.contains(&opening);
    for capability in capabilities {
        match capability {
            Capability::Plain(to) | Capability::Private(to) => {
                let origin = to.origin().ok_or_else(|| error!(Invalid, "`{to}` is more than one address"))?;
                check_opening(capability, &origin)?;
            }
            Capability::Http(to) => {
                let Some(origin) = to.origin().filter(|origin| !origin.is_loopback()) else { continue };
                let plain = origin.scheme() == Scheme::Http && !holds(Capability::Plain(to.clone()));
                if let Some(why) = never_opened(&origin) {
                    fail!(Refused, "component `{id}` could not reach `{origin}`: {why}\nhint: no grant opens it");
                }
                let private = Reach::Public.refuses(&origin).filter(|_| !holds(Capability::Private(to.clone())));
                let flags = [(plain, " --plain"), (private.is_some(), " --private")];
                let flags: String = flags.iter().filter(|(needed, _)| *needed).map(|(_, flag)| *flag).collect();
                if !flags.is_empty() {
                    let what = if plain {
                        "it is plain HTTP to another machine".to_owned()
                    } else {
                        private.unwrap_or_default()
                    };
                    fail!(
                        Refused,
                        "component `{id}` could not reach `{origin}`: {what}\n\
                         hint: if you trust that server and the way to it, run `cara grant {id} {origin}{flags}`"
                    );
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Why no grant opens the way to an address that is neither public nor in a private network.
fn never_opened(origin: &Origin) -> Option<String> {
    Reach::Private.refuses(origin).and(Reach::Public.refuses(origin))
}

/// Refuses an opening that would open nothing, or what is never opened, such as the metadata service of a cloud.
fn check_opening(opening: &Capability, origin: &Origin) -> Result<()> {
    if let Some(why) = never_opened(origin).filter(|_| !origin.is_loopback()) {
        fail!(Invalid, "`{origin}` is not opened: {why}\nhint: no grant opens it");
    }
    if origin.is_loopback() {
        fail!(Invalid, "`{origin}` is on this machine\nhint: leave `--plain` and `--private` out");
    }
    match opening {
        Capability::Plain(_) if origin.scheme() != Scheme::Http => {
            fail!(Invalid, "`{origin}` is not plain HTTP\nhint: leave `--plain` out")
        }
        Capability::Private(_) => match Reach::Private.refuses(origin) {
            Some(why) => fail!(Invalid, "`--private` does not open `{origin}`: {why}\nhint: leave it out"),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What the operator opened for a component beside public hosts and this machine, for a review.
pub(crate) async fn openings(application: &Application, id: &ComponentId) -> Result<Vec<String>> {
    let granted = application.ledger.granted(id).await?;
    let told = |capability: &Capability| match capability {
        Capability::Plain(_) => Some(format!(
            "you granted `{capability}`: what it sends there, keys too, can be read and changed on the way"
        )),
        Capability::Private(_) => Some(format!("you granted `{capability}`: it reaches that server in your network")),
        _ => None,
    };
    Ok(granted.iter().filter_map(told).collect())
}

/// Whether an opening holds on beside these grants: as long as its `http` does.
pub(crate) fn stays_open(opening: &Capability, granted: &[Capability]) -> bool {
    match opening {
        Capability::Plain(to) | Capability::Private(to) => granted.contains(&Capability::Http(to.clone())),
        _ => false,
    }
}

/// Takes capabilities from a component; it counts from its next call on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeGrants {
    /// The component.
    pub component: String,
    /// The capabilities; all when there are none.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

impl Operation for RevokeGrants {
    type View = Vec<String>;
    const ROUTE: Route =
        Route::post("grants.take", "/control/v1/grants/revoke", "Take capabilities from a component.").once().admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let id = ComponentId::parse(&self.component)?;
        let recorded = application.ledger.grants().await?.into_iter().filter(|grant| grant.component == id);
        let recorded = recorded.map(|grant| grant.capability);
        let capabilities: Vec<Capability> = match self.capabilities.is_empty() {
            true => recorded.collect(),
            false => {
                let named = parsed(&self.capabilities)?;
                let with = recorded.filter(|opening| stays_open(opening, &named));
                named.iter().cloned().chain(with).collect()
            }
        };
        let gone = application.ledger.revoke(&id, &capabilities, "cara revoke").await?;
        if gone.is_empty() {
            refuse_unknown(application, &id)?;
            fail!(NotFound, "nothing of that was granted to `{id}`\nhint: `cara grants {id}` shows what is");
        }
        say_variables(application, &id, &gone, events).await?;
        Ok(gone.iter().map(ToString::to_string).collect())
    }
}

/// Says of a component that lost an address which variables of a terminal may name it one all the same.
async fn say_variables(
    application: &Application,
    id: &ComponentId,
    gone: &[Capability],
    events: &Events,
) -> Result<()> {
    if let Ok(checked) = application.checked(id)
        && gone.iter().any(|capability| matches!(capability, Capability::Http(_)))
    {
        let granted = application.ledger.granted(id).await?;
        let names = naming_addresses(checked.manifest());
        for name in names.filter(|name| granted.contains(&Capability::Environment((*name).clone()))) {
            events.note(format!(
                "`{id}` still connects where a terminal's {name} says; `cara revoke {id} environment {name}` ends that"
            ));
        }
    }
    Ok(())
}

/// Refuses a component that is not there.
fn refuse_unknown(application: &Application, id: &ComponentId) -> Result<()> {
    application
        .checked(id)
        .map(drop)
        .or_else(|error| if error.kind == ErrorKind::NotFound { Err(error) } else { Ok(()) })
}

fn parsed(texts: &[String]) -> Result<Vec<Capability>> {
    Ok(texts.iter().map(|text| Capability::parse(text)).collect::<std::result::Result<_, _>>()?)
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GrantRow {
    /// The component.
    pub component: String,
    /// The capability.
    pub capability: String,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// Until when.
    pub expires_ms: Option<u64>,
    /// Whether the grant holds now.
    pub holds: bool,
    /// By which act.
    pub by: String,
}

/// Capabilities as they were typed: `http https://host` may come as one word of the shell or as two, and a URL stands for
/// itself.
pub fn in_words(texts: &[String]) -> Vec<String> {
    let joined = texts.join(" ");
    let mut words = joined.split_whitespace().peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        found.push(match (word, words.peek()) {
            ("http" | "plain" | "private" | "secret" | "environment", Some(next)) => {
                let text = format!("{word} {next}");
                words.next();
                text
            }
            _ if word.contains("://") => format!("http {word}"),
            _ => word.to_owned(),
        });
    }
    found
}

/// Lists what is granted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListGrants {
    /// Only what is granted to this component.
    #[serde(default)]
    pub component: Option<String>,
}

impl Operation for ListGrants {
    type View = Vec<GrantRow>;
    const ROUTE: Route =
        Route::get("grants.list", "/control/v1/grants", "List what is granted to whom, since when, by which act.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let now_ms = application.services.clock.now_ms();
        let component = self.component.as_deref().map(ComponentId::parse).transpose()?;
        let mut all = application.ledger.grants().await?;
        all.retain(|grant| component.as_ref().is_none_or(|id| grant.component == *id));
        if let Some(id) = component.filter(|_| all.is_empty()) {
            refuse_unknown(application, &id)?;
        }
        let rows = all.into_iter().map(|grant| GrantRow {
            component: grant.component.to_string(),
            capability: grant.capability.to_string(),
            since_ms: grant.since_ms,
            expires_ms: grant.expires_ms,
            holds: grant.holds(now_ms),
            by: grant.reason.clone(),
        });
        Ok(rows.collect())
    }
}
