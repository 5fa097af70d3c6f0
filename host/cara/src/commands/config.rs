//! `cara config`: reads, sets, edits and checks the configuration.

use crate::cli::ConfigCommand;
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show};
use crate::text_file;
use anyhow::{Result, bail};
use cara_control::config::{
    CheckConfig, ConfigDifference, ConfigFile, DiffConfig, GetSetting, ReadConfig, ReplaceConfig, SetSetting, Setting,
    UnsetSetting, UsableConfig, schema,
};
use cara_services::files;
use cara_terminal::{external_editor, password, prompt};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

/// The largest file that is checked, bytes.
const LARGEST: u64 = 1024 * 1024;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, config: ConfigCommand) -> Result<()> {
    match config {
        ConfigCommand::Get { key } => {
            let settings = door.call(GetSetting { key: key.clone() }).await?;
            match &settings[..] {
                // What a script asks for.
                [one] if !output.json && key.as_ref() == Some(&one.key) => {
                    show::line(&plain(&one.value));
                    if !one.set {
                        show::note("not set; that is the default");
                    }
                    Ok(())
                }
                _ => output.emit(&settings),
            }
        }
        ConfigCommand::Set { key, value } => {
            let set = door.call(SetSetting { key, value }).await?;
            output.done(&set, &format!("`{}` is {} from now on", set.key, set.value))
        }
        ConfigCommand::Unset { key } => {
            let unset = door.call(UnsetSetting { key }).await?;
            output.done(&unset, &format!("`{}` is no longer set; {}", unset.key, unset.counts()))
        }
        ConfigCommand::Edit => edit(door).await,
        ConfigCommand::Check { file } => {
            let text = file.as_deref().map(|file| text_file::read(file, LARGEST)).transpose()?;
            let name = file.map(|path| path.display().to_string());
            let usable = door.call(CheckConfig { text, name }).await?;
            output.done(&usable, &format!("`{}` can be used; it sets {} keys", usable.path, usable.keys))
        }
        ConfigCommand::Schema => print_schema().map(drop),
        ConfigCommand::Diff => door.emit(output, DiffConfig {}).await.map(drop),
    }
}

/// Prints the JSON Schema of the configuration.
pub(crate) fn print_schema() -> Result<ExitCode> {
    Ok(layout::json(&schema()).map(|()| ExitCode::SUCCESS)?)
}

/// Opens an editor on a copy; the file is only replaced by what can be used.
async fn edit(door: &Door) -> Result<()> {
    let ConfigFile { path, text } = door.call(ReadConfig {}).await?;
    let path = PathBuf::from(path);
    let copy = path.with_file_name("config.edit.toml");
    files::write_private_atomic(&copy, text.as_bytes())?;
    loop {
        let at = copy.clone();
        tokio::task::spawn_blocking(move || external_editor::open(&at)).await??;
        let edited = text_file::read(&copy, LARGEST)?;
        if edited == text {
            files::remove(&copy)?;
            show::note("nothing was changed");
            return Ok(());
        }
        let Err(error) = door.call(ReplaceConfig { before: text.clone(), text: edited }).await else {
            files::remove(&copy)?;
            show::note(&format!("`{}` is in use from now on", path.display()));
            return Ok(());
        };
        if password::is_asked() {
            show::error(error.as_ref());
            if prompt::agreed("Edit it again? [y/N] ") {
                continue;
            }
        }
        bail!(
            "{error}\nnothing was changed; what you wrote is in `{}`\nhint: mend it there, then `cara config check` it \
             and copy it to `{}`; `cara config edit` begins anew",
            copy.display(),
            path.display()
        );
    }
}

/// A value as a person writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cara_assistant::text::harmless(text).into_owned(),
        value => cara_assistant::text::harmless(&value.to_string()).into_owned(),
    }
}

/// A value in a row of its own.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        value => columns::cut(&value.to_string(), 60),
    }
}

impl Show for Vec<Setting> {
    fn show(&self) {
        let from = |setting: &Setting| match (setting.set, &setting.value) {
            (true, _) => "set",
            (false, Value::Null) => "not set",
            (false, _) => "default",
        };
        let rows = self
            .iter()
            .map(|setting| vec![columns::cut(&setting.key, 60), from(setting).to_owned(), cell(&setting.value)]);
        show::table(&["KEY", "FROM", "VALUE"], &rows.collect::<Vec<_>>());
    }
}

impl Show for Vec<ConfigDifference> {
    fn show(&self) {
        if self.is_empty() {
            show::note("all keys have their defaults");
            return;
        }
        let rows = self.iter().map(|row| vec![columns::cut(&row.key, 60), cell(&row.value), cell(&row.default)]);
        show::table(&["KEY", "VALUE", "DEFAULT"], &rows.collect::<Vec<_>>());
    }
}

impl Show for UsableConfig {
    fn show(&self) {
        show::line(&self.path);
    }
}
