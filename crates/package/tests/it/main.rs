//! Folders, packages, environments and models, with real tools and real Cog.

mod environments;
mod inspection;
mod packing;
mod support;
mod unpacking;
