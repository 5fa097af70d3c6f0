//! `cara grant`, `revoke`, `grants`: what each component may do.

use crate::cli::{Grant, Revoke};
use crate::door::Door;
use crate::output::when::minute;
use crate::output::{Output, Show, show};
use anyhow::{Result, bail};
use cara_authority::ComponentId;
use cara_control::grants::{AddGrants, GrantRow, ListGrants, RevokeGrants, in_words};

/// `cara grant`.
pub(crate) async fn grant(door: &Door, output: Output, grant: Grant) -> Result<()> {
    let id = grant.component.to_string();
    let for_ms = grant.lasts.map(|lasts| u64::try_from(lasts.0.as_millis())).transpose()?;
    let mut capabilities = in_words(&grant.capability);
    let origins: Vec<String> =
        capabilities.iter().filter_map(|text| text.strip_prefix("http ").map(str::to_owned)).collect();
    if (grant.plain || grant.private) && origins.is_empty() {
        bail!(
            "`--plain` and `--private` are about an address\nhint: name it: `cara grant {id} http://10.0.0.5:11434 --plain --private`"
        );
    }
    for (opening, wanted) in [("plain", grant.plain), ("private", grant.private)] {
        capabilities.extend(origins.iter().filter(|_| wanted).map(|origin| format!("{opening} {origin}")));
    }
    let added = door.call(AddGrants { component: id.clone(), capabilities, for_ms }).await?;
    let granted = added.granted.iter().map(|capability| format!("`{capability}` granted to `{id}`"));
    let already = added.already.iter().map(|capability| {
        format!(
            "`{id}` has `{capability}` already, for as long or longer; to shorten it, first `cara revoke {id} '{capability}'`"
        )
    });
    output.done(&added, &granted.chain(already).collect::<Vec<_>>().join("\n"))
}

/// `cara revoke`.
pub(crate) async fn revoke(door: &Door, output: Output, revoke: Revoke) -> Result<()> {
    let id = revoke.component.to_string();
    let gone = door.call(RevokeGrants { component: id.clone(), capabilities: in_words(&revoke.capability) }).await?;
    let words =
        gone.iter().map(|capability| format!("`{capability}` was taken from `{id}`; it counts from its next call on"));
    output.done(&gone, &words.collect::<Vec<_>>().join("\n"))
}

/// `cara grants`.
pub(crate) async fn list(door: &Door, output: Output, component: Option<ComponentId>) -> Result<()> {
    door.emit(output, ListGrants { component: component.map(|id| id.to_string()) }).await.map(drop)
}

impl Show for Vec<GrantRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("nothing is granted");
        }
        let cells = self.iter().map(|row| {
            let until = match (row.holds, row.expires_ms) {
                (false, _) => "expired".to_owned(),
                (true, Some(at)) => minute(at),
                (true, None) => "-".to_owned(),
            };
            vec![row.component.clone(), row.capability.clone(), until, row.by.clone()]
        });
        show::table(&["COMPONENT", "MAY", "UNTIL", "BY"], &cells.collect::<Vec<_>>());
    }
}
