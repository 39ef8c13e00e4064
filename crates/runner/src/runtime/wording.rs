//! What Cog says about a failure, as users of Replicate know it.

/// What Cog puts before the exception, some of it twice.
const WRAPPERS: [&str; 3] = ["Prediction failed: ", "Training failed: ", "Generator iteration error: "];

/// The exception's own words: without Cog's prefixes and, where it has words, without its type.
pub(crate) fn model_error(text: &str) -> &str {
    let mut bare = text;
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| bare.strip_prefix(wrapper)) {
        bare = rest;
    }
    // Only what was wrapped is known to begin with a type.
    if bare.len() == text.len() { bare } else { without_type(bare) }
}

/// `RuntimeError: no weights here` becomes `no weights here`; an exception without words is known by its type.
pub(crate) fn without_type(error: &str) -> &str {
    match error.split_once(':') {
        Some((kind, "" | " ")) if is_type(kind) => kind,
        Some((kind, words)) if is_type(kind) => words.strip_prefix(' ').unwrap_or(error),
        _ => error,
    }
}

/// Whether it can be the name of an exception's type: `ValueError`, `requests.exceptions.HTTPError`.
fn is_type(text: &str) -> bool {
    let word = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let class = text.rsplit('.').next().unwrap_or(text);
    text.split('.').all(word) && class.starts_with(|first: char| first.is_uppercase() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_on_replicate() {
        let cases = [
            (
                "Prediction failed: Prediction failed: RuntimeError: chaos monkey says no",
                "chaos monkey says no",
            ),
            (
                "Prediction failed: Generator iteration error: ValueError: told to fail at 2",
                "told to fail at 2",
            ),
            ("Training failed: builtins.KeyError: 'a: b'", "'a: b'"),
            ("Prediction failed: Prediction failed: SystemExit: 3", "3"),
            ("Prediction failed: AssertionError: ", "AssertionError"),
            ("Prediction failed: AssertionError:", "AssertionError"),
            ("Prediction failed: two words: and more", "two words: and more"),
            ("Prediction failed: http://host: refused", "http://host: refused"),
            ("told to fail at 1", "told to fail at 1"),
            ("ValueError: as the model wrote it", "ValueError: as the model wrote it"),
            ("", ""),
            ("Prediction failed: ", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(model_error(text), expected, "for {text:?}");
        }
    }
}
