//! What the tests share.

pub(crate) mod clock;
pub(crate) mod flaky;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod world;
