//! The metrics of one run, as its model changes them.

use cogwire_core::json::Json;
use serde_json::{Map, Value};

use super::protocol::MetricMode;

/// The most bytes that the metrics of a run may have as JSON; what would exceed it is not taken.
const MAX_METRICS: usize = 256 * 1024;

/// What the metrics are by now.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    values: Map<String, Value>,
    size: usize,
}

impl Metrics {
    /// Changes a metric. A name with dots is a path into objects. Gives the name without them and what it holds now;
    /// nothing when the change makes no sense or there is no room for it.
    pub(super) fn change(&mut self, name: &str, value: Value, mode: MetricMode) -> Option<(String, Json)> {
        let mut path = name.split('.');
        let top = path.next().filter(|_| name.split('.').all(|part| !part.is_empty()))?;
        let size = value.to_string().len() + name.len();
        if self.size + size > MAX_METRICS {
            return None;
        }
        self.size += size;
        let slot = path.fold(self.values.entry(top).or_insert(Value::Null), |parent, part| {
            if !parent.is_object() {
                *parent = Value::Object(Map::new());
            }
            &mut parent[part]
        });
        *slot = changed(slot.take(), value, mode);
        Some((top.to_owned(), Json::from_value(&self.values[top])))
    }
}

fn changed(old: Value, new: Value, mode: MetricMode) -> Value {
    match (mode, old) {
        (MetricMode::Replace, _) => new,
        (MetricMode::Increment, Value::Null) => sum(&Value::from(0), &new).unwrap_or(Value::Null),
        (MetricMode::Increment, old) => sum(&old, &new).unwrap_or(old),
        (MetricMode::Append, Value::Null) => Value::Array(vec![new]),
        (MetricMode::Append, Value::Array(mut items)) => {
            items.push(new);
            Value::Array(items)
        }
        (MetricMode::Append, old) => Value::Array(vec![old, new]),
    }
}

fn sum(left: &Value, right: &Value) -> Option<Value> {
    let whole = left.as_i64().zip(right.as_i64()).and_then(|(left, right)| left.checked_add(right));
    whole.map(Value::from).or_else(|| Some(Value::from(left.as_f64()? + right.as_f64()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::MetricMode::{Append, Increment, Replace};
    use super::*;

    #[test]
    fn changes_add_up() {
        let mut metrics = Metrics::default();
        let cases = [
            ("n", json!(1), Increment, json!(1)),
            ("n", json!(2), Increment, json!(3)),
            ("n", json!(0.5), Increment, json!(3.5)),
            ("n", json!("x"), Increment, json!(3.5)),
            ("n", json!("x"), Append, json!([3.5, "x"])),
            ("n", json!(1), Append, json!([3.5, "x", 1])),
            ("n", json!({"a": 1}), Replace, json!({"a": 1})),
            ("n.a", json!(1), Increment, json!({"a": 2})),
            ("n.b.c", json!(1), Append, json!({"a": 2, "b": {"c": [1]}})),
            ("n.a.x", json!(true), Replace, json!({"a": {"x": true}, "b": {"c": [1]}})),
        ];
        for (name, value, mode, expected) in cases {
            let (top, now) = metrics.change(name, value, mode).expect("it makes sense");
            assert_eq!((top.as_str(), now.to_value()), ("n", expected), "{name}");
        }
    }

    #[test]
    fn nonsense_and_floods_are_left_out() {
        let mut metrics = Metrics::default();
        for name in ["", ".", "a.", ".b", "a..b"] {
            assert_eq!(metrics.change(name, json!(1), Replace), None, "{name:?}");
        }
        let long = "x".repeat(MAX_METRICS / 3);
        let taken = (0..10).filter(|_| metrics.change("long", json!(long), Append).is_some()).count();
        assert_eq!(taken, 2);
    }
}
