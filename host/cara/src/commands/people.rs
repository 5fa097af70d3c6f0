//! `cara people`: who else may talk to the assistant, and what is kept about
//! them.

use crate::cli::People;
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, bail};
use cara_control::people::{
    ExportPerson, ForgetPerson, Kept, LinkAddress, ListPeople, NamePerson, PersonRow, PersonView, ShowPerson,
    UnlinkAddress,
};
use cara_services::files;
use cara_terminal::prompt;
use std::io::IsTerminal;
use std::path::Path;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, people: People) -> Result<()> {
    match people {
        People::List => drop(door.emit(output, ListPeople {}).await?),
        People::Show { id } => drop(door.emit(output, ShowPerson { id }).await?),
        People::Name { id, name, role } => {
            let named = door.call(NamePerson { id, name, role }).await?;
            let PersonRow { id, name, role, addresses, .. } = &named.person;
            let mut words = format!("`{id}` is {name}, {}", a(role.name()));
            if named.new && addresses.is_empty() {
                words.push_str(&format!("; `cara people link {id} ADDRESS` says from where they write"));
            }
            output.done(&named, &words)?;
        }
        People::Link { id, address } => {
            let linked = door.call(LinkAddress { address: address.clone(), person: id }).await?;
            let PersonRow { id, name, role, .. } = &linked;
            output.done(&linked, &format!("who writes from `{address}` is `{id}` ({name}), {}", a(role.name())))?;
        }
        People::Unlink { address } => {
            let unlinked = door.call(UnlinkAddress { address: address.clone() }).await?;
            let of = &unlinked.person;
            output.done(&unlinked, &format!("`{address}` is not an address of `{of}` any more"))?;
        }
        People::Forget { id, yes } => forget(door, output, id, yes).await?,
        People::Export { id, file, force } => export(door, output, id, file.as_deref(), force).await?,
    }
    Ok(())
}

/// `a guest`, `the owner`.
fn a(role: &str) -> String {
    if role == "owner" { "the owner".to_owned() } else { format!("a {role}") }
}

impl Show for Vec<PersonRow> {
    fn show(&self) {
        let cells = self.iter().map(|person| {
            let addresses = match &person.addresses[..] {
                [] => "-".to_owned(),
                [one] => columns::cut(one, 34),
                [first, more @ ..] => format!("{} and {} more", columns::cut(first, 24), more.len()),
            };
            let role = person.role.name().to_owned();
            vec![columns::cut(&person.id, 20), columns::cut(&person.name, 20), role, addresses]
        });
        show::table(&["ID", "NAME", "ROLE", "ADDRESSES"], &cells.collect::<Vec<_>>());
        if self.len() == 1 {
            show::note("nobody else is known; `cara people name ID` adds somebody");
        }
    }
}

impl Show for PersonView {
    fn show(&self) {
        let PersonRow { id, name, role, addresses, added_ms } = &self.person;
        layout::field(0, "person", id);
        layout::field(0, "name", name);
        layout::field(0, "role", role.name());
        added_ms.iter().for_each(|at| layout::field(0, "since", &when::second(*at)));
        addresses.iter().for_each(|address| layout::field(0, "address", address));
        layout::field(0, "kept", &listed(&self.kept));
    }
}

/// How much is kept, in words.
fn listed(kept: &Kept) -> String {
    let count = |number: u64, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    };
    let all = [
        count(kept.sessions, "conversation", "conversations"),
        count(kept.messages, "message in them", "messages in them"),
        count(kept.attachments, "file", "files"),
        count(kept.memories, "entry of memory", "entries of memory"),
        count(kept.rules, "rule", "rules"),
        count(kept.inbound, "message in the inbox", "messages in the inbox"),
        count(kept.outbound, "message in the outbox", "messages in the outbox"),
        count(kept.uses, "call of a model", "calls of models"),
        count(kept.credentials, "credential", "credentials"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

async fn forget(door: &Door, output: Output, id: String, yes: bool) -> Result<()> {
    let found = door.call(ShowPerson { id: id.clone() }).await?;
    let PersonRow { id, name, role, .. } = &found.person;
    // The owner is refused before anything is asked.
    if !yes && role.name() != "owner" {
        show::note(&format!("kept about `{id}` ({name}): {}", listed(&found.kept)));
        show::note(
            "all of it is removed, with the person's addresses. What models used stays counted, as nobody's; the audit log \
             keeps the id; what they said in a group stays there",
        );
        if !std::io::stdin().is_terminal() {
            bail!("`{id}` was not forgotten: there is no terminal to ask on\nhint: to forget them, add `--yes`");
        }
        let question = format!("forget `{id}`? [y/N] ");
        tokio::task::spawn_blocking(move || prompt::agree(&question, "nobody was forgotten")).await??;
    }
    let kept = door.call(ForgetPerson { id: id.clone() }).await?;
    output.done(&kept, &format!("forgot `{id}`: {}", listed(&kept)))
}

async fn export(door: &Door, output: Output, id: String, file: Option<&Path>, force: bool) -> Result<()> {
    if let Some(file) = file {
        refuse(file, force)?;
    }
    let export = door.call(ExportPerson { id }).await?;
    let Some(path) = file else {
        return Ok(layout::json(&export)?);
    };
    let bytes = format!("{}\n", layout::plain_json(&export)?.trim_end()).into_bytes();
    if force {
        files::write_private_atomic(path, &bytes)?;
    } else if !files::create_private(path, &bytes)? {
        refuse(path, force)?;
    }
    let (id, shown) = (&export.person.id, path.display());
    let words = format!("wrote everything that is kept about `{id}` to `{shown}`; only you can read it");
    output.done(&export.person, &words)
}

/// Refuses a file that is not to be replaced, before anything is looked up.
fn refuse(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    if path.exists() && !path.is_file() {
        bail!("`{shown}` is no file that could be replaced\nhint: name a new file");
    }
    if path.exists() && !force {
        bail!("`{shown}` exists already and is not replaced\nhint: name another file, or add `--force`");
    }
    Ok(())
}
