//! `cara service`: has the system start the process that holds the home.

use crate::cli::{Service, ServiceSystem};
use crate::door::Door;
use crate::output::{Output, Show, show};
use crate::service::{Account, Definition};
use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

/// Runs the command.
pub(crate) fn run(door: &Door, output: Output, service: Service) -> Result<()> {
    let own = if cfg!(windows) {
        ServiceSystem::Windows
    } else if cfg!(target_os = "macos") {
        ServiceSystem::Launchd
    } else {
        ServiceSystem::Systemd
    };
    let account = account(door)?;
    match service {
        Service::Show { system } => output.emit(&account.definition(system.unwrap_or(own))),
        Service::Install { no_start } => install(output, &account.definition(own), !no_start),
        Service::Remove => remove(output, &account.definition(own)),
    }
}

fn account(door: &Door) -> Result<Account> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = folder("HOME").or_else(|| folder("USERPROFILE"));
    let user = user.context("the folder of this account is unknown\nhint: set `HOME`")?;
    #[cfg(unix)]
    let number = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let number = 0;
    Ok(Account {
        program: std::env::current_exe().context("the path of this program is unknown")?,
        home: door.surroundings().home.path().to_owned(),
        units: folder("XDG_CONFIG_HOME").unwrap_or_else(|| user.join(".config")).join("systemd/user"),
        agents: user.join("Library/LaunchAgents"),
        number,
    })
}

fn install(output: Output, definition: &Definition, start: bool) -> Result<()> {
    if let Some(path) = &definition.path {
        let folder = path.parent().context("a service file is in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        cara_services::files::write_private_atomic(path, definition.text.as_bytes())?;
        show::note(&format!("`{}` is written", path.display()));
    }
    carry_out(&definition.start, start, false)?;
    definition.remarks.iter().for_each(|remark| show::note(remark));
    output.done(definition, "")
}

fn remove(output: Output, definition: &Definition) -> Result<()> {
    if let Some(path) = &definition.path
        && !cara_services::files::exists(path)?
    {
        bail!("`{}` does not exist\nhint: `cara service install` writes it", path.display());
    }
    carry_out(&definition.end, true, true)?;
    if let Some(path) = &definition.path {
        cara_services::files::remove(path)?;
        show::note(&format!("`{}` is gone", path.display()));
    }
    carry_out(&definition.after, true, true)?;
    output.done(definition, "")
}

/// Runs the commands, or says which they are, where the program is not there or nothing is to be started. What fails is an
/// error, unless something is taken away, which goes on.
fn carry_out(commands: &[Vec<String>], run: bool, going_on: bool) -> Result<()> {
    for words in commands {
        let Some((program, arguments)) = words.split_first() else { continue };
        let shown = words.join(" ");
        if !run {
            show::note(&format!("to be run: `{shown}`"));
            continue;
        }
        match Command::new(program).args(arguments).status() {
            Ok(status) if status.success() => show::note(&format!("done: `{shown}`")),
            Ok(status) if going_on => show::note(&format!("`{shown}` ended with {status}")),
            Ok(status) => bail!("`{shown}` ended with {status}\nhint: run it yourself; the service file is written"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                show::note(&format!("`{program}` is not there; to be run: `{shown}`"));
            }
            Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be run")),
        }
    }
    Ok(())
}

impl Show for Definition {
    fn show(&self) {
        if let Some(path) = &self.path {
            show::note(&format!("`{}`:", path.display()));
        }
        self.text.lines().for_each(show::line);
        self.start.iter().for_each(|words| show::note(&format!("then: `{}`", words.join(" "))));
        self.remarks.iter().for_each(|remark| show::note(remark));
    }
}
