//! Ids as they come on the command line.

/// Reads an id. Anything else would lead to another path of the API.
///
/// # Errors
/// What an id consists of, and where ids are found.
pub(super) fn id(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_id = !text.is_empty() && text.bytes().all(fits);
    is_id.then(|| text.to_owned()).ok_or_else(|| {
        "an id consists of letters, digits, _ and -; `cogwire predictions ls` and `cogwire webhooks ls` show ids"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn what_would_lead_elsewhere_is_no_id() {
        for good in ["k3v9", "msg_k3v9_2", "a-b"] {
            assert_eq!(id(good).as_deref(), Ok(good));
        }
        for bad in ["", "../account", "a/b", "a?b=c", "a#b", "a b", "%2e%2e", "."] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }
}
