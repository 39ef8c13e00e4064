//! Real servers of three versions of Cog, and an invented one for what those cannot be made to do.

mod endings;
mod fake;
mod invented;
mod local;
mod outputs;
mod real;
mod trouble;
mod world;
