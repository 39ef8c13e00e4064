//! Inputs that are accepted and do nothing.

/// More undeclared inputs than these are not named.
const MAX_NAMED: usize = 10;
/// The longest part of a name that is shown, in characters.
const MAX_NAME: usize = 64;

/// A sentence about inputs that the model will not see.
pub(super) fn warning(names: &[String]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| shown(name)).collect();
    let more = if names.len() > shown.len() { ", ..." } else { "" };
    let list = format!("{}{more}", shown.join(", "));
    (!names.is_empty()).then(|| format!("the schema of the version does not declare these inputs: {list}"))
}

/// A name as a header can carry it.
fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use axum::response::Response;

    use super::*;
    use crate::api::warnings::{WARNING, add};

    #[test]
    fn every_name_fits_into_a_header() {
        assert_eq!(warning(&[]), None);
        let names = ["sead".to_owned(), "größe\r\n".to_owned()];
        let text = warning(&names).expect("a warning");
        assert!(text.ends_with("sead, gr\\u{f6}\\u{df}e\\r\\n"), "{text}");
        let many: Vec<String> = (0..20).map(|n| format!("{n}{}", "x".repeat(1000))).collect();
        let text = warning(&many).expect("a warning");
        assert!(text.ends_with(", ...") && text.len() < 1000, "{text}");

        let mut response = Response::default();
        add(&mut response, &[text, "two".to_owned()]);
        assert_eq!(response.headers().get_all(WARNING).iter().count(), 2);
    }
}
