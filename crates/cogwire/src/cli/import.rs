//! `cogwire import`: fills an empty store with what `cogwire export` wrote.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use cogwire_files::Storage;
use cogwire_store::Store;
use cogwire_store::transfer::{
    Digests, Imported, Importer, Item, LONGEST_LINE, Lines, Reader, TransferError, verify,
};
use serde_json::{Map, Value, json};

use super::alone::Alone;
use super::failure::{Failure, Outcome};
use super::{moving, output};
use crate::config::{Environment, PlacesArgs, StorePlace, files_place};

/// Fills an empty installation with an export, and verifies it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire import --database-url postgres://cogwire@db.example.com/cogwire cogwire.jsonl
  cogwire import --data-dir /var/lib/cogwire cogwire.jsonl

The target must be empty, or hold the beginning of the same export: an import that was cut off is
run again and goes on. No server may use it meanwhile. In the end all is read back and compared.")]
pub(super) struct ImportArgs {
    /// What `cogwire export` wrote, or - for stdin.
    file: PathBuf,
    /// Take what there is of a file that was cut off. Import it again when it is complete.
    #[arg(long)]
    resume: bool,
    /// Print what was imported as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlacesArgs,
}

/// What became of an import.
struct Summary {
    imported: Imported,
    /// What the export said about its rows; `None` when it was cut off.
    verified: Option<Digests>,
}

/// Does what the arguments say.
pub(super) async fn run(args: ImportArgs) -> Outcome {
    let environment = Environment::of_process();
    let layers = args.places.layers(&environment)?;
    let files = files_place(&layers, &environment)?;
    let rows = if is_stdin(&args.file) { None } else { Some(check(&args.file, args.resume)?) };
    let alone = Alone::open_new(StorePlace::read(&layers, &environment)?).await?;
    let store = alone.store();
    let done = import(&*store, &args.file, args.resume, rows).await;
    let count = moving::count_files(&*store).await;
    let closed = alone.close().await;
    let summary = done?;
    closed?;
    tell(&summary, args.json)?;
    remind_of_files(count?, &files);
    Ok(())
}

fn remind_of_files(count: u64, files: &Storage) {
    if count > 0 {
        output::say(format_args!(
            "{count} files belong to it: `cogwire storage copy --from PLACE --to {files}` brings those that are not there yet."
        ));
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads a file from beginning to end before anything is written, and says how many rows it has.
fn check(path: &Path, may_be_cut: bool) -> Outcome<u64> {
    let mut reader = Reader::default();
    let mut lines = open(path)?;
    let bar = moving::bar_of_rows("Checking", None);
    while reader.read_next(&mut lines).map_err(|error| wrong(path, &error))?.is_some() {
        bar.inc(1);
    }
    bar.finish_and_clear();
    if may_be_cut {
        return Ok(reader.into_position().rows());
    }
    reader.finish().map(|digests| digests.rows()).map_err(|error| wrong(path, &error))
}

async fn import(store: &dyn Store, file: &Path, may_be_cut: bool, rows: Option<u64>) -> Outcome<Summary> {
    let bar = moving::bar_of_rows("Importing", rows);
    let (mut reader, mut importer) = (Reader::default(), Importer::new(store));
    let mut lines = open(file)?;
    let failed = |error: &TransferError| wrong(file, error);
    while let Some(item) = reader.read_next(&mut lines).map_err(|error| failed(&error))? {
        if let Item::Row(row) = item {
            importer.take(row).await.map_err(|error| failed(&error))?;
            bar.inc(1);
        }
    }
    let imported = importer.finish().await.map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    if may_be_cut && !reader.is_complete() {
        return Ok(Summary { imported, verified: None });
    }
    let exported = reader.finish().map_err(|error| failed(&error))?;
    let bar = moving::bar_of_rows("Verifying", Some(exported.rows()));
    verify(store, &exported, |rows| bar.inc(rows)).await.map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    Ok(Summary { imported, verified: Some(exported) })
}

fn open(path: &Path) -> Outcome<Lines<Box<dyn BufRead>>> {
    let source: Box<dyn BufRead> = if is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path);
        let file =
            file.map_err(|error| Failure::of(format_args!("cannot read {}", path.display()), &error))?;
        Box::new(BufReader::new(file))
    };
    Ok(Lines::new(source, LONGEST_LINE))
}

/// Why the import did not succeed, and what to do when that is not obvious.
fn wrong(path: &Path, error: &TransferError) -> Failure {
    let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
    let advice = match error {
        TransferError::CutOff { .. } => "finish it with `cogwire export --resume`, then import it",
        TransferError::Occupied { .. } => "import into an empty installation",
        TransferError::Store(error) if error.is_temporary() => "run the same command again: it goes on",
        _ => return Failure::of(name, error),
    };
    match Failure::of(name, error) {
        Failure::Failed(text) => Failure::Failed(format!("{text}; {advice}")),
        other => other,
    }
}

fn tell(summary: &Summary, json: bool) -> Outcome {
    let Summary { imported, verified } = summary;
    let Imported { added, present } = imported;
    if json {
        output::print_json(&describe(summary))?;
    }
    let present = if *present > 0 { format!("; {present} were there already") } else { String::new() };
    match verified {
        Some(_) => output::say(format_args!(
            "Imported {added} rows{present}. All of them were read back and compared."
        )),
        None => output::say(format_args!(
            "Imported {added} rows{present}. The file was cut off: finish it with `cogwire export --resume`, and import it \
             again."
        )),
    }
    Ok(())
}

fn describe(summary: &Summary) -> Value {
    let Imported { added, present } = summary.imported;
    let tables: Option<Map<String, Value>> = summary.verified.as_ref().map(|digests| {
        digests.tables().map(|(table, digest)| (table.name.to_owned(), json!(digest.rows))).collect()
    });
    json!({"added": added, "present": present, "verified": summary.verified.is_some(), "tables": tables})
}
