//! What claiming costs.

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use super::claim::CLAIM;
use crate::postgres::testing::TestSchema;
use crate::postgres::{PostgresOptions, PostgresStore};

/// Final messages that wait for one receiver, so many.
const OWE: &str = "
    INSERT INTO delivery (prediction_id, seq, account, event, url, origin, state, body, body_sha256, size, superseded,
        attempts, lease_no, created_at)
      SELECT 'p' || n, 1, 'a', 'completed', 'u', 'o', 'pending', '{}', decode(repeat('00', 32), 'hex'), 2, 0, 0, 0, n
      FROM generate_series(FIRST, LAST) AS n;
    INSERT INTO lane (prediction_id, account, url, origin, due_at, lease_no, want_start, want_progress, progress_revision,
        final_seq, final_attempts, final_tries, final_due_at, final_manual, next_seq, superseded, open)
      SELECT 'p' || n, 'a', 'u', 'o', n, 0, false, 0, 0, 1, 0, 0, n, false, 1, 0, false
      FROM generate_series(FIRST, LAST) AS n";

/// A claim of 50 lanes, explained and undone.
const LOOK: &str = "
    BEGIN;
    EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim ('node', 1000000, 50, 50, '{}', '');
    ROLLBACK";

#[tokio::test]
async fn a_claim_costs_the_same_however_many_lanes_wait() {
    let schema = TestSchema::create().await;
    let store = PostgresStore::open(PostgresOptions::new(schema.url())).await.expect("the store opens");
    let client = store.database.connector().connect(None).await.map_err(crate::Error::from);
    let client = client.expect("the database answers");
    let run = async |sql: &str| client.simple_query(sql).await.expect("the statement is right");
    let blocks = async |first: u32, last: u32| {
        run(&OWE.replace("FIRST", &first.to_string()).replace("LAST", &last.to_string())).await;
        run(&format!("PREPARE claim AS {}", *CLAIM)).await;
        let (blocks, lanes) = explained(&run(LOOK).await);
        assert_eq!(lanes, 50);
        run("DEALLOCATE claim").await;
        blocks
    };
    let few = blocks(1, 1_000).await;
    let many = blocks(1_001, 100_000).await;
    assert!(many < few * 2, "{few} blocks of a table of 1 000 lanes, {many} of one of 100 000");
}

/// The blocks that a statement looked at, and its rows.
fn explained(messages: &[SimpleQueryMessage]) -> (u64, u64) {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let explained: Value = serde_json::from_str(row.expect("it is explained")).expect("JSON");
    let plan = &explained[0]["Plan"];
    let number = |name: &str| plan[name].as_u64().expect("a number");
    (number("Shared Hit Blocks") + number("Shared Read Blocks"), number("Actual Rows"))
}
