//! New credentials, out of what whoever makes them has: never more.

use crate::application::Application;
use crate::credentials::{Held, MOST, TOKEN, random, sha256, shown, text};
use crate::error::{Result, error, fail};
use crate::known_people;
use cara_authority::{Allowance, CredentialId, PersonId, PersonRole, Principal, Scope};
use cara_records::{AboutCredential, Credential, CredentialKind, Proof, Records};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest name, characters.
const NAME: usize = 100;

/// A credential that somebody wants.
pub(crate) struct Wanted {
    pub(crate) kind: CredentialKind,
    pub(crate) name: String,
    pub(crate) person: PersonId,
    pub(crate) allowance: Allowance,
    /// From when on it counts no more, Unix milliseconds.
    pub(crate) expires_ms: Option<u64>,
    pub(crate) proof: Proof,
}

/// Whether what somebody has yields a credential for this. One that is given a part of its maker's time has no more of it
/// than that: it goes when its maker's credential goes.
fn is_yielded(by: &Principal, person: &PersonId, allowance: &Allowance) -> Result<()> {
    if by.role() != PersonRole::Owner && (by.person() != person) {
        fail!(Refused, "a credential of somebody else is the owner's to give\nhint: ask them to do it");
    }
    if !allowance.is_within(by.allowance()) {
        fail!(
            Refused,
            "the credential would be for more than the one it is made with\nhint: leave out scopes and agents that this one \
             does not have; one with a budget of its own makes no others"
        );
    }
    Ok(())
}

/// Whether somebody in this role can use it at all: what cannot be used is not given.
fn is_of_use(role: PersonRole, allowance: &Allowance) -> Result<()> {
    let chat: BTreeSet<Scope> = [Scope::Chat].into();
    if allowance.scopes.is_empty() {
        fail!(Invalid, "a credential is for something\nhint: name at least one scope, such as `--scope chat`");
    }
    if role != PersonRole::Owner && allowance.scopes != chat {
        fail!(
            Invalid,
            "a {} talks to the assistant, and does nothing else here\nhint: use `--scope chat` alone",
            role.name()
        );
    }
    if allowance.agents.is_some() && allowance.scopes != chat {
        fail!(
            Invalid,
            "a credential for some agents is for talking to them alone: with another scope it reached the others\n\
             hint: use `--scope chat` alone, or leave `--agent` out"
        );
    }
    Ok(())
}

/// What the audit log says of a credential: nothing that it is known by, and no name, for nothing is taken out of the log.
fn told(kept: &Credential, by: &str) -> Value {
    let Allowance { scopes, agents, tokens_per_day } = &kept.about.allowance;
    json!({
        "kind": kept.kind, "person": kept.person, "scopes": scopes, "agents": agents,
        "tokens-per-day": tokens_per_day, "expires-ms": kept.expires_ms, "parent": kept.parent, "by": by,
    })
}

/// Makes a credential for somebody who may have it, in place of those that it replaces.
pub(crate) async fn issue(
    application: &Application,
    by: &Principal,
    wanted: Wanted,
    replaces: &[CredentialId],
) -> Result<Arc<Held>> {
    let Wanted { kind, name, person, allowance, expires_ms, proof } = wanted;
    is_yielded(by, &person, &allowance)?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        fail!(Invalid, "that is no name of a credential\nhint: write one line of 1 to {NAME} characters");
    }
    let records = application.records().await?;
    let role = known_people::find(records, &person).await?.role;
    is_of_use(role, &allowance)?;
    let (credentials, now_ms) = (application.credentials().await?, application.now_ms());
    if expires_ms.is_some_and(|at| at <= now_ms) {
        fail!(Invalid, "a credential that has expired lets nobody in\nhint: choose a later time");
    }
    if credentials.all().len() >= MOST {
        fail!(Conflict, "there are {MOST} credentials already\nhint: `cara token revoke` takes some back");
    }
    let maker = by.credential().map(|id| credentials.of_caller(id, now_ms)).transpose()?;
    let kept = Credential {
        id: Records::fresh_credential()?,
        kind,
        person,
        parent: maker.as_ref().map(|maker| maker.id().clone()),
        about: AboutCredential { name, proof, allowance, csrf: None },
        added_ms: now_ms,
        expires_ms: earlier(expires_ms, maker.as_ref().and_then(|maker| maker.expires_ms())),
        used_day: None,
    };
    keep(application, kept, role, replaces, ("credential-issued", by.door())).await
}

/// The earlier of two times.
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

/// What lets in yields what is let in: a session of a password or device, or a device or session of a code, for no more and no
/// longer, and gone when it is.
pub(crate) async fn yielded(
    application: &Application,
    parent: &Arc<Held>,
    (kind, name, proof): (CredentialKind, &str, Proof),
    expires_ms: Option<u64>,
    door: &str,
) -> Result<Arc<Held>> {
    // A code is spent by what it yields, which is its maker's then.
    let spent = parent.kind() == CredentialKind::Code;
    let csrf = (kind == CredentialKind::Session).then(|| random().map(|bytes| hex::encode(*bytes))).transpose()?;
    let of_code = |held: &Arc<Held>| held.parent().cloned();
    let kept = Credential {
        id: Records::fresh_credential()?,
        kind,
        person: parent.person().clone(),
        parent: if spent { of_code(parent) } else { Some(parent.id().clone()) },
        about: AboutCredential { name: name.to_owned(), proof, allowance: (**parent.allowance()).clone(), csrf },
        added_ms: application.now_ms(),
        expires_ms: match spent {
            // Ten minutes are the code's own; what it was made with ends what it yields as well.
            true => expires_ms,
            false => earlier(expires_ms, parent.expires_ms()),
        },
        used_day: None,
    };
    let replaces = if spent { vec![parent.id().clone()] } else { Vec::new() };
    keep(application, kept, parent.role(), &replaces, ("credential-yielded", door)).await
}

async fn keep(
    application: &Application,
    kept: Credential,
    role: PersonRole,
    replaces: &[CredentialId],
    (event, by): (&'static str, &str),
) -> Result<Arc<Held>> {
    let credentials = application.credentials().await?;
    for gone in replaces {
        credentials.take(gone);
    }
    application.records().await?.keep_credential(&kept, replaces, (event, told(&kept, by))).await?;
    let held = Held::new(kept, role);
    credentials.put(held.clone());
    // What it comes from may have been taken back meanwhile, and with it all that was known to come from it.
    if let Some(parent) = held.parent()
        && credentials.get(parent, application.now_ms()).is_none()
    {
        application.take_back(held.id(), None).await?;
        fail!(Refused, "what it was made with was taken back meanwhile\nhint: show another credential");
    }
    Ok(held)
}

/// Gives a token another secret; the one before counts no more, what goes on with it ends, and what it yielded is taken back.
pub(crate) async fn rotate(
    application: &Application,
    by: &Principal,
    token: &Arc<Held>,
) -> Result<(Arc<Held>, Zeroizing<String>)> {
    is_yielded(by, token.person(), token.allowance())?;
    let credentials = application.credentials().await?;
    if let Some(id) = by.credential() {
        let maker = credentials.of_caller(id, application.now_ms())?;
        let longer = |end: u64| token.expires_ms().is_none_or(|own| own > end);
        if maker.id() != token.id() && maker.expires_ms().is_some_and(longer) {
            fail!(Refused, "the token would hold longer than the one that asks\nhint: `cara token rotate` can do it");
        }
    }
    let secret = text(TOKEN)?;
    let mut kept = token.kept();
    kept.about.proof = shown(&sha256(secret.as_bytes()));
    let over =
        || error!(Conflict, "`{}` was taken back meanwhile\nhint: `cara token create` makes another", token.id());
    let taken = credentials.take(token.id());
    if taken.is_empty() {
        return Err(over());
    }
    let yielded: Vec<CredentialId> = taken.iter().skip(1).map(|held| held.id().clone()).collect();
    let event = ("credential-rotated", told(&kept, by.door()));
    application.records().await?.keep_credential(&kept, &yielded, event).await?;
    let held = Held::new(kept, token.role());
    credentials.put(held.clone());
    Ok((held, secret))
}
