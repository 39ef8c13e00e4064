//! The decisions as tables and as a property; the pool with a launcher that does what the test says.

mod counted;
mod fleet;
mod fleet_property;
mod pool;
mod support;
