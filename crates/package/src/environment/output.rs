//! What an installer wrote, as far as it explains a failure.
//!
//! Owns the phrases by which pip and uv name the package that they fail for.

use crate::child::Tail;

/// What comes before the name of a package. It ends at the first character that is not part of a requirement.
const PHRASES: [&str; 12] = [
    "No matching distribution found for ",
    "Could not find a version that satisfies the requirement ",
    "Failed building wheel for ",
    "Failed to build `",
    "Failed to build '",
    "Failed to download `",
    "Invalid requirement: '",
    "Because there is no version of ",
    "Because there are no versions of ",
    "Because all versions of ",
    "Because only ",
    "Because ",
];

/// Words that follow `Because` and are no packages.
const NO_PACKAGES: [&str; 4] = ["the", "there", "we", "you"];

/// What comes before the package that is worked on from here on.
const WORK: [&str; 2] = ["Collecting ", "Processing "];

/// How pip says that a package's own code failed, without saying whose.
const NAMELESS: &str = "error: subprocess-exited-with-error";

/// The last lines, and the package that one of the lines named.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) tail: Tail,
    pub(super) package: Option<String>,
    working_on: Option<String>,
}

impl Output {
    pub(super) fn push(&mut self, line: &str) {
        let text = line.trim_start();
        if let Some(work) = WORK.iter().find_map(|phrase| text.strip_prefix(phrase)) {
            self.working_on = work.split_whitespace().next().map(str::to_owned);
        }
        if self.package.is_none() {
            self.package = if text == NAMELESS { self.working_on.clone() } else { package(line) };
        }
        self.tail.push(line);
    }
}

fn package(line: &str) -> Option<String> {
    let after = PHRASES.iter().find_map(|phrase| Some(line.split_once(phrase)?.1))?;
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.[]=<>!~".contains(letter);
    let end = after.find(|letter| !is_part(letter)).unwrap_or(after.len());
    let name = after[..end].trim_end_matches('.');
    (!name.is_empty() && !NO_PACKAGES.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &[&str]) -> Option<String> {
        let mut output = Output::default();
        lines.iter().for_each(|line| output.push(line));
        output.package
    }

    /// Lines of pip and of uv 0.13.
    #[test]
    fn the_package_is_the_one_that_the_tool_names() {
        let cases: [(&[&str], &str); 9] = [
            (
                &[
                    "ERROR: Could not find a version that satisfies the requirement cog==99 (from versions: 0.23.1)",
                ],
                "cog==99",
            ),
            (&["ERROR: No matching distribution found for no-such-package==1.0"], "no-such-package==1.0"),
            (&["ERROR: Invalid requirement: 'requests ==== 1'"], "requests"),
            (&["  ERROR: Failed building wheel for cext"], "cext"),
            (
                &[
                    "Collecting numpy==2.1",
                    "Processing ./src/broken",
                    "  error: subprocess-exited-with-error",
                    "error: metadata-generation-failed",
                ],
                "./src/broken",
            ),
            (&["  cause: Because there is no version of cog==99 and you require cog==99, we can"], "cog==99"),
            (
                &["  cause: Because no-such-package was not found in the provided package locations"],
                "no-such-package",
            ),
            (
                &[
                    "  cause: Because all versions of cog depend on typing-extensions>=4.0 and you require cog==0.23.1",
                ],
                "cog",
            ),
            (&["error: Failed to download `x @ https://127.0.0.1:9/x-1.0-py3-none-any.whl`"], "x"),
        ];
        for (lines, package) in cases {
            assert_eq!(named(lines).as_deref(), Some(package), "{lines:?}");
        }
    }

    #[test]
    fn no_package_is_made_up() {
        let lines = [
            "Collecting numpy==2.1",
            "Because you require numpy",
            "error: The build backend returned an error",
        ];
        assert_eq!(named(&lines), None);
    }
}
