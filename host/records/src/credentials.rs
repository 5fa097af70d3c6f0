//! Credentials, as they are kept: what proves them only as a hash or a public
//! key, sealed.

use super::{Records, Seal};
use cara_authority::{Allowance, CredentialId, PersonId};
use cara_services::ledger::records::{Spot, fresh};
use cara_services::ledger::sql::{As, Number, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde::{Deserialize, Serialize};
use serde_json::Value;

cara_authority::words! {
    /// What a credential is.
    CredentialKind {
        /// A text that is sent with each request.
        Token = "token",
        /// The certificate of a TLS client.
        Certificate = "certificate",
        /// A name that a tailnet vouches for.
        Tailnet = "tailnet",
        /// A device with a key of its own.
        Device = "device",
        /// What a browser has after it was let in.
        Session = "session",
        /// What a person types to be let in.
        Password = "password",
        /// What lets one device or browser in, once.
        Code = "code",
    }
}

/// What a credential is known by. Nothing in it lets anybody in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Proof {
    /// Whoever shows the text with this SHA-256: a token, a code, a session; or a certificate, or a name of a tailnet.
    Shown {
        /// 64 hexadecimal digits.
        sha256: String,
        /// What counted before, for requests that are under way while a session gets a new text: until when, Unix milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<(String, u64)>,
    },
    /// Whoever signs with this key.
    Signs {
        /// Ed25519, as SubjectPublicKeyInfo in base64.
        key: String,
    },
    /// Whoever types what this was made of.
    Typed {
        /// Argon2id, a PHC string.
        phc: String,
    },
}

/// What is sealed of a credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutCredential {
    /// What the operator calls it.
    pub name: String,
    /// What it is known by.
    pub proof: Proof,
    /// What it may be used for.
    pub allowance: Allowance,
    /// Sent with what changes something, by a page that was let in; of a session only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
}

/// A credential as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The id, `c-` and ten characters.
    pub id: CredentialId,
    /// What it is.
    pub kind: CredentialKind,
    /// Whose it is.
    pub person: PersonId,
    /// The credential that yielded it, with which it goes.
    pub parent: Option<CredentialId>,
    /// What is sealed.
    pub about: AboutCredential,
    /// Since when, Unix milliseconds.
    pub added_ms: u64,
    /// From when on it counts no more.
    pub expires_ms: Option<u64>,
    /// The last day on which it was used, in days since 1970.
    pub used_day: Option<u64>,
}

type Row = (
    As<CredentialId>,
    As<CredentialKind>,
    As<PersonId>,
    Option<As<CredentialId>>,
    Vec<u8>,
    Number,
    Option<Number>,
    Option<Number>,
);

/// Where the sealed part stands, with all that it must not be separated from.
fn with_spot<T>(credential: [&str; 4], expires_ms: Option<u64>, with: impl FnOnce(Spot<'_>) -> T) -> T {
    let [id, kind, person, parent] = credential;
    let expires = expires_ms.map(|ms| ms.to_string()).unwrap_or_default();
    with(Spot { table: "credentials", column: "about", row: &[id, kind, person, parent, &expires] })
}

impl Credential {
    /// What is kept sealed.
    fn sealed(&self, seal: &Seal) -> Result<Vec<u8>, LedgerError> {
        let parent = self.parent.as_ref().map_or("", CredentialId::as_str);
        let place = [self.id.as_str(), self.kind.name(), self.person.as_str(), parent];
        with_spot(place, self.expires_ms, |spot| seal.seal_json(spot, &self.about))
    }
}

impl Records {
    /// A fresh id of a credential.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub fn fresh_credential() -> Result<CredentialId, LedgerError> {
        Ok(CredentialId::parse(&fresh("c-", 10)?).expect("letters and digits are an id"))
    }

    /// All credentials, the first first; those whose time is over too.
    pub async fn credentials(&self) -> Result<Vec<Credential>, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let query = query_as::<Row>(
            "SELECT id, kind, person, parent, about, added_ms, expires_ms, used_day FROM credentials ORDER BY added_ms, id",
        );
        let mut all = Vec::new();
        for (id, kind, person, parent, about, added_ms, expires_ms, used_day) in sql.all(query).await? {
            let (id, kind, person, parent) = (id.0, kind.0, person.0, parent.map(|parent| parent.0));
            let expires_ms = expires_ms.map(|ms| ms.0);
            let place = [id.as_str(), kind.name(), person.as_str(), parent.as_ref().map_or("", CredentialId::as_str)];
            let about = with_spot(place, expires_ms, |spot| self.seal.open_json(spot, about))?;
            let (added_ms, used_day) = (added_ms.0, used_day.map(|day| day.0));
            all.push(Credential { id, kind, person, parent, about, added_ms, expires_ms, used_day });
        }
        Ok(all)
    }

    /// Keeps a credential that is new, in place of those that it replaces; with one event.
    pub async fn keep_credential(
        &self,
        credential: &Credential,
        replaces: &[CredentialId],
        event: (&'static str, Value),
    ) -> Result<(), LedgerError> {
        let about = credential.sealed(&self.seal)?;
        let Credential { id, kind, person, parent, added_ms, expires_ms, used_day, .. } = credential;
        let mut change = self.ledger.change().await?;
        for gone in replaces {
            change.sql().execute(query("DELETE FROM credentials WHERE id = $1").bind(gone.as_str())).await?;
        }
        let query = query(
            "INSERT INTO credentials (id, kind, person, parent, about, added_ms, expires_ms, used_day) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        );
        let query = query.bind(id.as_str()).bind(kind.name()).bind(person.as_str());
        let query = query.bind(parent.as_ref().map(CredentialId::as_str)).bind(about).bind(to_sql(*added_ms));
        let query = query.bind(expires_ms.map(to_sql)).bind(used_day.map(to_sql));
        change.sql().execute(query).await?;
        change.event(event.0, id.as_str(), event.1).await?;
        change.commit().await
    }

    /// Gives a credential that is kept what it is known by from now on, and removes those that go with what it was known by
    /// before; with one event. False where it is not kept any more, which stays so.
    pub async fn prove_credential(
        &self,
        credential: &Credential,
        gone: &[CredentialId],
        event: (&'static str, Value),
    ) -> Result<bool, LedgerError> {
        let about = credential.sealed(&self.seal)?;
        let mut change = self.ledger.change().await?;
        for gone in gone {
            change.sql().execute(query("DELETE FROM credentials WHERE id = $1").bind(gone.as_str())).await?;
        }
        let query = query("UPDATE credentials SET about = $2 WHERE id = $1").bind(credential.id.as_str()).bind(about);
        if change.sql().execute(query).await? == 0 {
            return Ok(false);
        }
        change.event(event.0, credential.id.as_str(), event.1).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Removes credentials, with all that they yielded; with one event about the first.
    pub async fn remove_credentials(
        &self,
        ids: &[CredentialId],
        event: Option<(&'static str, Value)>,
    ) -> Result<(), LedgerError> {
        let Some(first) = ids.first() else { return Ok(()) };
        let mut change = self.ledger.change().await?;
        for id in ids {
            change.sql().execute(query("DELETE FROM credentials WHERE id = $1").bind(id.as_str())).await?;
        }
        if let Some((kind, detail)) = event {
            change.event(kind, first.as_str(), detail).await?;
        }
        change.commit().await
    }

    /// Notes the day on which a credential was used.
    pub async fn used_credential(&self, id: &CredentialId, day: u64) -> Result<(), LedgerError> {
        let mut change = self.ledger.light_change().await?;
        let query = query("UPDATE credentials SET used_day = $2 WHERE id = $1");
        change.sql().execute(query.bind(id.as_str()).bind(to_sql(day))).await?;
        change.commit().await
    }
}
