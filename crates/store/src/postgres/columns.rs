//! Rows as columns: the arrays that `unnest` makes rows of again, so that one statement takes many of them.

use tokio_postgres::types::ToSql;

/// The columns of rows, in the order of a statement's parameters.
pub(super) struct Columns<'a, R> {
    rows: &'a [R],
    values: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

impl<'a, R> Columns<'a, R> {
    /// No column yet.
    pub(super) fn of(rows: &'a [R]) -> Self {
        Self { rows, values: Vec::new() }
    }

    /// One more column.
    pub(super) fn and<V: ToSql + Sync + Send + 'a>(mut self, value: impl FnMut(&'a R) -> V) -> Self {
        self.values.push(Box::new(self.rows.iter().map(value).collect::<Vec<V>>()));
        self
    }

    /// The arrays, one for each parameter.
    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|values| &**values as &(dyn ToSql + Sync)).collect()
    }
}

/// Names and types of columns, as parts of a statement.
pub(super) struct Shape<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl Shape<'_> {
    /// The names, with commas.
    pub(super) fn names(&self) -> String {
        self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Parameters that are arrays, after `taken` other parameters.
    pub(super) fn arrays(&self, taken: usize) -> String {
        let numbered = self.0.iter().zip(taken + 1..);
        numbered.map(|((_, kind), number)| format!("${number}::{kind}[]")).collect::<Vec<_>>().join(", ")
    }

    /// Rows that are made of these parameters.
    pub(super) fn rows(&self, taken: usize, alias: &str) -> String {
        format!("unnest({}) AS {alias} ({})", self.arrays(taken), self.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_after_others() {
        let shape = Shape(&[("id", "text"), ("seq", "bigint")]);
        assert_eq!(shape.rows(20, "new"), "unnest($21::text[], $22::bigint[]) AS new (id, seq)");
    }
}
