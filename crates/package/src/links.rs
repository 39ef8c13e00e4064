//! Where a symbolic link may lead.

use std::path::{Component, Path};

/// Whether a link, at a path relative to the folder, leads to a place inside of the folder.
///
/// Only names may follow a name: in `name/..` the name may be a link itself, and then nobody can tell from the text
/// where `..` leads. When all links of a folder are like this, none of them leads out, not even through another
/// one.
pub(crate) fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    let mut named = false;
    let mut step_is_fine = |component| match component {
        Component::CurDir => true,
        Component::Normal(_) => {
            named = true;
            true
        }
        Component::ParentDir if !named && depth > 0 => {
            depth -= 1;
            true
        }
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => false,
    };
    !target.as_os_str().is_empty() && target.components().all(&mut step_is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_lead_anywhere_below_the_folder_and_nowhere_else() {
        let inside =
            [("a", "b"), ("a", "b/c"), ("a", "./b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("d/a", "..")];
        for (link, target) in inside {
            assert!(stays_inside(Path::new(link), Path::new(target)), "{link} -> {target}");
        }
        let outside = [
            ("a", "/etc/passwd"),
            ("a", ".."),
            ("d/a", "../../b"),
            ("a", "b/.."),
            ("a", "b/../c"),
            ("a", ""),
        ];
        for (link, target) in outside {
            assert!(!stays_inside(Path::new(link), Path::new(target)), "{link} -> {target}");
        }
    }
}
