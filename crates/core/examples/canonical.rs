//! Prints each line of standard input, which is one JSON text, in canonical form.
//!
//! `clients/javascript/canonical.test.js` runs it to let `JSON.stringify` judge the result.

use std::io::{self, BufRead, Write};

use cogwire_core::json::Json;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let json = Json::parse(&line?).map_err(io::Error::other)?;
        writeln!(out, "{json}")?;
    }
    out.flush()
}
