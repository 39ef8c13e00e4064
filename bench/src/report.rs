//! The table.

use std::io::{self, Write};

use crate::measure::{
    BacklogFigures, Compared, DeliveryFigures, FEW, Figures, Idle, LINES, MEGABYTES, MODELS, ModelFigures,
    RATE, RAW_BYTES, SharedFigures, WATCHED,
};
use crate::plan::Plan;
use crate::process;
use crate::sink::SLOWNESS;
use crate::statistics::Spread;

/// What was measured, and the figure.
pub(crate) type Row = (String, String);

/// Prints all figures as a Markdown table.
pub(crate) fn print(plan: &Plan, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Client, sink and server share {}; medians of {} rounds.\n",
        process::machine(),
        plan.rounds
    )?;
    writeln!(out, "| What | Measured |\n|---|---|")?;
    for (what, measured) in rows {
        writeln!(out, "| {what} | {measured} |")?;
    }
    Ok(())
}

/// The table of everything but real models.
pub(crate) fn rows(plan: &Plan, figures: &Figures) -> Vec<Row> {
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

fn shared_rows(plan: &Plan, figures: &SharedFigures) -> Vec<Row> {
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

/// The table of delivery alone.
pub(crate) fn rows_of_delivery(plan: &Plan, figures: &DeliveryFigures) -> Vec<Row> {
    let share = |(speed, share): (f64, f64)| format!("{speed:.0}/s, {share:.3} of the raw limit");
    let (rate, half) = figures.half;
    let mut rows = vec![
        (
            format!(
                "Raw limit: signed POSTs of {RAW_BYTES} bytes straight to the receiver, {} connections",
                plan.clients
            ),
            format!("{:.0}/s", figures.raw),
        ),
        (format!("{} webhooks that wait in the store, delivered", plan.waiting), share(figures.waiting)),
    ];
    rows.extend(figures.waiting_postgres.map(|figure| ("The same on PostgreSQL".to_owned(), share(figure))));
    rows.push((format!("End of a prediction to its webhook, at half load ({rate}/s)"), milliseconds(half)));
    rows.push((
        format!("The same to a healthy receiver, {RATE}/s, alone"),
        milliseconds(figures.beside.alone),
    ));
    let beside = figures.beside.beside.iter();
    rows.extend(beside.map(|(manner, spread)| {
        (format!("... beside {RATE}/s to one that {}", manner.name()), milliseconds(*spread))
    }));
    rows.extend(figures.backlog.iter().map(backlog_row));
    rows
}

fn backlog_row(figures: &BacklogFigures) -> Row {
    (
        format!("Start with {} webhooks that wait: to the first delivery, and most memory", figures.waiting),
        format!("{:.2} s, {:.0} MB", figures.first, figures.megabytes),
    )
}

/// The table of real models.
pub(crate) fn rows_of_models(plan: &Plan, figures: &ModelFigures) -> Vec<Row> {
    let ModelFigures { compared, cold_start, logs, first_token, file, idle: (with, without) } = figures;
    let mut rows = compared_rows(plan, compared);
    rows.extend([
        ("Create to end with no process running, environment ready".to_owned(), milliseconds(*cold_start)),
        (format!("{LINES} log lines in one prediction, all there at its end"), format!("{logs:.2} s")),
        ("A token, from the model's yield to a client of the stream".to_owned(), milliseconds(*first_token)),
        (
            format!("An output file of {MEGABYTES} MB, made and read: peak memory of the server above idle"),
            format!("{file:.1} MB"),
        ),
        (
            format!("{MODELS} models that nobody uses, over {} s: CPU time and memory", WATCHED.as_secs()),
            idle(*with),
        ),
        ("The same without any".to_owned(), idle(*without)),
    ]);
    rows
}

fn compared_rows(plan: &Plan, compared: &Compared) -> Vec<Row> {
    let Compared { cog, cogwire, added, share } = compared;
    vec![
        (
            format!(
                "A trivial model, request to answer, {} in sequence: Cog's own server",
                plan.model_predictions
            ),
            milliseconds(cog.answer),
        ),
        (
            "The same through Cogwire, durable".to_owned(),
            format!("{}: adds {}", milliseconds(cogwire.answer), milliseconds(*added)),
        ),
        ("Request to webhook at its receiver: Cog's own server".to_owned(), milliseconds(cog.webhook)),
        (
            "The same through Cogwire, durable and signed".to_owned(),
            format!("{}: {:.2} and {:.2} of Cog's", milliseconds(cogwire.webhook), share.p50, share.p99),
        ),
    ]
}

fn idle(Idle { cpu, megabytes }: Idle) -> String {
    format!("{cpu:.0} ms, {megabytes:.1} MB")
}

fn milliseconds(spread: Spread) -> String {
    format!("p50 {:.2} ms, p99 {:.2} ms", spread.p50, spread.p99)
}
