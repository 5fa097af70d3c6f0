//! New credentials, out of what whoever makes them has: never more.

use crate::application::Application;
use crate::credentials::{End, Held, MOST, TOKEN, random, sha256, shown, text};
use crate::error::{Error, Result, error, fail};
use crate::known_people;
use cara_authority::{Allowance, CredentialId, PersonId, PersonRole, Principal, Scope};
use cara_records::{AboutCredential, Credential, CredentialKind, Proof, Records};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest name, characters.
const NAME: usize = 100;

/// The most sessions that one credential yields, and that codes of the account do.
const SESSIONS: usize = 32;

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
    let maker = credentials.of_caller(by, now_ms)?;
    if let Some(maker) = &maker
        && replaces.iter().any(|gone| credentials.is_of(maker.id(), gone))
    {
        fail!(
            Refused,
            "what this would replace is what it is asked with\nhint: `cara password set` sets another password"
        );
    }
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
    keep(application, (kept, role), maker.as_ref(), replaces, ("credential-issued", by.door())).await
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
    let (credentials, now_ms) = (application.credentials().await?, application.now_ms());
    // A code is spent by what it yields, which is its maker's then.
    let spent = parent.kind() == CredentialKind::Code;
    let maker = match spent {
        true => parent.parent().map(|id| credentials.get(id, now_ms).ok_or_else(over)).transpose()?,
        false => Some(parent.clone()),
    };
    let csrf = (kind == CredentialKind::Session).then(|| random().map(|bytes| hex::encode(*bytes))).transpose()?;
    let kept = Credential {
        id: Records::fresh_credential()?,
        kind,
        person: parent.person().clone(),
        parent: maker.as_ref().map(|maker| maker.id().clone()),
        about: AboutCredential { name: name.to_owned(), proof, allowance: (**parent.allowance()).clone(), csrf },
        added_ms: now_ms,
        expires_ms: match spent {
            // Ten minutes are the code's own; what it was made with ends what it yields as well.
            true => expires_ms,
            false => earlier(expires_ms, parent.expires_ms()),
        },
        used_day: None,
    };
    // Whoever comes in again and again takes no room without end: the first sessions give way.
    let all = credentials.all();
    let is_beside = |held: &&Arc<Held>| held.kind() == kind && held.parent() == kept.parent.as_ref();
    let beside: Vec<_> = all.iter().filter(is_beside).map(|held| held.id().clone()).collect();
    let too_many = if kind == CredentialKind::Session { (beside.len() + 1).saturating_sub(SESSIONS) } else { 0 };
    let replaces: Vec<_> =
        spent.then(|| parent.id().clone()).into_iter().chain(beside.into_iter().take(too_many)).collect();
    keep(application, (kept, parent.role()), maker.as_ref(), &replaces, ("credential-yielded", door)).await
}

/// What is said to whoever makes something with what was taken back meanwhile.
fn over() -> Error {
    error!(Refused, "what it was made with was taken back meanwhile\nhint: show another credential")
}

async fn keep(
    application: &Application,
    (kept, role): (Credential, PersonRole),
    maker: Option<&Arc<Held>>,
    replaces: &[CredentialId],
    (event, by): (&'static str, &str),
) -> Result<Arc<Held>> {
    let credentials = application.credentials().await?;
    for gone in replaces {
        credentials.take(gone, End::TakenBack);
    }
    application.records().await?.keep_credential(&kept, replaces, (event, told(&kept, by))).await?;
    let held = credentials.held(kept, role);
    credentials.put(held.clone());
    // Its maker may have been taken back meanwhile, with all that was known to come from it; or have another secret, which
    // ends the same.
    if maker.is_some_and(|maker| !maker.holds(application.now_ms())) {
        application.take_back(held.id(), End::TakenBack, None).await?;
        return Err(over());
    }
    Ok(held)
}

/// Gives a token another secret; the one before counts no more, what goes on with it ends, and what it yielded is taken back.
/// With a credential that is done for itself and for what it yielded: whoever has the secret goes with the one that asks.
pub(crate) async fn rotate(
    application: &Application,
    by: &Principal,
    token: &Arc<Held>,
) -> Result<(Arc<Held>, Zeroizing<String>)> {
    let credentials = application.credentials().await?;
    if let Some(maker) = credentials.of_caller(by, application.now_ms())?
        && !credentials.is_of(token.id(), maker.id())
    {
        fail!(
            Refused,
            "the token was not made with the one that asks\nhint: `cara token rotate` can do it, or make another and revoke this"
        );
    }
    let secret = text(TOKEN)?;
    let mut kept = token.kept();
    kept.about.proof = shown(&sha256(secret.as_bytes()));
    let event = ("credential-rotated", told(&kept, by.door()));
    let held = credentials.held(kept, token.role());
    let over =
        || error!(Conflict, "`{}` was taken back meanwhile\nhint: `cara token create` makes another", token.id());
    let _alone = application.entries.proving.lock().await;
    if !credentials.replace(token, held.clone()) {
        return Err(over());
    }
    token.end(End::TakenBack);
    let yielded: Vec<_> = credentials.take_yielded(token.id()).iter().map(|held| held.id().clone()).collect();
    let is_kept = application.records().await?.prove_credential(&held.kept(), &yielded, event).await;
    if !matches!(is_kept, Ok(true)) {
        credentials.take(token.id(), End::TakenBack);
        is_kept?;
        return Err(over());
    }
    Ok((held, secret))
}
