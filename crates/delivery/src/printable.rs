//! Text from outside, for places that take no control characters.

/// Text that a terminal, a page and a database column can hold.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\r').take(limit).map(shown).collect()
}
