//! Files on disk and on S3: one suite for both, and what differs.

mod bucket;
mod contract;
mod copying;
mod disk;
mod home;
mod probing;
mod support;
