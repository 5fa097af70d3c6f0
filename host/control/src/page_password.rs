//! The password with which the owner comes in at the page.

use crate::application::Application;
use crate::entering::hashed;
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::issuing::{Wanted, issue};
use crate::operation::{Operation, Route};
use crate::tokens::{CredentialRow, Revoked, revoked};
use cara_authority::{Allowance, CredentialId, PersonId, Principal};
use cara_records::CredentialKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The shortest password, characters: what guesses are held up for.
pub const SHORTEST: usize = 12;

/// The longest, characters.
const LONGEST: usize = 1024;

/// Sets the password of the page, with which the owner may do everything there. Who came in with the one before is put out.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPagePassword {
    /// The password.
    pub password: String,
}

impl Operation for SetPagePassword {
    type View = CredentialRow;
    const ROUTE: Route = Route::put("password.set", "/control/v1/password", "Set the password of the page.").admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let password = Zeroizing::new(self.password);
        let length = password.chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            fail!(Invalid, "a password of the page has {SHORTEST} to {LONGEST} characters\nhint: choose another one");
        }
        let wanted = Wanted {
            kind: CredentialKind::Password,
            name: "password".to_owned(),
            person: PersonId::owner(),
            allowance: Allowance::whole(),
            expires_ms: None,
            proof: hashed(password).await?,
        };
        // The one before goes, with what it let in.
        let before = of_page(application).await?;
        Ok(CredentialRow::of(&*issue(application, by, wanted, &before).await?))
    }
}

async fn of_page(application: &Application) -> Result<Vec<CredentialId>> {
    let all = application.credentials().await?.all();
    Ok(all.iter().filter(|held| held.kind() == CredentialKind::Password).map(|held| held.id().clone()).collect())
}

/// Removes the password of the page: who came in with it is put out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RemovePagePassword {}

impl Operation for RemovePagePassword {
    type View = Revoked;
    const ROUTE: Route =
        Route::delete("password.remove", "/control/v1/password", "Remove the password of the page.").admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let of_page = of_page(application).await?;
        let none = || error!(NotFound, "the page has no password\nhint: `cara password set` sets one");
        let id = of_page.first().ok_or_else(none)?;
        revoked(application, by, &[CredentialKind::Password], id.as_str()).await
    }
}
