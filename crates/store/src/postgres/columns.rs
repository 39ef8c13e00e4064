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
