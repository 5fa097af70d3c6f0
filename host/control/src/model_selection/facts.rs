//! What is known of a model: how much it takes and what it costs.
//!
//! The operator's `prices.toml` over what the provider's signed manifest says.

use crate::application::Application;
use crate::error::{Context, Result, fail};
use crate::home_files::HomeFiles;
use cara_assistant::budget::is_plausible;
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
    let context_tokens = application.config()?.run.context_tokens;
    Ok(Facts {
        context_tokens: context_tokens
            .or_else(|| found.iter().find_map(|facts| facts.context_tokens))
            .unwrap_or(CONTEXT_TOKENS),
        price: found.iter().find_map(|facts| facts.price),
    })
}
