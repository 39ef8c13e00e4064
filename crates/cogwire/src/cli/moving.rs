//! What the commands share that move or copy an installation: how far they are, shown on a terminal only, and the files.

use std::fmt;
use std::io::IsTerminal;

use cogwire_files::{CopyProgress, Storage};
use cogwire_store::Store;
use cogwire_store::transfer::{TABLES, Table};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::failure::{Failure, Outcome};

/// A bar that counts rows. Without a length it only counts.
pub(super) fn bar_of_rows(what: &'static str, length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{msg:<10} {wide_bar} {human_pos}/{human_len} rows  {rate:>12}  {eta:>4}",
        None => "{msg:<10} {human_pos} rows  {rate:>12}",
    };
    bar(what, length, template)
}

/// A bar that counts bytes, whose length is told with them.
fn bar_of_bytes(what: &'static str) -> ProgressBar {
    let template =
        "{msg:<10} {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec:>12}  {eta:>4}";
    bar(what, Some(0), template)
}

fn bar(what: &'static str, length: Option<u64>, template: &'static str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    bar.set_style(style.with_key("rate", rate));
    bar.with_message(what)
}

/// The library's own rate has a dozen digits after the point.
fn rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    // There is nobody to tell when that fails.
    let _ = write!(text, "{:.0}/s", state.per_sec());
}

/// How many rows there are, when a bar would show it: counting reads every table.
pub(super) async fn shown_count(store: &dyn Store) -> Outcome<Option<u64>> {
    if !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut rows = 0;
    for table in &TABLES {
        rows += store.count_rows(table).await?;
    }
    Ok(Some(rows))
}

/// How many files belong to an installation. They do not move with its rows.
pub(super) async fn count_files(store: &dyn Store) -> Outcome<u64> {
    let position = Table::position("file").expect("the catalogue has files");
    Ok(store.count_rows(&TABLES[position]).await?)
}

/// Copies all files from one place to another, and looks in the end whether any was added meanwhile.
pub(super) async fn copy_files(from: &Storage, to: &Storage) -> Outcome<CopyProgress> {
    let bar = bar_of_bytes("Copying");
    let copied = cogwire_files::copy(from, to, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    copied.map_err(|error| Failure::from_error(&error))
}

/// Copies the files that are there now.
pub(super) async fn copy_present_files(from: &Storage, to: &Storage) -> Outcome<CopyProgress> {
    let bar = bar_of_bytes("Copying");
    let copied = cogwire_files::copy_present(from, to, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    copied.map_err(|error| Failure::from_error(&error))
}

fn show(bar: &ProgressBar, progress: CopyProgress) {
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.bytes);
}
