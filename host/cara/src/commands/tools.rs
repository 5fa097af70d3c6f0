//! `cara tools`: which tools a model is offered, and switching them on and
//! off.

use crate::cli::Tools;
use crate::door::Door;
use crate::output::{Output, Show, show};
use anyhow::Result;
use cara_authority::ComponentId;
use cara_control::Done;
use cara_control::tools::{DisableTools, EnableTools, ListTools, ToolRow};

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

/// What was done was said while it was done.
impl Show for Done {
    fn show(&self) {}
}

impl Show for Vec<ToolRow> {
    fn show(&self) {
        let cells = self.iter().map(|row| {
            let effects = if row.effects.is_empty() { "-".to_owned() } else { row.effects.join(", ") };
            let on = if row.on { "on" } else { "off" };
            // The cure is the same for all of these, and stands under the table.
            let why = row.why.split_once(": `cara tools enable").map_or(row.why.as_str(), |(why, _)| why);
            vec![row.tool.clone(), row.component.clone(), on.into(), row.then.to_string(), effects, why.to_owned()]
        });
        show::table(&["TOOL", "COMPONENT", "STATE", "THEN", "EFFECTS", "WHY"], &cells.collect::<Vec<_>>());
        if self.iter().any(|row| !row.on) {
            show::note("`cara tools enable COMPONENT` switches one on");
        }
    }
}
