//! Places where a test can make the process die, as if by `kill -9`: after a commit and before anybody hears of it, and
//! the like.
//!
//! `COGWIRE_FAILPOINT=NAME` dies when NAME is reached, `COGWIRE_FAILPOINT=NAME:3` the third time. Release builds have none of
//! this.

/// Dies here when a test armed this name.
#[inline]
pub fn reached(name: &str) {
    #[cfg(debug_assertions)]
    armed::reached(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        name: String,
        /// How often the place is still passed unharmed.
        passes: AtomicU32,
    }

    static ARMED: LazyLock<Option<Armed>> =
        LazyLock::new(|| parse(&std::env::var("COGWIRE_FAILPOINT").ok()?));

    pub(super) fn reached(name: &str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.name == name) else { return };
        let left =
            armed.passes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |passes| passes.checked_sub(1));
        if left.is_err() {
            std::process::abort();
        }
    }

    fn parse(text: &str) -> Option<Armed> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let nth: u32 = nth.parse().ok()?;
        Some(Armed { name: name.to_owned(), passes: AtomicU32::new(nth.saturating_sub(1)) })
    }
}
