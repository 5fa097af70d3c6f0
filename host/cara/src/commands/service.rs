//! `cara service`: has the system start the cara daemon.

use crate::cli::Service;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, Show, show};
use anyhow::Result;
use cara_control::service::{Account, Definition, System};

/// Runs the command.
pub(crate) fn run(door: &Door, output: Output, service: Service) -> Result<()> {
    let account = Account::here(door.surroundings().home.path()).map_err(told)?;
    let own = account.definition(System::here());
    let steps = match service {
        Service::Show { system } => {
            return output.emit(&account.definition(system.unwrap_or_else(System::here)));
        }
        Service::Install { no_start } => own.install(!no_start).map_err(told)?,
        Service::Remove => own.remove().map_err(told)?,
    };
    steps.iter().for_each(|step| show::note(&step.to_string()));
    if matches!(service, Service::Install { .. }) {
        own.remarks.iter().for_each(|remark| show::note(remark));
    }
    output.print(&own, || {})
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
