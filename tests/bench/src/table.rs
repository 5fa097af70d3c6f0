//! The table that is printed, and how figures are written.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

use crate::samples::Samples;
use std::fmt::Write as _;

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds.
    Time,
    /// Bytes.
    Memory,
    /// Something that is counted.
    Count,
}

/// What the architecture promises.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At most so many times the floor.
    Times(f64),
    /// Less than this, in the figure's unit.
    Below(f64),
    /// At most so much more than the floor, in the figure's unit.
    More(f64),
    /// Nothing; the figure is for comparison.
    None,
}

/// One measurement.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) name: String,
    /// What the floor is.
    pub(crate) against: &'static str,
    /// By this program.
    pub(crate) ours: Samples,
    /// Without it.
    pub(crate) floor: Samples,
    /// Of both.
    pub(crate) unit: Unit,
    /// Of ours.
    pub(crate) aim: Aim,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours.median() / self.floor.median()
    }

    fn aim(&self) -> String {
        let (text, met) = match self.aim {
            Aim::Times(most) => (format!("<= {most}x"), self.ratio() <= most),
            Aim::Below(most) => (format!("< {}", written(most, self.unit)), self.ours.median() < most),
            Aim::More(most) => {
                let more = self.ours.median() - self.floor.median();
                (format!("<= {} more", written(most, self.unit)), more <= most)
            }
            Aim::None => return "-".into(),
        };
        format!("{text} {}", if met { "met" } else { "MISSED" })
    }

    fn cells(&self) -> [String; 6] {
        let both = |samples: &Samples| {
            format!("{} ({})", written(samples.median(), self.unit), written(samples.best(), self.unit))
        };
        let ratio = if self.floor.best() > 0.0 {
            format!("{:.2}x ({:.2}x)", self.ratio(), self.ours.best() / self.floor.best())
        } else {
            // A floor that does nothing is no measure.
            "- x".into()
        };
        [self.name.clone(), both(&self.ours), both(&self.floor), ratio, self.aim(), self.against.into()]
    }
}

/// A figure with three digits and its unit.
fn written(value: f64, unit: Unit) -> String {
    let (value, unit) = match unit {
        Unit::Count => return format!("{value:.1}"),
        Unit::Memory => (value / 1e6, "MB"),
        Unit::Time if value < 1e-3 => (value * 1e6, "us"),
        Unit::Time if value < 1.0 => (value * 1e3, "ms"),
        Unit::Time => (value, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// All measurements of a run.
#[derive(Debug)]
pub(crate) struct Table(Vec<[String; 6]>);

impl Table {
    /// An empty one with its header.
    pub(crate) fn new() -> Self {
        let header = ["what", "ours", "floor", "ratio", "aim", "the floor is"];
        Self(vec![header.map(str::to_owned)])
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.0.extend(rows.iter().map(Row::cells));
    }

    /// Prints it, columns aligned.
    pub(crate) fn print(&self) {
        let width = |column: usize| self.0.iter().map(|row| row[column].len()).max().unwrap_or_default();
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut text = String::new();
        for (number, row) in self.0.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let (width, end) = (widths[column], if column == 5 { "\n" } else { "  " });
                let padded =
                    if column == 0 || column > 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                text.push_str(if column == 5 { cell } else { &padded });
                text.push_str(end);
            }
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                let _ = writeln!(text, "{}", rule.join("  "));
            }
        }
        println!("{text}\nmedian (best); {}", machine());
    }
}

/// What the figures were taken on.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, load {}, {}", load(), build())
}

/// How busy the machine is, where it says.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|first| !first.is_empty()).unwrap_or("unknown").to_owned()
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "DEBUG BUILD: the figures mean nothing" } else { "release build" }
}

/// A line beside the table.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// What whoever started this process waits for, where it is no table.
pub(crate) fn answer(text: &str) {
    println!("{text}");
}

/// Why there is no table.
pub(crate) fn complain(text: &str) {
    eprintln!("error: {text}");
}
