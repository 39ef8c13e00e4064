//! Freeing a lane whose request was not made, or not finished.

use super::{LaneRow, Write};

/// What to write for a lane that was freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Released {
    /// The message that was begun and whose end nobody saw: it is not sent again.
    pub(crate) interrupted: Option<u32>,
    /// What to do with the lane's row.
    pub(crate) write: Write,
}

/// Frees a lane. What is due stays due.
pub(crate) fn release(row: &mut LaneRow) -> Released {
    let interrupted = row.in_flight;
    row.free();
    row.due_at = row.lane.due_at().map(|due| row.due_at.map_or(due, |earlier| earlier.max(due)));
    Released { interrupted, write: row.write(true) }
}
