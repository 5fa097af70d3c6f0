//! Imports ∩ manifest ∩ grant, and the proofs that come out of it.

use crate::authority::Authority;
use crate::capability::Capability;
use crate::destination::{Destination, Reach, Sender, refused};
use crate::effect::Effect;
use crate::id::{ComponentId, ToolName};
use crate::interfaces::Interfaces;
use crate::limits::{Limits, LimitsTable};
use crate::manifest::{HttpDeclaration, Manifest};
use crate::origin::{Origin, Scheme, parse_url};
use crate::pattern::OriginPattern;
use crate::power::{Power, ServiceGrant};
use crate::refusal::{Refusal, Rule};
use crate::settings::Settings;
use http::{Method, Uri};
use std::fmt;
use std::time::Duration;

mod secret;

pub use secret::SecretGrant;

/// Having a `Grants` tells you: these are the powers of one component that its binary imports, its signed manifest
/// declares and the operator granted, with its settings and limits. Nothing else may be done in its name.
#[derive(Debug, Clone)]
pub struct Grants {
    component: ComponentId,
    http: Vec<Reachable>,
    ungranted: Vec<OriginPattern>,
    secrets: Vec<SecretGrant>,
    withheld: Vec<secret::Withheld>,
    state: Option<u64>,
    powers: Vec<Power>,
    channel: bool,
    /// Of all that is granted by a pattern, only these.
    only: Option<Vec<Origin>>,
    settings: Settings,
    limits: Limits,
    within: Option<Within>,
}

/// The tool whose call it is, and what its calls can do.
#[derive(Debug, Clone)]
struct Within {
    tool: ToolName,
    effects: Vec<Effect>,
}

/// Having a `ChannelGrant` tells you: this component is a channel by its binary and its manifest, and is called as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelGrant(ComponentId);

impl ChannelGrant {
    /// The channel in addresses.
    pub fn component(&self) -> &ComponentId {
        &self.0
    }
}

/// One granted `[[http]]` entry.
#[derive(Debug, Clone)]
struct Reachable {
    origin: OriginPattern,
    declared: HttpDeclaration,
    paths: Vec<String>,
    plain: bool,
    private: bool,
}

impl Grants {
    /// Intersects what a binary imports, what its manifest declares and what the operator granted.
    pub fn intersect(
        manifest: &Manifest,
        interfaces: &Interfaces,
        granted: &[Capability],
        settings: Settings,
        overrides: &LimitsTable,
    ) -> Self {
        let mut grants = Self {
            component: manifest.id().clone(),
            http: Vec::new(),
            ungranted: Vec::new(),
            secrets: Vec::new(),
            withheld: Vec::new(),
            state: None,
            powers: Vec::new(),
            channel: manifest.channel().is_some(),
            only: None,
            limits: Limits::default_for(interfaces.kinds()).narrowed(manifest.limits()).overridden(overrides),
            settings,
            within: None,
        };
        if interfaces.imports_http() {
            for declared in manifest.http() {
                grants.meet_http(declared, granted);
            }
        }
        for declared in manifest.secrets() {
            grants.meet_secret(declared, interfaces, granted);
        }
        if interfaces.imports_state() && granted.contains(&Capability::State) {
            grants.state = manifest.state().map(|state| state.bytes);
        }
        let declared = manifest.powers().iter().map(|declared| declared.name);
        grants.powers = declared
            .filter(|power| interfaces.imports_power(*power) && granted.contains(&Capability::Power(*power)))
            .collect();
        grants
    }

    fn meet_http(&mut self, declared: &HttpDeclaration, granted: &[Capability]) {
        let Some(origin) = declared.host.resolve(&self.settings) else { return };
        if granted.contains(&Capability::Http(origin.clone())) {
            let paths =
                declared.host.base_path(&self.settings).map_or_else(|| declared.paths.clone(), |path| vec![path]);
            let (plain, private) = (Capability::Plain(origin.clone()), Capability::Private(origin.clone()));
            let (plain, private) = (granted.contains(&plain), granted.contains(&private));
            self.http.push(Reachable { origin, declared: declared.clone(), paths, plain, private });
        } else {
            self.ungranted.push(origin);
        }
    }

    /// The same for a call of one tool: what is not among its effects is refused to it. One that there is not has none.
    #[must_use]
    pub fn for_tool(&self, tool: &ToolName, authority: &Authority) -> Self {
        let effects = authority.tool(tool).map(|tool| tool.uses.clone()).unwrap_or_default();
        Self { within: Some(Within { tool: tool.clone(), effects }), ..self.clone() }
    }

    /// Refuses what the tool that is called says it does not do.
    fn within(&self, effect: Effect, what: &dyn fmt::Display) -> Result<(), Refusal> {
        match &self.within {
            Some(Within { tool, effects }) if !effects.contains(&effect) => {
                let (component, effect) = (&self.component, effect.name());
                let text = format!(
                    "tool `{tool}` of component `{component}` may not {what}: `{effect}` is not among its effects"
                );
                Err(Refusal::new(Rule::Undeclared, text)
                    .hint("only a new version, signed with another manifest, can ask for more"))
            }
            _ => Ok(()),
        }
    }

    /// The same for a call that knows private things: of hosts that are not granted by name, only these are reached, so
    /// that no redirect carries anything on.
    #[must_use]
    pub fn only(&self, origins: Vec<Origin>) -> Self {
        Self { only: Some(origins), ..self.clone() }
    }

    /// The same for a request that no sandbox waits for: a server may take so long.
    #[must_use]
    pub fn within_time(&self, time: Duration) -> Self {
        let limits = Limits { wall: time, idle: time, ..self.limits.clone() };
        Self { limits, ..self.clone() }
    }

    /// Whether it is a channel: what it hands in then came to one of its accounts.
    ///
    /// # Errors
    ///
    /// It is none, or a tool of it is called.
    pub fn channel(&self) -> Result<ChannelGrant, Refusal> {
        if self.channel && self.within.is_none() {
            return Ok(ChannelGrant(self.component.clone()));
        }
        let text = format!("component `{}` is not called as a channel, and cannot hand in messages", self.component);
        Err(Refusal::new(Rule::Denied, text))
    }

    /// Whose powers these are.
    pub fn component(&self) -> &ComponentId {
        &self.component
    }

    /// What one call may use up.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The component's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes of state it may keep.
    pub fn state(&self) -> Result<u64, Refusal> {
        self.state.ok_or_else(|| {
            Refusal::new(Rule::Ungranted, format!("component `{}` may not keep state", self.component)).hint(format!(
                "to allow it, run `cara grant {} {}`",
                self.component,
                Capability::State
            ))
        })
    }

    /// A service of the host, if it may be used to this effect.
    pub fn power(&self, power: Power, effect: Option<Effect>) -> Result<ServiceGrant, Refusal> {
        if self.powers.contains(&power) {
            effect.map_or(Ok(()), |effect| self.within(effect, &format_args!("use `{power}`")))?;
            return Ok(ServiceGrant::new(self.component.clone(), power));
        }
        let component = &self.component;
        Err(Refusal::new(Rule::Ungranted, format!("component `{component}` may not use `{power}`"))
            .hint(format!("to allow it, run `cara grant {component} {}`", Capability::Power(power))))
    }

    /// Checks a request's method and URL.
    pub fn destination(&self, method: &Method, uri: &Uri) -> Result<Destination, Refusal> {
        let component = &self.component;
        let invalid = |error: crate::origin::BadUrl| Refusal::new(Rule::Destination, error.to_string());
        let url = parse_url(&uri.to_string()).map_err(invalid)?;
        let origin = Origin::parse(url.as_str()).map_err(invalid)?;
        let known: Vec<&Reachable> = self.http.iter().filter(|entry| entry.origin.matches(&origin)).collect();
        if known.is_empty() {
            return Err(self.unreachable(&origin));
        }
        let path = url.path();
        let fits = |entry: &&&Reachable| entry.declared.methods.contains(method) && below(path, &entry.paths);
        let reading = known.iter().filter(fits).find(|entry| !entry.declared.sends(method));
        let Some(entry) = reading.or_else(|| known.iter().find(fits)) else {
            let text = format!("component `{component}` may not `{method}` `{origin}{}`", crate::display_safe(path));
            return Err(Refusal::new(Rule::Destination, text).hint(format!("its manifest asks for {}", offers(&known))));
        };
        let effect = if reading.is_some() { Effect::ReadsUntrusted } else { Effect::SendsOutside };
        self.within(effect, &format_args!("`{method}` `{origin}`"))?;
        let by_name = entry.origin.origin().is_some();
        if !by_name && self.only.as_ref().is_some_and(|only| !only.contains(&origin)) {
            let text = format!("component `{component}` was not called for `{origin}`, and private content was seen");
            return Err(Refusal::new(Rule::Destination, text)
                .hint("to go there, call the tool with that address: a person decides"));
        }
        let reach = self.reach(&origin, entry)?;
        Destination::new(Sender::Component(component.clone()), method, &url, origin, reach)
    }

    /// How an origin is reached: a public host over `https`; or, of what is named alone, one on this machine, or what was
    /// granted as plain or private.
    fn reach(&self, origin: &Origin, entry: &Reachable) -> Result<Reach, Refusal> {
        let (component, named) = (&self.component, entry.origin.origin().is_some());
        if named && origin.is_loopback() {
            return Ok(Reach::Loopback);
        }
        let reach = if named && entry.private { Reach::Private } else { Reach::Public };
        let judged = if named && entry.plain { reach.refuses(origin) } else { refused(reach, origin) };
        let Some(why) = judged else { return Ok(reach) };
        let private = Reach::Public.refuses(origin).is_some();
        let hint = if named && (!private || Reach::Private.refuses(origin).is_none()) {
            let plain = if origin.scheme() == Scheme::Http { " --plain" } else { "" };
            format!(
                "to allow it, run `cara grant {component} {origin}{plain}{}`",
                if private { " --private" } else { "" }
            )
        } else {
            "only public hosts over `https`, or an `http` server on this machine named as base URL, are reached".into()
        };
        let text = format!("component `{component}` may not reach `{origin}`: {why}");
        Err(Refusal::new(Rule::Destination, text).hint(hint))
    }

    fn unreachable(&self, origin: &Origin) -> Refusal {
        let component = &self.component;
        let text = format!("component `{component}` may not reach `{origin}`");
        if let Some(pattern) = self.ungranted.iter().find(|pattern| pattern.matches(origin)) {
            return Refusal::new(Rule::Ungranted, text)
                .hint(format!("to allow it, run `cara grant {component} {}`", Capability::Http(pattern.clone())));
        }
        Refusal::new(Rule::Undeclared, text).hint("only a new version, signed with another manifest, can ask for more")
    }
}

/// Whether a normalised path is one of the prefixes or below it; an encoded slash, backslash, dot, percent sign or
/// semicolon could mean something else to the server than to us, so with a restricted path it never matches.
fn below(path: &str, prefixes: &[String]) -> bool {
    if prefixes.is_empty() {
        return true;
    }
    let lower = path.to_ascii_lowercase();
    if ["%2f", "%5c", "%2e", "%00", "%25", "%3b", "//"].iter().any(|form| lower.contains(form)) {
        return false;
    }
    // Some servers take `;…` off a segment before they look at it: `/..;/` is `/../` to them.
    if path.split('/').any(|segment| matches!(segment.split_once(';'), Some(("" | "." | "..", _)))) {
        return false;
    }
    prefixes.iter().any(|prefix| {
        let prefix = prefix.trim_end_matches('/');
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn offers(entries: &[&Reachable]) -> String {
    let text = |entry: &&Reachable| {
        let methods: Vec<&str> = entry.declared.methods.iter().map(Method::as_str).collect();
        let paths = if entry.paths.is_empty() { String::new() } else { format!(" below {}", entry.paths.join(", ")) };
        format!("`{} {}{paths}`", methods.join("|"), entry.origin)
    };
    entries.iter().map(text).collect::<Vec<_>>().join(", ")
}
