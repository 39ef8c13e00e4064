//! The table.

use std::io::{self, Write};

use crate::measure::{FEW, Figures, RAW_BYTES, SharedFigures};
use crate::plan::Plan;
use crate::process;
use crate::sink::SLOWNESS;
use crate::statistics::Spread;

/// Prints all figures as a Markdown table.
pub(crate) fn print(plan: &Plan, figures: &Figures) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Client, sink and server share {}; medians of {} rounds.\n",
        process::machine(),
        plan.rounds
    )?;
    writeln!(out, "| What | Measured |\n|---|---|")?;
    for (what, measured) in rows(plan, figures) {
        writeln!(out, "| {what} | {measured} |")?;
    }
    Ok(())
}

fn rows(plan: &Plan, figures: &Figures) -> Vec<(String, String)> {
    let clients = plan.clients;
    let mut rows = vec![
        (
            format!(
                "Raw limit: signed POSTs of {RAW_BYTES} bytes straight to the receiver, {clients} connections"
            ),
            format!("{:.0}/s", figures.raw),
        ),
        (
            format!(
                "Durable predictions, created, run and delivered as signed webhooks of {:.0} bytes, {clients} clients",
                figures.webhook_bytes
            ),
            format!("{:.0}/s, {:.3} of the raw limit", figures.durable, figures.share),
        ),
        ("Create to 201, one client".to_owned(), milliseconds(figures.create)),
        (
            format!("End of a prediction to its webhook at the receiver, {}/s", plan.rate),
            milliseconds(figures.webhook),
        ),
        ("Commit to disk, in the same rounds".to_owned(), milliseconds(figures.commit)),
        (
            "CPU time of the server for 1000 predictions, saturated".to_owned(),
            format!("{:.2} s", figures.cpu_per_thousand),
        ),
        ("Memory, idle".to_owned(), format!("{:.1} MB", figures.idle_megabytes)),
        ("Start to ready".to_owned(), format!("{:.0} ms", figures.start_milliseconds)),
    ];
    if let Some((stored, ratio)) = figures.history {
        rows.push((
            format!("Speed with {stored} stored predictions over speed with {FEW}"),
            format!("{ratio:.2}"),
        ));
    }
    rows.extend(figures.shared.iter().flat_map(|shared| shared_rows(plan, shared)));
    rows
}

fn shared_rows(plan: &Plan, figures: &SharedFigures) -> Vec<(String, String)> {
    let (server, database) = figures.cpu_per_thousand;
    let mut rows = vec![
        (
            format!("The same on PostgreSQL, one server, {} clients", plan.clients),
            format!("{:.0}/s, {:.2} of SQLite beside it", figures.durable, figures.share),
        ),
        (
            "CPU time for 1000 of them: the server's, and PostgreSQL's".to_owned(),
            format!("{server:.2} s, {database:.2} s"),
        ),
        (
            "The same with three servers, one for each role, where everything is claimed".to_owned(),
            format!("{:.0}/s", figures.apart),
        ),
        (
            format!("Two senders over one, to a receiver that takes {} ms", SLOWNESS.as_millis()),
            format!("{:.2}", figures.senders),
        ),
    ];
    if let Some((stored, ratio)) = figures.history {
        rows.push((
            format!("Three servers: speed with {stored} stored predictions over speed with {FEW}"),
            format!("{ratio:.2}"),
        ));
    }
    rows
}

fn milliseconds(spread: Spread) -> String {
    format!("p50 {:.2} ms, p99 {:.2} ms", spread.p50, spread.p99)
}
