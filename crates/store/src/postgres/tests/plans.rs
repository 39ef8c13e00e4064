//! How PostgreSQL carries out the statements that run often: by index, also with a plan that was made while the tables were
//! empty, which is when reading a whole table or index looks cheapest. Such a plan is kept while they grow.

use std::collections::HashMap;

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use super::World;
use crate::postgres::connection::Dedicated;
use crate::postgres::delivery::{
    BODIES, CLAIM_LANES, CLAIM_LANES_OF_ORIGIN, EVENTS, EXHAUSTED, INTERRUPT, LATEST_EVENT, LOCK_LANES,
    LOCK_MESSAGES, LOCK_SENT, RECORDED, SET_PENDING, SETTLE, SWEEP, SWEEP_REPORTS, UPDATE_LANES,
    UPDATE_MESSAGES,
};
use crate::postgres::node::{FREE_LANES, REQUEUE, SEIZE_LOST};
use crate::postgres::prediction::{
    ADD_FILE, CLAIM, CREATE, END, EXPIRED, FILES, FORGET_KEYS, FOUND, NEWEST_FIRST, OLDEST_FIRST, ONE,
    OVERDUE, PAGE, POSITION, STEP,
};
use crate::postgres::upload::{EXPIRED_UPLOADS, UPLOADS_NEWEST_FIRST, UPLOADS_OLDEST_FIRST};

fn statements() -> Vec<(&'static str, &'static str)> {
    vec![
        ("create", CREATE),
        ("end", &END),
        ("step", &STEP),
        ("look for what was refused", FOUND),
        ("claim", CLAIM),
        ("count who waits before", POSITION),
        ("find what is overdue", OVERDUE),
        ("load", ONE),
        ("list", NEWEST_FIRST),
        ("list backwards", OLDEST_FIRST),
        ("read a stream", PAGE),
        ("add a file", ADD_FILE),
        ("find expired data", EXPIRED),
        ("look who has files", FILES),
        ("forget keys", FORGET_KEYS),
        ("list uploads", UPLOADS_NEWEST_FIRST),
        ("list uploads backwards", UPLOADS_OLDEST_FIRST),
        ("find expired uploads", EXPIRED_UPLOADS),
        ("claim lanes", &CLAIM_LANES),
        ("claim lanes of one origin", &CLAIM_LANES_OF_ORIGIN),
        ("lock lanes", &LOCK_LANES),
        ("change lanes", &UPDATE_LANES),
        ("settle final messages", &SETTLE),
        ("lock messages", LOCK_MESSAGES),
        ("change messages", UPDATE_MESSAGES),
        ("read bodies", BODIES),
        ("look for recorded attempts", &RECORDED),
        ("interrupt messages", INTERRUPT),
        ("forget messages", &SWEEP),
        ("find exhausted messages", EXHAUSTED),
        ("lock messages to send again", LOCK_SENT),
        ("make messages pending", SET_PENDING),
        ("forget reports", SWEEP_REPORTS),
        ("read events", EVENTS),
        ("find the latest event", LATEST_EVENT),
        ("let runs wait again", REQUEUE),
        ("seize lost runs", SEIZE_LOST),
        ("free lanes", FREE_LANES),
    ]
}

/// Many rows of everything, none of which matters.
const FILL: &str = "
    INSERT INTO prediction (id, account, kind, model, version, source, status, created_at, streams, input, expires_at)
      SELECT 'p' || n, 'a', 'prediction', 'a/m', 'v' || n % 3, 'api', 'succeeded', n, true, '{}', n
      FROM generate_series(1, 5000) AS n;
    INSERT INTO live (prediction_id, version, queued_at, owner, lease_no, run, revision, next_event)
      SELECT 'p' || n, 'v' || n % 3, n, CASE WHEN n % 2 = 0 THEN 'node' END, 0, 0, 0, 0 FROM generate_series(1, 5000) AS n;
    INSERT INTO chunk (prediction_id, first_event, events)
      SELECT 'p' || n, m, '[]' FROM generate_series(1, 5000) AS n, generate_series(0, 1) AS m;
    INSERT INTO idempotency (account, key, request_sha256, prediction_id, expires_at)
      SELECT 'a', 'k' || n, decode(repeat('00', 32), 'hex'), 'p', n FROM generate_series(1, 5000) AS n;
    INSERT INTO file (id, prediction_id, name, size, created_at)
      SELECT 'f' || n, 'p' || n, '', 1, 1 FROM generate_series(1, 5000) AS n;
    INSERT INTO upload (id, account, name, content_type, size, sha256, metadata, created_at, expires_at)
      SELECT 'u' || n, 'a' || n % 3, '', '', 1, '', '{}', 1, n FROM generate_series(1, 5000) AS n;
    INSERT INTO upload_use (upload, prediction_id) SELECT 'u' || n, 'p' || n FROM generate_series(1, 5000) AS n;";

const EMPTY: &str = "
    DELETE FROM prediction; DELETE FROM live; DELETE FROM chunk; DELETE FROM idempotency; DELETE FROM file;
    DELETE FROM upload; DELETE FROM upload_use";

const VACUUM: &str = "VACUUM (ANALYZE) prediction, live, chunk, lane, idempotency, file, upload, upload_use";

/// A connection as the store has them.
async fn connect(world: &World) -> Dedicated {
    let client = world.store.database.connector().connect(None).await;
    client.map_err(crate::Error::from).expect("the database answers")
}

async fn run(client: &Dedicated, sql: &str) {
    client.batch_execute(sql).await.expect("the statement is right");
}

/// The first columns of all indexes.
async fn leading_columns(client: &Dedicated) -> HashMap<String, String> {
    let sql = "SELECT i.relname, a.attname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                 JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
               WHERE i.relnamespace = current_schema()::regnamespace";
    let rows = client.query(sql, &[]).await.expect("the catalog is read");
    rows.iter().map(|row| (row.get::<_, &str>(0).to_owned(), row.get::<_, &str>(1).to_owned())).collect()
}

/// Plans the statements as they will be kept, and looks at each.
async fn look_at_plans(world: &World, when: &str) {
    let client = connect(world).await;
    let leading = leading_columns(&client).await;
    for (name, sql) in statements() {
        run(&client, &format!("PREPARE statement AS {sql}")).await;
        let count =
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'statement'";
        let count: i32 = client.query_one(count, &[]).await.expect("it is prepared").get(0);
        let values = vec!["NULL"; count.unsigned_abs() as usize].join(", ");
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE statement ({values})");
        let plan = text_of(&client.simple_query(&explain).await.expect("it is explained"));
        let plan: Value = serde_json::from_str(&plan).expect("JSON");
        run(&client, "DEALLOCATE statement").await;
        look_at(&plan[0]["Plan"], &leading, &format!("{name}, {when}: {plan:#}"));
    }
}

fn text_of(messages: &[SimpleQueryMessage]) -> String {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    rows.collect()
}

/// Rows are found by the first column of an index, or by their place.
fn look_at(node: &Value, leading: &HashMap<String, String>, context: &str) {
    let kind = node["Node Type"].as_str().expect("a node has a type");
    assert!(!kind.contains("Seq Scan") && !kind.contains("Bitmap"), "{context}");
    if kind.contains("Index") {
        let index = node["Index Name"].as_str().expect("an index has a name");
        let condition = node["Index Cond"].as_str().unwrap_or_default();
        assert!(condition.contains(&leading[index]), "all of {index} is read: {context}");
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        look_at(inner, leading, context);
    }
}

#[tokio::test]
async fn rows_are_found_by_index_whatever_was_known_when_the_plan_was_made() {
    let world = World::new().await;
    look_at_plans(&world, "on new tables").await;
    let client = connect(&world).await;
    for sql in [FILL, VACUUM] {
        run(&client, sql).await;
    }
    look_at_plans(&world, "on full tables").await;
    for sql in [EMPTY, VACUUM] {
        run(&client, sql).await;
    }
    look_at_plans(&world, "on tables that are empty again").await;
}
