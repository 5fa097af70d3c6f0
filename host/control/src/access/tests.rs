//! Credentials as their makers, holders and thieves see them.
#![allow(clippy::unwrap_used)]

use crate::application::{Application, Options};
use crate::config::{ReadConfig, ReplaceConfig, SetSetting, UnsetSetting};
use crate::credentials::{Held, sha256};
use crate::devices::{PairDevice, RevokeDevice};
use crate::entering::{NewDevice, pairing_message, session_message};
use crate::error::ErrorKind;
use crate::event::Events;
use crate::holder::{HomeLock, Role};
use crate::installed::BuiltIn;
use crate::operation::Operation;
use crate::operations::Prepared;
use crate::page_password::{RemovePagePassword, SetPagePassword};
use crate::people::{ForgetPerson, GivenRole, NamePerson};
use crate::secrets::{KdfName, RotateVaultPassword};
use crate::tokens::{CreateToken, CreatedToken, RevokeToken, RotateToken};
use crate::vault::{MakeVault, UnlockVault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::{Principal, Scope};
use cara_records::{CredentialKind, Proof};
use cara_services::egress::KnownSecrets;
use cara_services::home::Home;
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A home, and what runs on it. No component is built in.
pub(super) struct House {
    pub(super) _folder: tempfile::TempDir,
    pub(super) application: Arc<Application>,
}

pub(super) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(super) fn pem(key: &SigningKey) -> String {
    key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()
}

impl House {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        Self { application: Self::open(&home), _folder: folder }
    }

    pub(super) fn open(home: &Home) -> Arc<Application> {
        Application::open(Options {
            lock: HomeLock::take(home).unwrap().unwrap(),
            built_in: BuiltIn::new(Vec::new(), &pem(&key())).unwrap(),
            store: None,
            known: KnownSecrets::new(),
            command: "a test".to_owned(),
            role: Role::Command,
        })
        .unwrap()
    }

    pub(super) async fn doing<O: Operation>(&self, by: &Principal, operation: O) -> crate::Result<O::View> {
        let done = Prepared::of(operation).run(self.application.clone(), by.clone(), Events::nobody()).await?;
        Ok(serde_json::from_str(done.get()).unwrap())
    }

    pub(super) async fn create(&self, by: &Principal, scopes: &[Scope]) -> crate::Result<CreatedToken> {
        self.doing(by, token("x", scopes)).await
    }

    pub(super) async fn held(&self, token: &str) -> Option<Arc<Held>> {
        let credentials = self.application.credentials().await.unwrap();
        credentials.shown(CredentialKind::Token, token.as_bytes(), self.application.now_ms())
    }

    pub(super) async fn by(&self, created: &CreatedToken) -> Principal {
        self.held(created.token.as_ref().unwrap()).await.unwrap().principal("a test")
    }

    pub(super) async fn kinds(&self) -> Vec<CredentialKind> {
        self.application.credentials().await.unwrap().all().iter().map(|held| held.kind()).collect()
    }
}

pub(super) fn owner() -> Principal {
    Principal::of_account("a test")
}

pub(super) fn token(name: &str, scopes: &[Scope]) -> CreateToken {
    let (agents, tokens_per_day, expires_in_ms, person, certificate, tailnet) = Default::default();
    let scopes = scopes.iter().copied().collect();
    CreateToken { name: name.to_owned(), scopes, agents, tokens_per_day, expires_in_ms, person, certificate, tailnet }
}

pub(super) fn pair(scopes: &[Scope]) -> PairDevice {
    let (agents, tokens_per_day, person) = Default::default();
    PairDevice { name: "phone".to_owned(), scopes: scopes.iter().copied().collect(), agents, tokens_per_day, person }
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_hash_and_held_by_whoever_has_it_whole() {
    let house = House::new();
    let created = house.create(&owner(), &[Scope::Read, Scope::Chat]).await.unwrap();
    let text = created.token.clone().unwrap();
    let held = house.held(&text).await.unwrap();
    assert!(held.principal("x").has(Scope::Chat) && !held.principal("x").has(Scope::Admin));
    // Nothing but the whole of it: no part, no more, no hash of it.
    let hash = hex::encode(sha256(text.as_bytes()));
    for wrong in ["", "cara_", &text[..text.len() - 1], &format!("{text} "), &text.to_uppercase(), &hash] {
        assert!(house.held(wrong).await.is_none(), "{wrong}");
    }
    let credentials = house.application.credentials().await.unwrap();
    assert!(credentials.shown(CredentialKind::Session, text.as_bytes(), 0).is_none(), "a token is no cookie");
    let Proof::Shown { sha256, .. } = held.proof() else { panic!("it is shown") };
    assert_eq!(*sha256, hash);
    // Who starts anew reads it out of the ledger, and the ledger does not show it.
    house.application.close().await;
    let home = house.application.home().clone();
    let House { _folder: folder, application } = house;
    drop(application);
    for entry in
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&entry).unwrap();
        for secret in [text.as_bytes(), hash.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", entry.display());
        }
    }
    let house = House { application: House::open(&home), _folder: folder };
    assert_eq!(house.held(&text).await.unwrap().allowance().scopes, [Scope::Read, Scope::Chat].into());
}

#[tokio::test]
async fn no_call_yields_a_credential_above_that_of_its_caller() {
    let house = House::new();
    let (read, admin) = ([Scope::Read], [Scope::Admin, Scope::Chat]);
    let reader = house.by(&house.create(&owner(), &read).await.unwrap()).await;
    let manager = house.by(&house.create(&owner(), &admin).await.unwrap()).await;
    let refused = |result: crate::Result<CreatedToken>| result.err().map(|error| error.kind);
    assert_eq!(refused(house.create(&reader, &read).await), Some(ErrorKind::Refused), "it may not administer");
    for above in [&[Scope::Read][..], &[Scope::Operate], &[Scope::Approve], &[Scope::Chat, Scope::Read], Scope::ALL] {
        assert_eq!(refused(house.create(&manager, above).await), Some(ErrorKind::Refused), "{above:?}");
        assert!(house.doing(&manager, pair(above)).await.is_err(), "{above:?}");
    }
    let below = house.create(&manager, &[Scope::Chat]).await.unwrap();
    // Somebody else's token, which is for more, gets no new secret by it; nor does the page a password.
    let whole = house.create(&owner(), Scope::ALL).await.unwrap();
    assert_eq!(
        refused(house.doing(&manager, RotateToken { id: whole.credential.id.clone() }).await),
        Some(ErrorKind::Refused)
    );
    assert!(house.held(whole.token.as_ref().unwrap()).await.is_some());
    let password = SetPagePassword { password: "a long password".to_owned() };
    assert!(house.doing(&manager, password).await.is_err() && !house.kinds().await.contains(&CredentialKind::Password));
    // Many small budgets are a large one, and many short lives a long one.
    let budgeted = CreateToken { tokens_per_day: Some(10), ..token("budget", &admin) };
    let budgeted = house.by(&house.doing(&owner(), budgeted).await.unwrap()).await;
    let child = CreateToken { tokens_per_day: Some(1), ..token("child", &[Scope::Chat]) };
    assert_eq!(refused(house.doing(&budgeted, child).await), Some(ErrorKind::Refused));
    let short = CreateToken { expires_in_ms: Some(60_000), ..token("short", &admin) };
    let short = house.doing(&owner(), short).await.unwrap();
    let child = house.create(&house.by(&short).await, &[Scope::Chat]).await.unwrap();
    assert_eq!(child.credential.expires_ms, short.credential.expires_ms);
    // Who may reach some agents reaches no others by another scope.
    let agents = || Some(BTreeSet::from(["main".to_owned()]));
    for (scopes, good) in [(&[Scope::Chat][..], true), (&[Scope::Chat, Scope::Read], false), (&[Scope::Admin], false)] {
        let wanted = CreateToken { agents: agents(), ..token("agents", scopes) };
        assert_eq!(house.doing(&owner(), wanted).await.is_ok(), good, "{scopes:?}");
    }
    // A member talks, and nothing else.
    let anna = NamePerson { id: "anna".to_owned(), name: None, role: Some(GivenRole::Member) };
    house.doing(&owner(), anna).await.unwrap();
    for (scopes, good) in [(&[Scope::Chat][..], true), (&[Scope::Chat, Scope::Admin], false), (&[Scope::Read], false)] {
        let wanted = CreateToken { person: Some("anna".to_owned()), ..token("anna", scopes) };
        assert_eq!(house.doing(&owner(), wanted).await.is_ok(), good, "{scopes:?}");
    }
    assert!(house.held(below.token.as_ref().unwrap()).await.is_some());
}

#[tokio::test]
async fn what_is_taken_back_or_gets_another_secret_ends_with_all_that_it_yielded() {
    let house = House::new();
    for rotated in [false, true] {
        let parent = house.create(&owner(), &[Scope::Admin]).await.unwrap();
        let child = house.create(&house.by(&parent).await, &[Scope::Admin]).await.unwrap();
        let grandchild = house.create(&house.by(&child).await, &[Scope::Admin]).await.unwrap();
        let all = [&parent, &child, &grandchild].map(|created| created.token.clone().unwrap());
        let mut alive = Vec::new();
        for text in &all {
            alive.push(house.held(text).await.unwrap().alive().clone());
        }
        let stolen = house.by(&grandchild).await;
        let id = parent.credential.id.clone();
        match rotated {
            true => {
                let new = house.doing(&owner(), RotateToken { id }).await.unwrap();
                assert_ne!(new.token, parent.token);
                assert!(house.held(&new.token.unwrap()).await.is_some());
            }
            false => {
                let revoked = house.doing(&owner(), RevokeToken { id: id.clone() }).await.unwrap();
                assert_eq!(revoked.yielded, 2);
                assert!(house.doing(&owner(), RevokeToken { id }).await.is_err(), "once");
            }
        }
        for text in &all {
            assert!(house.held(text).await.is_none());
        }
        assert!(alive.iter().all(|alive| alive.is_cancelled()));
        // A request that is under way with it makes no new one.
        assert_eq!(
            house.create(&stolen, &[Scope::Admin]).await.err().map(|error| error.kind),
            Some(ErrorKind::Refused)
        );
        let kept = house.application.records().await.unwrap().credentials().await.unwrap();
        assert_eq!(kept.len(), usize::from(rotated));
    }
}

#[tokio::test]
async fn a_code_lets_one_in_and_no_two_of_those_who_try_at_once() {
    let house = House::new();
    let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap().code;
    assert!(house.application.enter_by_code("aaaa-bbbb-cccc", "x").await.unwrap().is_none());
    let tries = (0..20).map(|_| house.application.enter_by_code(&code, "x"));
    let entered = futures_util::future::join_all(tries).await;
    let entered: Vec<_> = entered.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(entered.len(), 1);
    assert_eq!(entered[0].session.allowance().scopes, [Scope::Chat].into());
    assert_eq!(house.kinds().await, [CredentialKind::Session], "the code is spent");
    // One that waits is taken back.
    let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap();
    house.doing(&owner(), RevokeDevice { id: code.id }).await.unwrap();
    assert!(house.application.enter_by_code(&code.code, "x").await.unwrap().is_none());
}

#[tokio::test]
async fn a_device_comes_in_with_its_key_and_with_nothing_that_was_signed_before_or_elsewhere() {
    let (house, key, host) = (House::new(), key(), "cara.example.net");
    let sign = |key: &SigningKey, message: &[u8]| STANDARD.encode(key.sign(message).to_bytes());
    let code = house.doing(&owner(), pair(&[Scope::Chat, Scope::Read])).await.unwrap().code;
    let (pem, name) = (pem(&key), "Anna's phone");
    let pairing = async |signature: &str, host: &str| {
        let device = NewDevice { code: &code, name, key: &pem, signature };
        house.application.pair(&device, host, "x").await.unwrap()
    };
    let other = SigningKey::from_bytes(&[8; 32]);
    let right = sign(&key, &pairing_message(host, &code));
    for wrong in [sign(&other, &pairing_message(host, &code)), sign(&key, b"x"), String::new()] {
        assert!(pairing(&wrong, host).await.is_none());
    }
    assert!(pairing(&right, "elsewhere.example.net").await.is_none(), "signed for another host");
    let device = pairing(&right, host).await.unwrap();
    assert!(pairing(&right, host).await.is_none(), "the code is spent");
    assert_eq!((device.name(), device.kind()), (name, CredentialKind::Device));

    let id = device.id().as_str();
    let entering = async |device: &str, challenge: &str, signature: &str, host: &str| {
        house.application.enter_by_device(device, [challenge, signature], host, "x").await.unwrap()
    };
    let challenge = house.application.challenge(id).unwrap();
    let right = sign(&key, &session_message(host, id, &challenge));
    let of_other = house.application.challenge("c-other").unwrap();
    for (challenge, signature, at) in [
        (&challenge, &sign(&other, &session_message(host, id, &challenge)), host),
        (&challenge, &right, "elsewhere.example.net"),
        (&of_other, &sign(&key, &session_message(host, id, &of_other)), host),
        (&STANDARD.encode([0; 56]), &right, host),
        (&String::new(), &right, host),
    ] {
        assert!(entering(id, challenge, signature, at).await.is_none());
    }
    let entered = entering(id, &challenge, &right, host).await.unwrap();
    assert_eq!(entered.session.allowance().scopes, [Scope::Chat, Scope::Read].into());
    assert!(entering(id, &challenge, &right, host).await.is_none(), "played again");
    // The name of both means the device, and with it goes what it came in with.
    assert_eq!(entered.session.name(), name);
    house.doing(&owner(), RevokeDevice { id: name.to_owned() }).await.unwrap();
    assert!(entered.session.alive().is_cancelled() && house.kinds().await.is_empty());
}

#[tokio::test]
async fn the_page_has_one_password_and_who_came_in_with_the_one_before_is_put_out() {
    let house = House::new();
    let set = async |text: &str| house.doing(&owner(), SetPagePassword { password: text.to_owned() }).await;
    let enter = async |text: &str| {
        let password = Zeroizing::new(text.to_owned());
        house.application.enter_by_password(password, "x").await.unwrap()
    };
    assert!(enter("a long password").await.is_none(), "none is set");
    assert!(set("too short").await.is_err());
    set("a long password").await.unwrap();
    let kept = house.application.records().await.unwrap().credentials().await.unwrap();
    let Proof::Typed { phc } = &kept[0].about.proof else { panic!("it is typed") };
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    for wrong in ["", "a long passwor", "A long password", "a long password "] {
        assert!(enter(wrong).await.is_none(), "{wrong:?}");
    }
    let entered = enter("a long password").await.unwrap();
    set("another password").await.unwrap();
    assert!(entered.session.alive().is_cancelled() && enter("a long password").await.is_none());
    assert_eq!(house.kinds().await, [CredentialKind::Password]);
    let entered = enter("another password").await.unwrap();
    // Who came in with it sets no other: that would go with the one before.
    let by = entered.session.principal("x");
    let own = house.doing(&by, SetPagePassword { password: "a third password".to_owned() }).await;
    assert_eq!(own.err().map(|error| error.kind), Some(ErrorKind::Refused));
    assert!(!entered.session.alive().is_cancelled());
    house.doing(&owner(), RemovePagePassword {}).await.unwrap();
    assert!(entered.session.alive().is_cancelled() && enter("another password").await.is_none());
    assert!(house.kinds().await.is_empty());
}

#[tokio::test]
async fn a_session_gets_another_secret_and_the_one_before_counts_a_minute_more() {
    let house = House::new();
    let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap().code;
    let entered = house.application.enter_by_code(&code, "x").await.unwrap().unwrap();
    let (first, session) = (entered.secret, entered.session);
    assert!(house.application.renew(&session, &first).await.unwrap().is_none(), "it is fresh");
    // As if it had been an hour ago.
    let mut kept = session.kept();
    kept.added_ms -= 3_600_000;
    let credentials = house.application.credentials().await.unwrap();
    let aged = credentials.held(kept, session.role());
    credentials.put(aged.clone());
    let renewals = futures_util::future::join_all((0..5).map(|_| house.application.renew(&aged, &first))).await;
    let renewals: Vec<_> = renewals.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(renewals.len(), 1);
    let now_ms = house.application.now_ms();
    let shown = |text: &str, at| credentials.shown(CredentialKind::Session, text.as_bytes(), at).is_some();
    assert!(shown(&renewals[0], now_ms) && shown(&first, now_ms) && !shown(&first, now_ms + 60_000));
    assert!(!aged.alive().is_cancelled(), "what goes on goes on");
    let now = credentials.get(aged.id(), now_ms).unwrap();
    assert_eq!(now.csrf(), session.csrf());
    house.application.leave(&now, "x").await.unwrap();
    assert!(aged.alive().is_cancelled() && !shown(&renewals[0], now_ms) && !shown(&first, now_ms));
}

#[tokio::test]
async fn who_is_forgotten_or_gets_another_role_keeps_nothing_that_was_theirs() {
    let house = House::new();
    let named = |role| NamePerson { id: "anna".to_owned(), name: None, role: Some(role) };
    house.doing(&owner(), named(GivenRole::Member)).await.unwrap();
    let wanted = CreateToken { person: Some("anna".to_owned()), ..token("anna's", &[Scope::Chat]) };
    let text = house.doing(&owner(), wanted).await.unwrap().token.unwrap();
    let member = house.held(&text).await.unwrap();
    house.doing(&owner(), named(GivenRole::Guest)).await.unwrap();
    let guest = house.held(&text).await.unwrap();
    assert!(member.alive().is_cancelled() && !guest.alive().is_cancelled());
    assert_eq!([member.role().name(), guest.role().name()], ["member", "guest"]);
    house.doing(&owner(), ForgetPerson { id: "anna".to_owned() }).await.unwrap();
    assert!(guest.alive().is_cancelled() && house.held(&text).await.is_none());
    assert!(house.application.records().await.unwrap().credentials().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_decision_is_in_the_audit_log_and_no_secret_is() {
    let house = House::new();
    let created = house.create(&owner(), &[Scope::Chat]).await.unwrap();
    let rotated = house.doing(&owner(), RotateToken { id: created.credential.id.clone() }).await.unwrap();
    house.doing(&owner(), RevokeToken { id: created.credential.id }).await.unwrap();
    let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap().code;
    let entered = house.application.enter_by_code(&code, "gateway 127.0.0.1").await.unwrap().unwrap();
    house.application.leave(&entered.session, "gateway 127.0.0.1").await.unwrap();
    let events = cara_records::events(&house.application.ledger, 100).await.unwrap();
    let kinds: Vec<&str> = events.iter().rev().map(|event| event.kind.as_str()).collect();
    let of = ["issued", "rotated", "revoked", "issued", "yielded", "revoked"].map(|what| format!("credential-{what}"));
    assert_eq!(kinds, of);
    let told = serde_json::to_string(&events.iter().map(|event| &event.detail).collect::<Vec<_>>()).unwrap();
    for secret in [&created.token.unwrap(), &rotated.token.unwrap(), &code, &*entered.secret] {
        assert!(!told.contains(&**secret) && !told.contains(&hex::encode(sha256(secret.as_bytes()))), "{told}");
    }
}

#[tokio::test]
async fn what_a_credential_changes_is_in_the_audit_log_with_its_id_and_without_a_value() {
    let house = House::new();
    let created = house.create(&owner(), &[Scope::Admin, Scope::Read]).await.unwrap();
    let by = house.held(created.token.as_ref().unwrap()).await.unwrap().principal("gateway 127.0.0.1");
    let instructions = || "chat.system".to_owned();
    house.doing(&by, SetSetting { key: instructions(), value: "Be the parrot.".to_owned() }).await.unwrap();
    let before = house.doing(&by, ReadConfig {}).await.unwrap().text;
    let text = before.replace("parrot", "owl");
    house.doing(&by, ReplaceConfig { before, text }).await.unwrap();
    house.doing(&owner(), UnsetSetting { key: instructions() }).await.unwrap();
    let refused = house.doing(&by, SetSetting { key: "vault.password-file".to_owned(), value: "/x".to_owned() }).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused);
    let events = cara_records::events(&house.application.ledger, 3).await.unwrap();
    let told: Vec<_> = events.iter().rev().map(|event| (event.kind.as_str(), event.subject.as_str())).collect();
    assert_eq!(told, [("config.set", "chat.system"), ("config.replace", ""), ("config.unset", "chat.system")]);
    let credential = |at: usize| events[at].detail["credential"].as_str();
    assert_eq!([credential(0), credential(2)], [None, Some(&*created.credential.id)]);
    assert_eq!(events[2].detail["by"], "gateway 127.0.0.1");
    let all = format!("{events:?}");
    assert!(!all.contains("parrot") && !all.contains("owl"), "{all}");
}

#[tokio::test]
async fn no_credential_chooses_the_password_of_the_vault() {
    let house = House::new();
    let created = house.create(&owner(), &[Scope::Admin]).await.unwrap();
    let by = house.held(created.token.as_ref().unwrap()).await.unwrap().principal("gateway 127.0.0.1");
    let password = || "a long password".to_owned();
    let refused = house.doing(&by, MakeVault { password: password() }).await.unwrap_err();
    assert_eq!((refused.kind, house.application.vault.kind().unwrap()), (ErrorKind::Refused, None));
    house.doing(&owner(), MakeVault { password: password() }).await.unwrap();
    let another = || RotateVaultPassword { old: Some(password()), new: "another one".into(), kdf: KdfName::default() };
    let refused = house.doing(&by, another()).await.unwrap_err();
    assert!(refused.kind == ErrorKind::Refused && refused.message.contains("no credential changes"), "{refused}");
    house.doing(&by, UnlockVault { password: password() }).await.unwrap();
    house.doing(&owner(), another()).await.unwrap();
    let kinds = cara_records::events(&house.application.ledger, 3).await.unwrap();
    let kinds: Vec<&str> = kinds.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["vault.rotate-password", "vault.unlock", "vault.make"]);
}

#[tokio::test]
async fn a_session_does_not_replace_the_password_that_it_came_from() {
    let house = House::new();
    let password = |text: &str| SetPagePassword { password: text.to_owned() };
    house.doing(&owner(), password("a long password")).await.unwrap();
    let entered = house.application.enter_by_password(Zeroizing::new("a long password".to_owned()), "x").await;
    let by = entered.unwrap().unwrap().session.principal("x");
    let refused = house.doing(&by, password("another long one")).await.unwrap_err();
    assert_eq!((refused.kind, refused.hint.is_some()), (ErrorKind::Refused, true), "{refused}");
    assert!(refused.message.contains("what this would replace is what it is asked with"), "{refused}");
    assert_eq!(house.kinds().await.len(), 2, "password and session stay");
    house.doing(&owner(), password("another long one")).await.unwrap();
    assert_eq!(house.kinds().await, [CredentialKind::Password]);
}
