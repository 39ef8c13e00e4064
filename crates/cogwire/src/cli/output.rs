//! Text for people and programs: data on stdout, everything else on stderr, colours where they are wanted.
//!
//! Colour only repeats what the words say. It is left out when the stream is no terminal or `NO_COLOR` is set.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use owo_colors::{OwoColorize, Style as Colour};
use serde_json::Value;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Worth a look.
    Warning,
    /// Something to copy or to follow.
    Accent,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
    /// Nothing special.
    Plain,
}

impl Style {
    /// The text in this style's colour.
    pub(crate) fn paint(self, text: impl Display) -> String {
        text.style(self.colour()).to_string()
    }

    fn colour(self) -> Colour {
        let colour = Colour::new();
        match self {
            Self::Good => colour.green(),
            Self::Bad => colour.red().bold(),
            Self::Warning => colour.yellow(),
            Self::Accent => colour.cyan(),
            Self::Dim => colour.dimmed(),
            Self::Strong => colour.bold(),
            Self::Plain => colour,
        }
    }

    /// The style of a status or state, by its name in the API.
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "succeeded" | "delivered" | "idle" => Self::Good,
            "failed" | "exhausted" | "aborted" => Self::Bad,
            "canceled" | "interrupted" => Self::Warning,
            "starting" | "processing" | "pending" | "sending" | "busy" => Self::Accent,
            _ => Self::Plain,
        }
    }
}

/// Prints a line of data.
pub(crate) fn print(line: impl Display) -> io::Result<()> {
    writeln!(anstream::stdout().lock(), "{line}")
}

/// Prints a piece of data at once, without a line end.
pub(crate) fn print_piece(piece: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(piece.as_bytes())?;
    stdout.flush()
}

/// Prints data as JSON.
pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    print(format_args!("{value:#}"))
}

/// Says something to a person. There is nobody to tell when that fails.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Something that turns on stderr and says how far it is, on a terminal only. It is gone when it is dropped.
pub(crate) fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}");
    let spinner = ProgressBar::new_spinner()
        .with_style(style.expect("the template is a constant"))
        .with_finish(ProgressFinish::AndClear);
    spinner.enable_steady_tick(TICK);
    spinner
}

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Table {
    /// A table with these headings and no rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each heading.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |(column, heading): (usize, &&str)| {
            let cells =
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
            cells.chain([heading.len()]).max().unwrap_or_default()
        };
        self.headings.iter().enumerate().map(widest).collect()
    }
}

impl Cell {
    /// A text without colour.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::Plain }
    }

    /// A state in its colour.
    pub(crate) fn state(text: &str) -> Self {
        Self { text: text.to_owned(), style: Style::of_state(text) }
    }

    fn heading(text: &str) -> Self {
        Self { text: text.to_ascii_uppercase(), style: Style::Dim }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let headings: Vec<Cell> = self.headings.iter().map(|text| Cell::heading(text)).collect();
        write_row(f, &headings, &widths)?;
        for row in &self.rows {
            f.write_str("\n")?;
            write_row(f, row, &widths)?;
        }
        Ok(())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, cells: &[Cell], widths: &[usize]) -> fmt::Result {
    const GAP: &str = "  ";
    let last = cells.len().saturating_sub(1);
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        f.write_str(&cell.style.paint(&cell.text))?;
        // No blanks at the end of a line.
        if column < last {
            write!(f, "{:1$}{GAP}", "", width - cell.text.chars().count())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["id", "state", "url"]);
        table.row(vec![Cell::plain("1"), Cell::state("delivered"), Cell::plain("http://a")]);
        table.row(vec![Cell::plain("123"), Cell::state("pending"), Cell::plain("é")]);
        let text = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(text, "ID   STATE      URL\n1    delivered  http://a\n123  pending    é");
    }
}
