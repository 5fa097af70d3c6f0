//! What is taken back while something else goes on with it, or with what it
//! came from: it stays taken back, in memory and in the ledger.
#![allow(clippy::unwrap_used)]

use super::tests::{House, key, owner, pair, pem, token};
use crate::credentials::{Credentials, Held};
use crate::entering::{NewDevice, pairing_message, session_message};
use crate::error::ErrorKind;
use crate::event::Events;
use crate::operation::Operation;
use crate::tokens::{CreateToken, RevokeToken, RotateToken};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::{Principal, Scope};
use cara_records::CredentialKind;
use ed25519_dalek::Signer;
use std::sync::Arc;

/// How many different moments are tried.
const MOMENTS: usize = 24;

/// Lets the other side go on so many times first.
async fn after(moments: usize) {
    for _ in 0..moments {
        tokio::task::yield_now().await;
    }
}

impl House {
    async fn does<O: Operation>(&self, by: &Principal, operation: O) -> crate::Result<O::View> {
        operation.run(&self.application, by, &Events::nobody()).await
    }

    /// The ids of what holds now, and of what the ledger has.
    async fn kept(&self) -> [Vec<String>; 2] {
        let live = self.application.credentials().await.unwrap().all();
        let kept = self.application.records().await.unwrap().credentials().await.unwrap();
        [live.iter().map(|held| held.id().to_string()).collect(), kept.iter().map(|kept| kept.id.to_string()).collect()]
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_while_it_gets_another_secret_is_revoked() {
    for moment in 0..MOMENTS {
        let house = House::new();
        let id = house.create(&owner(), &[Scope::Admin]).await.unwrap().credential.id;
        let revoked = async {
            after(moment).await;
            house.does(&owner(), RevokeToken { id: id.clone() }).await
        };
        let account = owner();
        let (rotated, revoked) = tokio::join!(house.does(&account, RotateToken { id: id.clone() }), revoked);
        assert!(revoked.is_ok(), "after {moment}: {:?}", revoked.err());
        assert_eq!(house.kept().await, [Vec::<String>::new(), Vec::new()], "after {moment}");
        if let Some(text) = rotated.ok().and_then(|created| created.token) {
            assert!(house.held(&text).await.is_none(), "after {moment}");
        }
    }
}

#[tokio::test]
async fn a_token_goes_with_its_maker_also_while_it_gets_another_secret() {
    for moment in 0..MOMENTS {
        let house = House::new();
        let maker = house.create(&owner(), &[Scope::Admin]).await.unwrap();
        let child = house.create(&house.by(&maker).await, &[Scope::Admin]).await.unwrap();
        let by = house.by(&child).await;
        let revoked = async {
            after(moment).await;
            house.does(&owner(), RevokeToken { id: maker.credential.id.clone() }).await
        };
        let rotating = house.does(&by, RotateToken { id: child.credential.id.clone() });
        let (rotated, revoked) = tokio::join!(rotating, revoked);
        assert!(revoked.is_ok(), "after {moment}");
        assert_eq!(house.kept().await, [Vec::<String>::new(), Vec::new()], "after {moment}");
        if let Some(text) = rotated.ok().and_then(|created| created.token) {
            assert!(house.held(&text).await.is_none(), "after {moment}");
        }
    }
}

#[tokio::test]
async fn who_has_the_secret_before_makes_nothing_that_outlives_it() {
    for moment in 0..MOMENTS {
        let house = House::new();
        let stolen = house.create(&owner(), &[Scope::Admin]).await.unwrap();
        let (by, id) = (house.by(&stolen).await, stolen.credential.id);
        let rotated = async {
            after(moment).await;
            house.does(&owner(), RotateToken { id: id.clone() }).await
        };
        let (made, rotated) = tokio::join!(house.does(&by, token("planted", &[Scope::Admin])), rotated);
        assert!(rotated.is_ok(), "after {moment}");
        if let Ok(made) = made {
            assert!(house.held(&made.token.unwrap()).await.is_none(), "after {moment}");
        }
        assert_eq!(house.kept().await, [vec![id.clone()], vec![id]], "after {moment}");
        // A request that is under way is of the secret before.
        let late = house.does(&by, token("late", &[Scope::Admin])).await;
        assert_eq!(late.err().map(|error| error.kind), Some(ErrorKind::Refused));
    }
}

#[tokio::test]
async fn a_session_that_is_left_while_it_is_renewed_is_left() {
    for moment in 0..MOMENTS {
        let house = House::new();
        let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap().code;
        let entered = house.application.enter_by_code(&code, "x").await.unwrap().unwrap();
        // As if it had been an hour ago.
        let mut kept = entered.session.kept();
        kept.added_ms -= 3_600_000;
        let credentials = house.application.credentials().await.unwrap();
        let aged = credentials.held(kept, entered.session.role());
        credentials.put(aged.clone());
        let left = async {
            after(moment).await;
            house.application.leave(&aged, "x").await
        };
        let (renewed, left) = tokio::join!(house.application.renew(&aged, &entered.secret), left);
        left.unwrap();
        assert_eq!(house.kept().await, [Vec::<String>::new(), Vec::new()], "after {moment}");
        if let Some(text) = renewed.unwrap() {
            let credentials = house.application.credentials().await.unwrap();
            let now_ms = house.application.now_ms();
            assert!(credentials.shown(CredentialKind::Session, text.as_bytes(), now_ms).is_none(), "after {moment}");
        }
    }
}

#[tokio::test]
async fn a_credential_gives_another_secret_to_itself_and_to_what_it_made_alone() {
    let house = House::new();
    let mine = house.create(&owner(), &[Scope::Admin]).await.unwrap();
    let other = house.create(&owner(), &[Scope::Admin]).await.unwrap();
    let by = house.by(&mine).await;
    let rotate = async |by: &Principal, id: &str| house.doing(by, RotateToken { id: id.to_owned() }).await;
    // It is for no more, and would not go with the one that asked.
    let refused = rotate(&by, &other.credential.id).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(ErrorKind::Refused));
    assert!(house.held(&other.token.unwrap()).await.is_some());
    let child = house.create(&by, &[Scope::Admin]).await.unwrap();
    let child = rotate(&by, &child.credential.id).await.unwrap();
    let mine = rotate(&by, &mine.credential.id).await.unwrap();
    assert!(house.held(&child.token.unwrap()).await.is_none(), "made with the secret before");
    assert!(house.held(&mine.token.unwrap()).await.is_some());
    // The account may all of it.
    rotate(&owner(), &other.credential.id).await.unwrap();
}

#[tokio::test]
async fn what_comes_of_one_that_expired_while_nothing_ran_is_not_read() {
    let house = House::new();
    let short = CreateToken { expires_in_ms: Some(60_000), ..token("short", &[Scope::Admin, Scope::Chat]) };
    let short = house.doing(&owner(), short).await.unwrap();
    let code = house.doing(&house.by(&short).await, pair(&[Scope::Chat])).await.unwrap().code;
    let session = house.application.enter_by_code(&code, "x").await.unwrap().unwrap().session;
    let later = house.application.now_ms() + 61_000;
    assert!(session.holds(later), "its own time is not over");
    let records = house.application.records().await.unwrap();
    let read = Credentials::load(records, later).await.unwrap();
    assert!(read.is_empty() && records.credentials().await.unwrap().is_empty());
}

#[tokio::test]
async fn who_comes_in_again_and_again_has_so_many_sessions_and_the_first_give_way() {
    let (house, key, host) = (House::new(), key(), "cara.example.net");
    let sign = |message: &[u8]| STANDARD.encode(key.sign(message).to_bytes());
    let code = house.doing(&owner(), pair(&[Scope::Chat])).await.unwrap().code;
    let (pem, signature) = (pem(&key), sign(&pairing_message(host, &code)));
    let device = NewDevice { code: &code, name: "phone", key: &pem, signature: &signature };
    let device = house.application.pair(&device, host, "x").await.unwrap().unwrap();
    let id = device.id().as_str();
    let mut sessions: Vec<Arc<Held>> = Vec::new();
    for _ in 0..40 {
        let challenge = house.application.challenge(id).unwrap();
        let signature = sign(&session_message(host, id, &challenge));
        let entered = house.application.enter_by_device(id, [&challenge, &signature], host, "x").await.unwrap();
        sessions.push(entered.unwrap().session);
    }
    // Two may have come in the same millisecond, and then either gives way first.
    let gone = sessions.iter().filter(|session| session.alive().is_cancelled()).count();
    assert!(gone == 8 && sessions[20..].iter().all(|session| !session.alive().is_cancelled()));
    let [live, kept] = house.kept().await;
    assert_eq!((live.len(), kept.len()), (33, 33), "the device with its sessions");
}

#[tokio::test]
async fn what_a_session_began_before_it_was_left_ends_with_the_token_that_it_came_from() {
    let house = House::new();
    let thief = house.create(&owner(), &[Scope::Admin, Scope::Chat]).await.unwrap();
    let by = house.by(&thief).await;
    let code = house.does(&by, pair(&[Scope::Chat])).await.unwrap().code;
    let session = house.application.enter_by_code(&code, "x").await.unwrap().unwrap().session;
    let work = session.work();
    house.application.leave(&session, "x").await.unwrap();
    assert!(session.alive().is_cancelled() && !work.is_cancelled(), "who leaves lets it go on");
    house.does(&owner(), RevokeToken { id: thief.credential.id }).await.unwrap();
    assert!(work.is_cancelled());
}
