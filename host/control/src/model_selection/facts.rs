//! What is known of a model: how much it takes and what it costs.
//!
//! The operator's `prices.toml` over what the provider's signed manifest says.

use crate::application::Application;
use crate::configuration::Config;
use crate::error::{Context, Result, fail};
use crate::home_files::HomeFiles;
use cara_assistant::budget::is_plausible;
use cara_authority::ComponentId;
use cara_authority::manifest::{ModelFacts, Price};
use cara_kernel::Checked;
use cara_services::files;
use serde::Deserialize;

/// Tokens a model takes when nobody says: small enough for every current one.
const CONTEXT_TOKENS: u32 = 32_000;

/// The largest price file, bytes.
const LARGEST: u64 = 256 * 1024;

/// What was found.
pub(super) struct Facts {
    pub(super) context_tokens: u32,
    pub(super) price: Option<Price>,
    /// Whether the operator or the manifest names it, as itself and not by a pattern.
    pub(super) is_named: bool,
}

/// `prices.toml`: entries as in a manifest, each name with its provider: `provider:model`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Prices {
    model: Vec<ModelFacts>,
}

/// What is known of a model of this provider.
pub(super) fn facts(application: &Application, checked: &Checked, model: &str) -> Result<Facts> {
    let path = application.home().prices();
    let own = match files::read_capped(&path, LARGEST)? {
        None => Prices::default(),
        Some(bytes) => {
            let text = String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
            toml::from_str(&text).with_context(|| format!("`{}` cannot be used", path.display()))?
        }
    };
    let full = format!("{}:{model}", checked.manifest().id());
    let signed = checked.manifest().provider().map_or(&[][..], |provider| &provider.model);
    let by_operator = own.model.iter().filter(|facts| facts.is_about(&full));
    let found: Vec<&ModelFacts> = by_operator.chain(signed.iter().filter(|facts| facts.is_about(model))).collect();
    if let Some(bad) = found.iter().find(|facts| facts.price.is_some_and(|price| !is_plausible(&price))) {
        fail!(Invalid, "the price of `{}` is no amount\nhint: write US dollars for a million tokens", bad.name);
    }
    let config = application.config()?;
    let default = checked.manifest().provider().is_some_and(|provider| provider.default_model == model);
    let is_listed = own.model.iter().any(|facts| facts.name == full) || signed.iter().any(|facts| facts.name == model);
    Ok(Facts {
        is_named: default || is_listed || is_configured(&config, checked.manifest().id(), model),
        context_tokens: config
            .run
            .context_tokens
            .or_else(|| found.iter().find_map(|facts| facts.context_tokens))
            .unwrap_or(CONTEXT_TOKENS),
        price: found.iter().find_map(|facts| facts.price),
    })
}

/// Whether the configuration names this model, for whatever it is to do.
fn is_configured(config: &Config, id: &ComponentId, model: &str) -> bool {
    let of_agents = config.agent.values().filter_map(|agent| agent.model.as_ref());
    let of_roles = config.role.all().into_iter().flat_map(|(_, rights)| rights.models.iter().flatten());
    let mut all = of_agents.chain(of_roles).chain(&config.chat.model).chain(&config.guards.classifier);
    all.any(|name| name.component == *id && name.model.as_deref() == Some(model))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_model_is_configured_wherever_the_configuration_names_it() {
        let config = Config::parse(
            "chat.model = 'local:a'\nagent.porter.model = 'local:b'\nrole.guest.models = ['local:c', 'other']\n\
             guards.classifier = 'local:d'",
            "a test",
        );
        let (config, local) = (config.unwrap(), ComponentId::parse("local").unwrap());
        let is = |id: &ComponentId, model: &str| is_configured(&config, id, model);
        assert!(["a", "b", "c", "d"].iter().all(|model| is(&local, model)));
        let other = ComponentId::parse("other").unwrap();
        assert!(!is(&local, "e") && !is(&other, "a") && !is(&other, "") && !is(&local, "*"));
    }
}
