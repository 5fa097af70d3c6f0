//! The commands: one file each.

mod approvals;
mod audit;
mod boxes;
mod channel;
mod chat;
mod config;
mod credentials;
mod explain;
mod grants;
mod ledger;
mod logs;
mod memory;
mod models;
mod people;
mod plugin;
mod policy;
mod secrets;
mod service;
mod sessions;
mod start;
mod tls;
mod tools;
mod transcript;
mod trust;
mod usage;

use crate::boot::Surroundings;
use crate::cli::{
    Approvals, Arguments, Channel, Command, ConfigCommand, Device, Inbox, MemoryCommand, Outbox, People, Plugin,
    Secrets, Sessions, Start, Tls, Token, Tools, Trust,
};
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, stdio};
use anyhow::Result;
use cara_control::logs::{self as log_files, Kept};
use cara_control::{Role, refuse_missing};
use cara_services::egress::KnownSecrets;
use cara_services::vault::StoreKind;
use clap::CommandFactory;
use std::process::ExitCode;

/// Runs the command that was typed, by its name.
pub(crate) fn run(arguments: Arguments, name: &str) -> Result<ExitCode> {
    let Arguments { command, json, log, plain_key_file } = arguments;
    let output = Output { json };
    let command = match command {
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "cara", &mut script);
            stdio::write(&String::from_utf8_lossy(&script));
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Api) => {
            stdio::write(&format!("{:#}\n", cara_gateway::document()));
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Config(ConfigCommand::Schema)) => return config::print_schema(),
        // Those need no home.
        Some(Command::Plugin(plugin)) if plugin.is_homeless() => {
            diagnostics(log.as_deref(), None, &KnownSecrets::new())?;
            return runtime()?.block_on(plugin::without_home(plugin, output));
        }
        command => command.unwrap_or(Command::Start(Start::default())),
    };
    if command.only_reads() {
        refuse_missing(std::env::var_os("CARA_HOME")).map_err(told)?;
    }
    let known = KnownSecrets::new();
    let kept = matches!(command, Command::Start(_)).then(|| Kept::of(log.clone()));
    diagnostics(log.as_deref(), kept.as_ref(), &known)?;
    let store = plain_key_file.then_some(StoreKind::KeyFile);
    let door = Door::new(Surroundings::new(known, store, format!("cara {name}"), command.role())?);
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let code = one(&door, output, command, kept).await;
        door.close().await;
        code
    });
    // A line editor may still wait for input on a thread of its own.
    runtime.shutdown_background();
    result
}

fn diagnostics(filter: Option<&str>, kept: Option<&Kept>, known: &KnownSecrets) -> Result<()> {
    log_files::start(filter, kept, known, stdio::write_aside).map_err(told)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

async fn one(door: &Door, output: Output, command: Command, kept: Option<Kept>) -> Result<ExitCode> {
    match command {
        Command::Chat(chat) => return chat::run(door, output, chat).await,
        Command::Models(models) => models::run(door, output, models).await?,
        Command::Secrets(secrets) => secrets::run(door, output, secrets).await?,
        Command::Plugin(plugin) => return plugin::run(door, output, plugin).await,
        Command::Trust(trust) => trust::run(door, output, trust).await?,
        Command::Grant(grant) => grants::grant(door, output, grant).await?,
        Command::Revoke(revoke) => grants::revoke(door, output, revoke).await?,
        Command::Grants { component } => grants::list(door, output, component).await?,
        Command::Tools(tools) => tools::run(door, output, tools).await?,
        Command::Sessions(sessions) => sessions::run(door, output, sessions).await?,
        Command::People(people) => people::run(door, output, people).await?,
        Command::Token(token) => credentials::token(door, output, token).await?,
        Command::Device(device) => credentials::device(door, output, device).await?,
        Command::Password(password) => credentials::password(door, output, password).await?,
        Command::Memory(memory) => memory::run(door, output, memory).await?,
        Command::Approvals(approvals) => approvals::run(door, output, approvals).await?,
        Command::Channel(channel) => channel::run(door, output, channel).await?,
        Command::Inbox(inbox) => boxes::inbox(door, output, inbox).await?,
        Command::Outbox(outbox) => boxes::outbox(door, output, outbox).await?,
        Command::Policy(policy) => policy::run(door, output, policy).await?,
        Command::Explain(explain) => explain::run(door, output, explain).await?,
        Command::Usage(usage) => usage::run(door, output, usage).await?,
        Command::Audit(audit) => return audit::run(door, output, audit).await,
        Command::Ledger(ledger) => ledger::run(door, output, ledger).await?,
        Command::Start(start) => start::start(door, &start, kept.unwrap_or_default()).await?,
        Command::Status => return start::status(door, output).await,
        Command::Stop => start::stop(door, output).await?,
        Command::Logs(logs) => logs::run(door, output, logs).await?,
        Command::Config(config) => config::run(door, output, config).await?,
        Command::Tls(tls) => tls::run(door, output, tls).await?,
        Command::Service(service) => service::run(door, output, service)?,
        Command::Api | Command::Completion { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl Command {
    /// What a process is to others that runs the command and holds the home.
    fn role(&self) -> Role {
        match self {
            Self::Start(_) => Role::Daemon,
            Self::Chat(_) => Role::Chat,
            _ => Role::Command,
        }
    }

    /// Whether the command only looks at what is in the home, or stops who holds it: it makes no home to look at.
    #[rustfmt::skip]
    fn only_reads(&self) -> bool {
        matches!(self, Self::Status | Self::Stop | Self::Logs(_) | Self::Grants { .. } | Self::Policy(_) | Self::Explain(_)
            | Self::Usage(_) | Self::Audit(_) | Self::Ledger(_) | Self::Secrets(Secrets::List | Secrets::Unlock) | Self::Trust(Trust::List) | Self::Tls(Tls::Show | Tls::List) | Self::Tools(Tools::List)
            | Self::Config(ConfigCommand::Get { .. } | ConfigCommand::Diff) | Self::Plugin(Plugin::List | Plugin::Inspect { .. })
            | Self::Sessions(Sessions::List { .. } | Sessions::Show { .. } | Sessions::Export { .. } | Sessions::Search { .. })
            | Self::Token(Token::List) | Self::Device(Device::List) | Self::People(People::List | People::Show { .. } | People::Export { .. })
            | Self::Memory(MemoryCommand::List { .. } | MemoryCommand::Show { .. } | MemoryCommand::Search { .. })
            | Self::Approvals(Approvals::List | Approvals::Show { .. } | Approvals::Rules)
            | Self::Channel(Channel::List)
            | Self::Inbox(Inbox::List { .. } | Inbox::Show { .. }) | Self::Outbox(Outbox::List { .. } | Outbox::Show { .. }))
    }
}

impl Plugin {
    /// Whether the command works on files alone.
    fn is_homeless(&self) -> bool {
        match self {
            Self::New { .. } | Self::Refresh { .. } | Self::Build(_) | Self::Test { .. } | Self::Check { .. } => true,
            Self::Verify { key, .. } => key.is_some(),
            _ => false,
        }
    }
}
