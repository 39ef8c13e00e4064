//! `cogwire export`: everything but files, as lines of JSON, to be imported into another store.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use cogwire_core::time::Clock;
use cogwire_files::Storage;
use cogwire_store::Store;
use cogwire_store::transfer::{Exporter, Header, LONGEST_LINE, Lines, Reader, TransferError};

use super::alone::Alone;
use super::failure::{Failure, Outcome, with_causes};
use super::{moving, output};
use crate::config::{Environment, PlacesArgs, StorePlace, files_place};
use crate::lifecycle::SystemClock;
use crate::server::private_file;

/// Writes everything but files as lines of JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire export cogwire.jsonl
  cogwire export --resume cogwire.jsonl
  cogwire export - | ssh new-host cogwire import --data-dir /var/lib/cogwire -

No server may use the installation meanwhile. An export holds signing secrets: keep it as you keep
the database. The files of predictions are not in it: `cogwire storage copy` takes them along.")]
pub(super) struct ExportArgs {
    /// A new file, or - for stdout.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Go on with a file that was cut off, after its last whole line.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    places: PlacesArgs,
}

/// Does what the arguments say.
pub(super) async fn run(args: ExportArgs) -> Outcome {
    let environment = Environment::of_process();
    let layers = args.places.layers(&environment)?;
    let files = files_place(&layers, &environment)?;
    let target = Target::choose(&args.file, args.resume)?;
    let alone = Alone::open(StorePlace::read(&layers, &environment)?).await?;
    let done = export(&alone, target, &files).await;
    let closed = alone.close().await;
    done.and(closed)
}

/// Where the text goes.
enum Target<'a> {
    Stdout,
    New(&'a Path),
    Begun(&'a Path),
}

impl<'a> Target<'a> {
    fn choose(file: &'a Path, resume: bool) -> Outcome<Self> {
        let wrong = |text: &str| Err(Failure::Usage(text.to_owned()));
        match (file == Path::new("-"), resume) {
            (true, true) => wrong("--resume goes on with a file: name the one that was cut off"),
            (true, false) if io::stdout().is_terminal() => {
                wrong("an export is long and holds secrets: name a file, or give it to another program")
            }
            (true, false) => Ok(Self::Stdout),
            (false, true) => Ok(Self::Begun(file)),
            (false, false) => Ok(Self::New(file)),
        }
    }
}

async fn export(alone: &Alone, target: Target<'_>, files: &Storage) -> Outcome {
    let store = alone.store();
    let (schema, kind) = (alone.schema().await?, alone.kind().to_owned());
    let header = Header { schema, created_at: SystemClock.now(), store: kind };
    match target {
        Target::Stdout => {
            let written = write(&*store, Exporter::new(&*store, header), io::stdout().lock()).await;
            let rows = written.map_err(nobody_reads)?;
            output::say(format_args!("Exported {rows} rows."));
        }
        Target::New(path) => {
            let file = private_file::create(path).map_err(|error| cannot_create(path, &error))?;
            write_file(&*store, Exporter::new(&*store, header), path, file).await?;
        }
        Target::Begun(path) => match go_on(&*store, header, path).await? {
            Some((exporter, file)) => write_file(&*store, exporter, path, file).await?,
            None => output::say(format_args!("{} is complete already.", path.display())),
        },
    }
    remind_of_files(&*store, files).await
}

async fn remind_of_files(store: &dyn Store, files: &Storage) -> Outcome {
    let count = moving::count_files(store).await?;
    if count > 0 {
        output::say(format_args!(
            "{count} files belong to it, and stay in {files}: `cogwire storage copy --from {files} --to PLACE` takes them along."
        ));
    }
    Ok(())
}

async fn write_file(store: &dyn Store, exporter: Exporter<'_>, path: &Path, file: File) -> Outcome {
    let mut file = BufWriter::new(file);
    let rows = write(store, exporter, &mut file).await?;
    file.get_ref().sync_all()?;
    output::say(format_args!("Exported {rows} rows to {}. It holds signing secrets.", path.display()));
    Ok(())
}

/// Writes the pieces, and says how many rows there are in all.
async fn write(store: &dyn Store, mut exporter: Exporter<'_>, mut to: impl Write) -> Outcome<u64> {
    let bar = moving::bar_of_rows("Exporting", moving::shown_count(store).await?);
    while let Some(piece) = exporter.next_piece().await.map_err(|error| Failure::from_error(&error))? {
        to.write_all(&piece)?;
        bar.set_position(exporter.rows());
    }
    to.flush()?;
    bar.finish_and_clear();
    Ok(exporter.rows())
}

/// Half an export is none, even when whoever read it has had enough.
fn nobody_reads(failure: Failure) -> Failure {
    match failure {
        Failure::OutputClosed => {
            Failure::Failed("the export was cut off: the program that read it has ended".to_owned())
        }
        other => other,
    }
}

fn cannot_create(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::Failed(format!(
            "{} is there already: name another file, or go on with it by --resume",
            path.display()
        ));
    }
    Failure::of(format_args!("cannot make {}", path.display()), error)
}

/// The rest of an export, and the file to add it to; `None` when there is no rest.
async fn go_on<'a>(
    store: &'a dyn Store,
    header: Header,
    path: &Path,
) -> Outcome<Option<(Exporter<'a>, File)>> {
    let failed = |error: &dyn std::error::Error| Failure::of(path.display(), error);
    let mut file = private_file::open(path).map_err(|error| failed(&error))?;
    let (reader, whole) = read_begun(&file).map_err(|error| failed(&error))?;
    if reader.is_complete() {
        return Ok(None);
    }
    let exporter = match reader.header() {
        None => Exporter::new(store, header),
        Some(begun) if (begun.schema, &begun.store) != (header.schema, &header.store) => {
            return Err(changed(
                path,
                &format!("it was begun with schema {} of {}", begun.schema, begun.store),
            ));
        }
        Some(_) => Exporter::resume(store, reader.into_position()).await.map_err(|error| match &error {
            TransferError::Changed(_) => changed(path, &with_causes(&error)),
            _ => Failure::from_error(&error),
        })?,
    };
    file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|error| failed(&error))?;
    Ok(Some((exporter, file)))
}

fn changed(path: &Path, how: &str) -> Failure {
    Failure::Failed(format!("{} cannot be gone on with: {how}; export to a new file", path.display()))
}

/// Reads what there is, and says how many bytes of it are whole lines.
fn read_begun(file: &File) -> Result<(Reader, u64), TransferError> {
    let (mut reader, mut lines) = (Reader::default(), Lines::new(BufReader::new(file), LONGEST_LINE));
    let bar = moving::bar_of_rows("Reading", None);
    while reader.read_next(&mut lines)?.is_some() {
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((reader, lines.whole_bytes()))
}
