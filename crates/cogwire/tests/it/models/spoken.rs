//! What is said to people, without what differs from one run to the next.

use std::process::Output;

/// What a command printed: what it said, and then its result.
pub(super) fn said(output: &Output) -> String {
    let (result, beside) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{beside}{result}")
}

/// A text with a word in the place of every hash.
pub(super) fn without_hashes(text: &str) -> String {
    let is_hash = |part: &str| part.len() >= 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    parts
        .map(|part| {
            let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_hash(bare) { part.replace(bare, "HASH") } else { part.to_owned() }
        })
        .collect()
}

/// The same without times, sizes and numbers of processes; columns are as narrow as can be.
pub(super) fn without_figures(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let next = words.iter().skip(1).copied().map(Some).chain([None]);
        let words: Vec<&str> =
            words.iter().zip(next).map(|(word, next)| without_figure(word, next)).collect();
        words.join(" ") + "\n"
    };
    without_hashes(text).lines().map(line).collect()
}

fn without_figure<'a>(word: &'a str, next: Option<&str>) -> &'a str {
    let only = |characters: &str| {
        word.len() > 2 && word.chars().all(|c| c.is_ascii_digit() || characters.contains(c))
    };
    match next {
        Some("KiB" | "MiB" | "second" | "seconds") => "#",
        _ if word.contains(['-', ':']) && only("-:") => "#",
        _ if only("") => "#",
        _ if word == "second" => "seconds",
        _ => word,
    }
}
