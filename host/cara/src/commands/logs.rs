//! `cara logs`: the log of `cara start`. It needs no such process.

use crate::cli::Logs;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, layout, show, stdio, when};
use anyhow::Result;
use cara_assistant::text::harmless;
use cara_control::HomeFiles;
use cara_control::logs::{LogLine, LogReader, Wanted};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, logs: Logs) -> Result<()> {
    let Logs { follow, level, component, lines } = logs;
    let wanted = Wanted { level, component: component.clone(), lines };
    let mut reader = LogReader::open(&door.surroundings().home.logs(), wanted, follow).map_err(told)?;
    let (before, any) = reader.before().map_err(told)?;
    before.iter().for_each(|line| print(line, output));
    if before.is_empty() && !follow && lines > 0 {
        show::note(&match (any, component) {
            (false, _) => "nothing was logged yet; `cara start` logs what it does".to_owned(),
            (true, Some(id)) => format!("no line about component `{id}` of level `{level}` or above is in the log"),
            (true, None) => format!("no line of level `{level}` or above is in the log"),
        });
    }
    while follow && !stdio::is_lost() {
        tokio::select! {
            more = reader.more() => match more.map_err(told)? {
                Some(lines) => lines.iter().for_each(|line| print(line, output)),
                None => break,
            },
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
        }
    }
    Ok(())
}

/// Prints a line: as it stands for a program, else as a person reads it.
fn print(line: &LogLine, output: Output) {
    if output.json {
        return show::line(&layout::inert_json(&line.json));
    }
    let at = line.at_ms().map_or_else(|| "-".to_owned(), when::second);
    let level = line.level().name().to_uppercase();
    show::line(&harmless(&format!("{at} {level:5} {}", line.words())));
}
