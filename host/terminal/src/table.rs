//! Rows in columns that fit: what is too wide goes on in the next line of its
//! cell, between words.

use crate::columns::{columns_of, wrap};

/// Columns between two cells.
const GAP: usize = 2;

/// The lines of a table at most so many columns wide, its head first. The first cell of a row, which names it, is never
/// broken, and no other one within a word unless nothing else fits.
pub(crate) fn lines(head: &[&str], rows: &[Vec<String>], most: usize) -> Vec<String> {
    let widths = widths(head, rows, most);
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    std::iter::once(&head).chain(rows).flat_map(|row| row_lines(row, &widths)).collect()
}

fn row_lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| broken(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            line.push_str(part);
            line.push_str(&" ".repeat((width + GAP).saturating_sub(columns_of(part))));
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// A cell in lines: between words, and within one that is longer than a line.
fn broken(cell: &str, width: usize) -> Vec<String> {
    wrap(cell, width.max(1)).iter().map(|line| line.trim_end().to_owned()).collect()
}

/// How many columns are left for the last cells when all others stand in one line.
pub(crate) fn room_of_last(head: &[&str], rows: &[Vec<String>], most: usize) -> usize {
    let last = head.len().saturating_sub(1);
    let widest = |at: usize| rows.iter().map(|row| columns_of(&row[at])).chain([columns_of(head[at])]).max();
    let taken: usize = (0..last).filter_map(widest).map(|columns| columns + GAP).sum();
    most.saturating_sub(taken).max(10)
}

fn widths(head: &[&str], rows: &[Vec<String>], most: usize) -> Vec<usize> {
    let cells = |column: usize| rows.iter().map(move |row| row[column].as_str()).chain([head[column]]);
    let widest = |column: usize| cells(column).map(columns_of).max().unwrap_or(0);
    let word = |column: usize| cells(column).flat_map(str::split_whitespace).map(columns_of).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..head.len()).map(widest).collect();
    let mut least: Vec<usize> = (0..head.len()).map(|at| if at == 0 { widths[0] } else { word(at) }).collect();
    let room = most.saturating_sub(GAP * head.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        let can = (0..widths.len()).filter(|at| widths[*at] > least[*at]).max_by_key(|at| widths[*at]);
        match can {
            Some(at) => widths[at] -= 1,
            None => {
                // Long words give way, the longest first; the first column never does.
                let longest = (1..least.len()).max_by_key(|at| least[*at]).filter(|at| least[*at] > head[*at].len());
                match longest {
                    Some(at) => least[at] -= 1,
                    None => break,
                }
            }
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]], most: usize) -> Vec<String> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        lines(&["ID", "STATE", "WHY"], &rows, most)
    }

    #[test]
    fn what_fits_stands_in_one_line_a_row() {
        assert_eq!(
            table(&[["s-1", "on", "it reads"], ["s-22", "off", ""]], 80),
            ["ID    STATE  WHY", "s-1   on     it reads", "s-22  off"]
        );
    }

    #[test]
    fn what_is_wide_goes_on_in_its_cell_and_names_stay_whole() {
        let rows = [["a-name-that-is-long", "on", "nothing is granted to it yet"], ["b", "off", "word"]];
        let shown = table(&rows, 40);
        assert!(shown.iter().all(|line| columns_of(line) <= 40), "{shown:#?}");
        assert_eq!(shown[1], "a-name-that-is-long  on     nothing is");
        assert_eq!(shown[2], "                            granted to");
        let long = "x".repeat(100);
        let shown = table(&[["b", "on", &long]], 40);
        assert!(shown.iter().all(|line| columns_of(line) <= 40), "{shown:#?}");
        assert_eq!(shown.concat().matches('x').count(), 100);
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let shown = table(&[["日本", "on", "x"], ["abcd", "on", "x"]], 80);
        assert_eq!(shown[1].replace("日本", "abcd"), shown[2]);
    }
}
