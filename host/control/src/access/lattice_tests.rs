//! The lattice of scopes: whoever plays what steps, nobody gets more than they
//! have, and what is taken back goes with all that came of it.
#![allow(clippy::unwrap_used)]

use super::tests::{House, key, owner, pair, pem, token};
use crate::credentials::Held;
use crate::entering::{NewDevice, pairing_message, session_message};
use crate::page_password::SetPagePassword;
use crate::tokens::{CreateToken, CreatedToken, RevokeToken, RotateToken};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::{Allowance, CredentialId, Principal, Scope};
use ed25519_dalek::Signer;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A step of somebody who wants more than they have.
#[derive(Debug, Clone)]
enum Step {
    Create { by: usize, scopes: BTreeSet<Scope>, agents: Option<BTreeSet<String>>, tokens: Option<u64> },
    Rotate { by: usize, of: usize },
    PairAndEnter { by: usize, scopes: BTreeSet<Scope> },
    PairDevice { by: usize, scopes: BTreeSet<Scope> },
    Password { by: usize },
    Revoke { by: usize, of: usize },
}

fn scopes() -> impl Strategy<Value = BTreeSet<Scope>> {
    proptest::collection::btree_set(proptest::sample::select(Scope::ALL.to_vec()), 1..=5)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let agents = proptest::option::weighted(0.2, Just(BTreeSet::from(["main".to_owned()])));
    let tokens = proptest::option::weighted(0.2, 1_u64..9);
    let step = prop_oneof![
        4 => (any::<usize>(), scopes(), agents, tokens)
            .prop_map(|(by, scopes, agents, tokens)| Step::Create { by, scopes, agents, tokens }),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(by, of)| Step::Rotate { by, of }),
        2 => (any::<usize>(), scopes()).prop_map(|(by, scopes)| Step::PairAndEnter { by, scopes }),
        2 => (any::<usize>(), scopes()).prop_map(|(by, scopes)| Step::PairDevice { by, scopes }),
        1 => any::<usize>().prop_map(|by| Step::Password { by }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(by, of)| Step::Revoke { by, of }),
    ];
    proptest::collection::vec(step, 1..12)
}

/// Whoever can use a credential, and what was above it all the way from the account.
struct Known {
    held: Arc<Held>,
    principal: Principal,
    above: Vec<Allowance>,
    /// What it came from, itself with it: it goes with each of them.
    line: Vec<CredentialId>,
}

impl Known {
    fn of(held: Arc<Held>, maker: Option<&Self>) -> Self {
        let (mut above, mut line) = maker.map(|maker| (maker.above.clone(), maker.line.clone())).unwrap_or_default();
        above.push((**held.allowance()).clone());
        line.push(held.id().clone());
        Self { principal: held.principal("x"), held, above, line }
    }

    fn id(&self) -> String {
        self.held.id().to_string()
    }
}

/// Comes in with a code that somebody made.
async fn enters(house: &House, by: &Principal, scopes: BTreeSet<Scope>) -> Option<Arc<Held>> {
    let scopes: Vec<Scope> = scopes.into_iter().collect();
    let code = house.doing(by, pair(&scopes)).await.ok()?.code;
    house.application.enter_by_code(&code, "x").await.unwrap().map(|entered| entered.session)
}

/// The same as a device, whose key then gives it a session.
async fn pairs(house: &House, by: &Principal, scopes: BTreeSet<Scope>) -> Option<Arc<Held>> {
    let scopes: Vec<Scope> = scopes.into_iter().collect();
    let code = house.doing(by, pair(&scopes)).await.ok()?.code;
    let (key, host) = (key(), "cara.example.net");
    let (pem, sign) = (pem(&key), |message: &[u8]| STANDARD.encode(key.sign(message).to_bytes()));
    let signature = sign(&pairing_message(host, &code));
    let device = NewDevice { code: &code, name: "phone", key: &pem, signature: &signature };
    let device = house.application.pair(&device, host, "x").await.unwrap().unwrap();
    let (id, challenge) = (device.id().as_str(), house.application.challenge(device.id().as_str()).unwrap());
    let signature = sign(&session_message(host, id, &challenge));
    let entered = house.application.enter_by_device(id, [&challenge, &signature], host, "x").await.unwrap();
    entered.map(|entered| entered.session)
}

/// Comes in with the password that somebody set.
async fn types(house: &House, by: &Principal) -> Option<Arc<Held>> {
    let password = "a long password".to_owned();
    house.doing(by, SetPagePassword { password: password.clone() }).await.ok()?;
    let entered = house.application.enter_by_password(Zeroizing::new(password), "x").await.unwrap();
    entered.map(|entered| entered.session)
}

async fn plays(steps: Vec<Step>) {
    let house = House::new();
    // Some of each kind to begin with, and the first browser; the account itself is nobody's to steal.
    let mut known: Vec<Known> = Vec::new();
    for start in [&[Scope::Admin][..], &[Scope::Admin, Scope::Chat], &[Scope::Read, Scope::Chat], Scope::ALL] {
        let created = house.create(&owner(), start).await.unwrap();
        known.push(Known::of(house.held(&created.token.unwrap()).await.unwrap(), None));
    }
    known.push(Known::of(enters(&house, &owner(), Scope::ALL.iter().copied().collect()).await.unwrap(), None));
    for step in steps {
        let at = |index: usize| index % known.len();
        let text = async |created: CreatedToken| house.held(&created.token.unwrap()).await;
        let (by, got) = match step {
            Step::Create { by, scopes, agents, tokens } => {
                let wanted = CreateToken { scopes, agents, tokens_per_day: tokens, ..token("x", &[]) };
                match house.doing(&known[at(by)].principal, wanted).await {
                    Ok(created) => (at(by), text(created).await),
                    Err(_) => (at(by), None),
                }
            }
            Step::Rotate { by, of } => {
                let id = known[at(of)].id();
                match house.doing(&known[at(by)].principal, RotateToken { id }).await {
                    Ok(created) => (at(by), text(created).await),
                    Err(_) => (at(by), None),
                }
            }
            Step::PairAndEnter { by, scopes } => (at(by), enters(&house, &known[at(by)].principal, scopes).await),
            Step::PairDevice { by, scopes } => (at(by), pairs(&house, &known[at(by)].principal, scopes).await),
            Step::Password { by } => (at(by), types(&house, &known[at(by)].principal).await),
            Step::Revoke { by, of } => {
                let (by, of) = (at(by), at(of));
                let id = known[of].held.id().clone();
                if house.doing(&known[by].principal, RevokeToken { id: id.to_string() }).await.is_ok() {
                    let mut of_it = known.iter().filter(|known| known.line.contains(&id));
                    assert!(of_it.all(|known| known.held.alive().is_cancelled()), "it goes with it");
                }
                (by, None)
            }
        };
        let Some(held) = got else { continue };
        let caller = &known[by];
        assert!(!caller.held.alive().is_cancelled() || held.id() == caller.held.id(), "out of one that was taken back");
        for most in &caller.above {
            let own = held.allowance();
            assert!(own.scopes.is_subset(&most.scopes), "{own:?} out of {most:?}");
            let agents = |agents: &BTreeSet<String>| own.agents.as_ref().is_some_and(|own| own.is_subset(agents));
            assert!(most.agents.as_ref().is_none_or(agents), "{own:?} out of {most:?}");
            assert!(most.tokens_per_day.is_none() || held.id() == caller.held.id());
        }
        assert!(held.person() == caller.held.person());
        // Another secret of one that is known is that one; all else is its caller's.
        let same = known.iter().find(|known| known.held.id() == held.id()).map(|known| known.line.clone());
        let mut new = Known::of(held, Some(caller));
        new.line = same.unwrap_or(new.line);
        known.push(new);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_calls_yields_more_than_its_caller_has(steps in steps()) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(plays(steps));
    }
}
