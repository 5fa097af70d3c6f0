//! Where the calls of a request get their secrets from: its own environment,
//! then the vault.

use crate::current_components::Live;
use crate::error::Result;
use crate::installed::Plugins;
use crate::variables::Brought;
use cara_authority::{AccountId, Refusal, Rule, SecretGrant};
use cara_kernel::SecretSource;
use cara_services::ledger::Ledger;
use cara_services::vault::{SecretId, SecretValue, Vault};
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
            if brought.is_none() {
                let granted = self.ledger.granted(component).await.map_err(|error| refuse(error.to_string()))?;
                if let Some(name) = environment.leads(checked.manifest(), secret, &self.brought.settings, &granted) {
                    return Err(elsewhere(secret, &name));
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

    fn stored(&self, id: &SecretId) -> Result<Arc<SecretValue>, Refusal> {
        let refuse = |text: String| Refusal::new(Rule::Unavailable, text);
        let found = self.vault.at_hand(id).map_err(|error| refuse(error.to_string()))?;
        if let Some(value) = found {
            return Ok(value);
        }
        Err(match self.vault.holds(id) {
            Ok(true) => refuse(format!("the vault is not open, and secret `{id}` is in it"))
                .hint("run in a terminal, or set `CARA_VAULT_PASSWORD` or `CARA_VAULT_PASSWORD_FILE`, and begin again"),
            Ok(false) => refuse(format!("no value is stored for secret `{id}`"))
                .hint(format!("to store one, run `cara secrets set {id}`")),
            Err(error) => refuse(error.to_string()),
        })
    }
}

/// A terminal's variable names the address: the keys of others do not go there.
fn elsewhere(secret: &cara_authority::manifest::Secret, variable: &str) -> Refusal {
    let text = format!("secret `{}` does not go to the address that {variable} of this terminal names", secret.name);
    let cure = match secret.env.first() {
        Some(own) => format!("set {own} for that address, or give the address with `--set`"),
        None => "give the address with `--set`, or write it into the configuration".to_owned(),
    };
    Refusal::new(Rule::Unavailable, text).hint(cure)
}
