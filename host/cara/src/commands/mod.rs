//! The commands: one file each.

mod approvals;
mod audit;
mod chat;
mod explain;
mod grants;
mod models;
mod plugin;
mod policy;
mod repl;
mod secrets;
mod sessions;
mod tools;
mod transcript;
mod trust;
mod typed;
mod usage;

pub(crate) use chat::lock;

use crate::boot::Cara;
use crate::cli::{Arguments, Command};
use crate::{assemble, output};
use anyhow::Result;
use cara_services::vault::StoreKind;
use clap::CommandFactory;
use std::process::ExitCode;

/// Runs the command that was typed.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Command::Completion { shell } = arguments.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "cara", &mut script);
        output::write(&String::from_utf8_lossy(&script));
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = arguments.plain_key_file.then_some(StoreKind::KeyFile);
    let result = runtime.block_on(async {
        let cara = Cara::start(arguments.log.as_deref(), store)?;
        if matches!(arguments.command, Command::Chat(_) | Command::Models(_) | Command::Tools(_) | Command::Policy(_)) {
            assemble::check_components(&cara)?;
        }
        let code = match arguments.command {
            Command::Chat(chat) => chat::run(&cara, chat).await,
            Command::Models(models) => models::run(&cara, models).await,
            Command::Secrets(secrets) => secrets::run(&cara, secrets).await,
            Command::Plugin(plugin) => plugin::run(&cara, plugin).await,
            Command::Trust(trust) => trust::run(&cara, trust).await,
            Command::Grant(grant) => grants::grant(&cara, grant).await,
            Command::Revoke(revoke) => grants::revoke(&cara, revoke).await,
            Command::Grants { component, json } => grants::list(&cara, component.as_ref(), json).await,
            Command::Tools(tools) => tools::run(&cara, tools).await,
            Command::Sessions(sessions) => sessions::run(&cara, sessions).await,
            Command::Approvals(approvals) => approvals::run(&cara, approvals).await,
            Command::Policy(policy) => policy::run(&cara, policy).await,
            Command::Explain(explain) => explain::run(&cara, explain).await,
            Command::Usage(usage) => usage::run(&cara, usage).await,
            Command::Audit(audit) => audit::run(&cara, audit).await,
            Command::Completion { .. } => Ok(ExitCode::SUCCESS),
        };
        cara.ledger.close().await;
        code
    });
    // A line editor may still wait for input on a thread of its own.
    runtime.shutdown_background();
    result
}
