//! `cara trust`: whose signatures count, and for which components.

use crate::cli::Trust;
use crate::door::Door;
use crate::output::{Output, Show, layout, show};
use crate::text_file;
use anyhow::Result;
use cara_control::trust::{
    AddedTrust, ListTrust, RemoveTrust, RemoveTrustRoot, RevokeTrust, SetTrustRoot, TrustIdentity, TrustKey, TrustList,
};
use cara_signing::TrustRoot;
use std::path::Path;

/// The largest key file, bytes.
const LARGEST: u64 = 4 * 1024;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, trust: Trust) -> Result<()> {
    match trust {
        Trust::Add { name, identity: Some(identity), issuer, may, .. } => {
            let issuer = issuer.unwrap_or_default();
            let added = door.call(TrustIdentity { name, identity, issuer, may }).await?;
            output.done(&added, &words(&added))
        }
        Trust::Add { name, key, may, .. } => {
            let key = key.map(|file| text_file::read(&file, LARGEST)).transpose()?;
            let added = door.call(TrustKey { name, key, may }).await?;
            output.done(&added, &words(&added))
        }
        Trust::Root { root: Some(from), .. } => {
            let root = match from.as_str() {
                "public-good" => None,
                file => Some(text_file::read(Path::new(file), TrustRoot::MAX_BYTES as u64)?),
            };
            let done = door.call(SetTrustRoot { from: from.clone(), root }).await?;
            output.done(&done, &format!("certificates of `{from}` count, for the identities you trust"))
        }
        Trust::Root { root: None, .. } => {
            output.done(&door.call(RemoveTrustRoot {}).await?, "no certificate counts any more")
        }
        Trust::List => door.emit(output, ListTrust {}).await.map(drop),
        Trust::Remove { name } => {
            let done = door.call(RemoveTrust { name: name.clone() }).await?;
            let words = format!("`{name}` is not trusted any more; what it signed is not used from the next call on");
            output.done(&done, &words)
        }
        Trust::Revoke { what } => {
            let revoked = door.call(RevokeTrust { what }).await?;
            let words =
                format!("revoked {revoked}, from the next call on; to take that back, remove it from `trust.toml`");
            output.done(&revoked, &words)
        }
    }
}

/// Who is trusted now, and for what.
pub(super) fn words(added: &AddedTrust) -> String {
    let AddedTrust { name, who, may, counts } = added;
    let may = may.join(", ");
    match (who.starts_with("key "), counts) {
        (true, _) => format!("`{name}` ({who}) may sign {may}"),
        (false, true) => format!("`{name}`, {who}, may sign {may}"),
        (false, false) => format!("`{name}`, {who}, may sign {may}\n{NO_ROOT}"),
    }
}

/// What is said where identities are trusted and no certificate is.
const NO_ROOT: &str = "no certificate counts until you say whose: `cara trust root public-good`";

impl Show for TrustList {
    fn show(&self) {
        if self.keys.is_empty() && self.identities.is_empty() {
            show::note("you trust nobody; what is built in is signed by this program's own key, and only that");
        }
        let cells = self.keys.iter().map(|row| {
            vec![row.name.clone(), row.key[..16].to_owned(), row.since.clone().unwrap_or_default(), row.may.join(", ")]
        });
        let cells: Vec<Vec<String>> = cells.collect();
        if !cells.is_empty() {
            show::table(&["NAME", "KEY", "SINCE", "MAY SIGN"], &cells);
        }
        for known in &self.identities {
            let since = known.since.as_deref().map(|since| format!(", since {since}")).unwrap_or_default();
            let of = format!("{} by {} may sign {}{since}", known.identity, known.issuer, known.may.join(", "));
            layout::hang("", &format!("{}: {of}", known.name));
        }
        if !self.identities.is_empty() && !self.root {
            show::note(NO_ROOT);
        }
        for revoked in &self.revoked {
            show::line(&format!("revoked: {revoked}"));
        }
    }
}
