//! How the settings of components are set: by the request, its environment,
//! the configuration, and the defaults of their manifests.

use crate::configuration::Config;
use crate::error::{Error, Result, error};
use crate::installed::Installed;
use crate::variables::Environment;
use cara_authority::manifest::{Setting, Target};
use cara_authority::{Capability, ComponentId, Manifest, Settings, VariableName};
use cara_kernel::Checked;
use std::collections::BTreeMap;
use std::sync::Arc;

mod values;

pub(crate) use values::{as_text, of_configuration};

/// What says how a component's settings are set.
#[derive(Clone)]
pub(crate) struct SettingSources {
    pub(crate) config: Arc<Config>,
    pub(crate) installed: Arc<Installed>,
    pub(crate) environment: Environment,
}

impl SettingSources {
    /// The component's settings: those of the run over the environment over the configuration over the manifest's defaults.
    /// Of the environment a component is given what is granted by name and is no secret of anybody.
    pub(crate) fn settings(
        &self,
        checked: &Checked,
        granted: &[Capability],
        run: &BTreeMap<String, String>,
    ) -> Result<Settings> {
        let manifest = checked.manifest();
        let may_read = |name: &VariableName| {
            granted.contains(&Capability::Environment(name.clone()))
                && secret_of(&self.installed, name.as_str()).is_none()
        };
        let configured = self.config.component.get(manifest.id());
        let mut values = configured.map(|config| of_configuration(manifest, &config.settings)).unwrap_or_default();
        for setting in manifest.setting_keys() {
            for variable in setting.env.iter().filter(|name| may_read(name)) {
                if let Some(text) = self.environment.get(variable.as_str()) {
                    // Its value is named nowhere: it can be a key in the wrong place, or words of who wrote the environment.
                    let value = values::read(setting, &text).map_err(|_| misfit(variable, setting))?;
                    values.insert(setting.key.to_string(), value);
                    break;
                }
            }
        }
        for (key, text) in run {
            let setting = manifest.setting_keys().iter().find(|setting| setting.key.as_str() == key);
            let setting = setting.ok_or_else(|| unknown(manifest.id(), key, manifest.setting_keys()))?;
            values.insert(key.clone(), values::read(setting, text)?);
        }
        Ok(manifest.settings(&values)?)
    }

    /// The same as they will be once all that the component asks for is granted: to say what it asks for.
    pub(crate) fn asking(&self, checked: &Checked, run: &BTreeMap<String, String>) -> Result<Settings> {
        self.settings(checked, &variables(checked), run)
    }

    /// What is granted, and the addresses that variables of the request name and the component may read: these count for
    /// the request, and are recorded nowhere.
    pub(crate) fn granted(
        &self,
        checked: &Checked,
        recorded: &[Capability],
        run: &BTreeMap<String, String>,
    ) -> Result<Vec<Capability>> {
        let named = self.named_by_request(checked, recorded, run)?;
        Ok(recorded.iter().cloned().chain(named.into_iter().filter(|wish| !recorded.contains(wish))).collect())
    }

    /// The addresses that the component would be led to by variables of the request, and not without them.
    pub(crate) fn named_by_request(
        &self,
        checked: &Checked,
        recorded: &[Capability],
        run: &BTreeMap<String, String>,
    ) -> Result<Vec<Capability>> {
        if !self.environment.brings() {
            return Ok(Vec::new());
        }
        let of_home = Self { environment: self.environment.of_home_alone(), ..self.clone() };
        let requested =
            |sources: &Self| Ok::<_, Error>(checked.manifest().requested(&sources.settings(checked, recorded, run)?));
        let (with, without) = (requested(self)?, requested(&of_home)?);
        let leads = |wish: &Capability| matches!(wish, Capability::Http(_)) && !without.contains(wish);
        Ok(with.into_iter().filter(leads).collect())
    }

    /// All that a component asks for as things are.
    pub(crate) fn requested(&self, checked: &Checked) -> Result<Vec<Capability>> {
        Ok(checked.manifest().requested(&self.asking(checked, &BTreeMap::new())?))
    }
}

/// The environment variables that a component's settings ask to read.
pub(crate) fn variables(checked: &Checked) -> Vec<Capability> {
    let variables = checked.manifest().setting_keys().iter().flat_map(|setting| &setting.env);
    variables.cloned().map(Capability::Environment).collect()
}

/// The environment variables that can name an address where a component connects.
pub(crate) fn naming_addresses(manifest: &Manifest) -> impl Iterator<Item = &VariableName> {
    let is_address = |setting: &&Setting| {
        manifest.http().iter().any(|http| matches!(&http.host, Target::Setting(key) if *key == setting.key))
    };
    manifest.setting_keys().iter().filter(is_address).flat_map(|setting| &setting.env)
}

/// The component whose secret a variable holds.
pub(crate) fn secret_of<'a>(installed: &'a Installed, variable: &str) -> Option<&'a ComponentId> {
    let holds = |checked: &&Arc<Checked>| {
        checked.manifest().secrets().iter().any(|secret| secret.env.iter().any(|name| name == variable))
    };
    installed.usable.values().find(holds).map(|checked| checked.manifest().id())
}

/// Checks a setting as somebody typed it.
pub(crate) fn check_text(manifest: &Manifest, key: &str, text: &str) -> Result<()> {
    let setting = manifest.setting_keys().iter().find(|setting| setting.key.as_str() == key);
    let setting = setting.ok_or_else(|| unknown(manifest.id(), key, manifest.setting_keys()))?;
    values::read(setting, text)?;
    Ok(())
}

fn misfit(variable: &VariableName, setting: &Setting) -> Error {
    let (key, wanted) = (&setting.key, setting.kind.wanted());
    error!(Invalid, "environment variable {variable}: setting `{key}` must be {wanted}\nhint: correct or unset it")
}

fn unknown(id: &ComponentId, key: &str, settings: &[Setting]) -> Error {
    let known: Vec<String> = settings.iter().map(|setting| format!("`{}`", setting.key)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    error!(Invalid, "component `{id}` has no setting `{key}`\nhint: it has {known}")
}
