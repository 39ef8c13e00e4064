//! What makes two environments the same one.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use cogwire_core::recipe::Digest;

use super::python::Python;

/// Changes when environments are made in another way, so that no old one is taken for a new one.
const FORMAT: u32 = 1;

/// The key: the SHA-256 of all that the environment is made from, as 64 hexadecimal digits.
///
/// What a requirement without a version resolves to is not part of it: the environment stays as it was made.
pub(super) fn of(python: &Python, requirements: &[String], cog: Option<&str>) -> String {
    let identity = json!({
        "format": FORMAT,
        "platform": [std::env::consts::OS, std::env::consts::ARCH],
        "python": python.name(),
        "managed": matches!(python, Python::Managed(_)),
        "requirements": requirements,
        "cog": cog,
    });
    Digest::from_sha256(Sha256::digest(identity.to_string()).into()).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::PythonVersion;

    fn installed(version: &str, path: &str) -> Python {
        Python::Installed { path: path.into(), version: version.to_owned() }
    }

    #[test]
    fn everything_that_makes_an_environment_another_one_makes_another_key() {
        let python = installed("3.11.7", "/usr/bin/python3");
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let keys = [
            of(&python, &[], None),
            of(&python, &[], Some("cog==0.18.0")),
            of(&python, &lines(&["a", "b"]), None),
            of(&python, &lines(&["a b"]), None),
            of(&python, &lines(&["b", "a"]), None),
            of(&installed("3.11.8", "/usr/bin/python3"), &[], None),
            of(&Python::Managed(PythonVersion::parse("3.11.7")), &[], None),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(keys[0], of(&installed("3.11.7", "/usr/bin/python3.11"), &[], None));
    }
}
