//! Numbers as JavaScript prints them.

/// Appends a number; `null` when it is not finite.
pub(super) fn write_float(out: &mut String, number: f64) {
    if !number.is_finite() {
        return out.push_str("null");
    }
    // JSON.stringify prints negative zero as 0.
    let number = if number == 0.0 { 0.0 } else { number };
    out.push_str(ryu_js::Buffer::new().format_finite(number));
}

/// Appends the canonical spelling of a number literal that follows the JSON grammar.
pub(super) fn write_literal(out: &mut String, literal: &str) {
    if literal == "-0" {
        return out.push('0');
    }
    // JavaScript prints a whole number below 2^53 as it was written. Beyond, the digits are kept rather than rounded.
    if !literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return out.push_str(literal);
    }
    match literal.parse() {
        Ok(number) => write_float(out, number),
        Err(_) => out.push_str("null"),
    }
}
