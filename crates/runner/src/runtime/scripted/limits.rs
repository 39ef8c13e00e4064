//! Bounds on scripts: each is far above what a useful script needs, and low enough that a slip of the pen is noticed.

/// The largest script or schema file, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The most steps of one model.
pub(super) const MAX_STEPS: usize = 10_000;

/// The most repetitions of one step.
pub(super) const MAX_REPEAT: u64 = 1_000_000;

/// The longest single wait, in milliseconds: a day. A model that should never answer says `hang`.
pub(super) const MAX_WAIT_MS: f64 = 86_400_000.0;

/// How much slower than written a script may be played.
pub(super) const MAX_TIME_SCALE: f64 = 1000.0;

/// The most items of a `list` output, which are held in memory until the run ends.
pub(super) const MAX_HELD_ITEMS: usize = 100_000;

/// How many instructions one template may execute: what stops a loop inside a loop inside a loop.
pub(super) const TEMPLATE_FUEL: u64 = 1_000_000;
