//! `cara tools`: which tools a model is offered, and switching them on and
//! off.

use crate::cli::Tools;
use crate::door::Door;
use crate::output::{Output, Show, show};
use anyhow::Result;
use cara_authority::ComponentId;
use cara_control::tools::{DisableTools, EnableTools, ListTools, SwitchedTools, ToolRow};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, tools: Tools) -> Result<()> {
    let ids = |components: Vec<ComponentId>| components.iter().map(ToString::to_string).collect();
    match tools {
        Tools::List => drop(door.emit(output, ListTools {}).await?),
        Tools::Enable { components } => {
            let environment = door.environment().await?;
            door.emit(output, EnableTools { components: ids(components), environment }).await?;
        }
        Tools::Disable { components } => drop(door.emit(output, DisableTools { components: ids(components) }).await?),
    }
    Ok(())
}

impl Show for Vec<SwitchedTools> {
    fn show(&self) {
        self.iter().for_each(|switched| show::note(&switched.words()));
    }
}

impl Show for Vec<ToolRow> {
    fn show(&self) {
        // Where it is only a grant that is missing, the cure stands under the table.
        let why = |row: &ToolRow| if row.on || row.needs.is_empty() { String::new() } else { row.why.clone() };
        let remarked = self.iter().any(|row| !why(row).is_empty());
        let rows = self.iter().map(|row| {
            let (effects, on) = (row.effects.join(", "), if row.on { "on" } else { "off" });
            let cells = [row.component.clone(), row.tool.clone(), on.into(), row.then.to_string(), effects];
            cells.into_iter().chain(remarked.then(|| why(row))).collect::<Vec<_>>()
        });
        let head = ["COMPONENT", "TOOL", "STATE", "THEN", "EFFECTS", "WHY"];
        show::table(&head[..if remarked { 6 } else { 5 }], &rows.collect::<Vec<_>>());
        if self.iter().any(|row| !row.on) {
            show::note("`cara tools enable COMPONENT` grants what it asks, and switches its tools on");
        }
    }
}
