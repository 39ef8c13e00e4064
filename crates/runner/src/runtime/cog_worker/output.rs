//! How the pieces that a worker says become an output.
//!
//! The worker says the items of a list one by one, also when the model gave them all at once, and a single value like
//! the only item of a list. What it was is known from the schema, or else at the end.

use cogwire_core::input::OutputForm;
use cogwire_core::json::Json;

use crate::event::{Output, Produced};

/// The output of one run.
#[derive(Debug)]
pub(super) struct Outputs {
    form: OutputForm,
    count: usize,
    /// The first piece, while nobody knows whether it is all.
    held: Option<Produced>,
}

impl Outputs {
    pub(super) fn new(form: OutputForm) -> Self {
        Self { form, count: 0, held: None }
    }

    /// Takes the next piece, and gives what can be told by now.
    pub(super) fn add(&mut self, piece: Produced) -> Vec<Output> {
        self.count += 1;
        if self.form == OutputForm::Value && self.count == 1 {
            self.held = Some(piece);
            return Vec::new();
        }
        self.held.take().into_iter().chain([piece]).map(Output::Item).collect()
    }

    /// What is still to be told when the run succeeded; `is_list` is what the worker says about it.
    pub(super) fn finish(self, is_list: bool) -> Option<Output> {
        match self.held {
            Some(piece) if is_list => Some(Output::Item(piece)),
            Some(piece) => Some(Output::Value(piece)),
            None if self.count == 0 && (is_list || self.form != OutputForm::Value) => {
                Some(Output::Value(Produced::Json(Json::array(&[]))))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(form: OutputForm, pieces: &[&str], is_list: bool) -> Vec<String> {
        let mut outputs = Outputs::new(form);
        let pieces = pieces.iter().map(|piece| Produced::Json(Json::string(piece)));
        let mut told: Vec<Output> = pieces.flat_map(|piece| outputs.add(piece)).collect();
        told.extend(outputs.finish(is_list));
        told.iter().map(|output| crate::testing::line(&crate::RunEvent::Output(output.clone()))).collect()
    }

    #[test]
    fn pieces_become_values_and_lists() {
        use OutputForm::{Concatenate, Iterator, List, Value};
        assert_eq!(told(Value, &["a"], false), [r#"value "a""#]);
        assert_eq!(told(Value, &[], false), [] as [&str; 0]);
        assert_eq!(told(Value, &["a"], true), [r#"item "a""#], "the schema may say nothing");
        assert_eq!(told(Value, &["a", "b"], true), [r#"item "a""#, r#"item "b""#]);
        assert_eq!(told(Value, &[], true), ["value []"]);
        for form in [List, Iterator, Concatenate] {
            assert_eq!(told(form, &["a"], false), [r#"item "a""#]);
            assert_eq!(told(form, &["a", "b"], true), [r#"item "a""#, r#"item "b""#]);
            assert_eq!(told(form, &[], true), ["value []"]);
        }
    }
}
