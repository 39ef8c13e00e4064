//! An error as the log tells it.

use std::error::Error;
use std::fmt;

/// An error with all that is behind it.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_the_whole_chain() {
        let error = cogwire_engine::Error::Store(cogwire_store::Error::Closed);
        assert_eq!(Chain(&error).to_string(), "the store did not take it: the store is closed");
    }
}
