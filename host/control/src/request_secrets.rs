//! Where the calls of a request get their secrets from: its own environment,
//! then the vault.

use crate::current_components::Live;
use crate::error::Result;
use crate::installed::Plugins;
use crate::missing_secret::{giving, storing};
use crate::variables::Brought;
use cara_authority::{AccountId, Refusal, Rule, SecretGrant};
use cara_kernel::SecretSource;
use cara_services::ledger::Ledger;
use cara_services::vault::{Owner, SecretId, SecretValue, Vault};
use std::sync::Arc;

/// Secrets of one request, as far as nobody has to type: a run opens the vault before it calls what needs it.
pub(crate) struct RequestSecrets {
    plugins: Arc<Plugins>,
    vault: Arc<Vault>,
    ledger: Arc<Ledger>,
    brought: Brought,
}

#[async_trait::async_trait]
impl SecretSource for RequestSecrets {
    async fn value(&self, grant: &SecretGrant, account: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal> {
        let refuse = |text: String| Refusal::new(Rule::Unavailable, text);
        let (component, environment) = (grant.component()?, &self.brought.environment);
        if account.is_none()
            && let Ok(checked) = self.plugins.checked(component)
            && let Some(secret) = checked.manifest().secrets().iter().find(|secret| secret.name == *grant.name())
        {
            let brought = environment.brought_secret(secret);
            // What brought nothing leads nobody anywhere: the usual case asks the ledger nothing.
            if brought.is_none() && environment.brings() {
                let granted = self.ledger.granted(component).await.map_err(|error| refuse(error.to_string()))?;
                if let Some(led) = environment.leads(checked.manifest(), secret, &self.brought.settings, &granted) {
                    let text = format!(
                        "secret `{}` is not sent: {} of this terminal says where to",
                        secret.name, led.variable
                    );
                    return Err(Refusal::new(Rule::Unavailable, text).hint(led.cure()));
                }
            }
            if let Some(value) = brought.or_else(|| environment.secret(secret)) {
                return Ok(Arc::new(value));
            }
        }
        self.stored(&SecretId::component(component.clone(), grant.name().clone()).of(account.cloned()))
    }
}

impl RequestSecrets {
    /// Those of a request that brings this along.
    pub(crate) fn of(live: &Live, brought: Brought) -> Self {
        let Live { plugins, vault, ledger, .. } = live;
        Self { plugins: plugins.clone(), vault: vault.clone(), ledger: ledger.clone(), brought }
    }

    /// How to give a value of this secret.
    fn giving(&self, id: &SecretId) -> String {
        let Owner::Component(component) = &id.owner else { return storing(id) };
        let checked = self.plugins.checked(component).ok();
        let secrets = checked.as_ref().map(|checked| checked.manifest().secrets()).unwrap_or_default();
        let declared = secrets.iter().find(|secret| secret.name == id.name);
        declared.map_or_else(|| storing(id), |secret| giving(id, secret))
    }

    fn stored(&self, id: &SecretId) -> Result<Arc<SecretValue>, Refusal> {
        let refuse = |text: String| Refusal::new(Rule::Unavailable, text);
        let found = self.vault.at_hand(id).map_err(|error| refuse(error.to_string()))?;
        if let Some(value) = found {
            return Ok(value);
        }
        Err(match self.vault.holds(id) {
            Ok(true) => refuse(format!("the vault is not open, and secret `{id}` is in it"))
                .hint("run in a terminal, or set `CARA_VAULT_PASSWORD` or `CARA_VAULT_PASSWORD_FILE`, and begin again"),
            Ok(false) => refuse(format!("no value is stored for secret `{id}`")).hint(self.giving(id)),
            Err(error) => refuse(error.to_string()),
        })
    }
}
