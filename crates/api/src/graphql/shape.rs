//! Groups as they were asked for: sorted, and with the selected fields only. Pure.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// A field that was selected.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name in the answer.
    pub alias: String,
    /// Its name.
    pub name: String,
    /// What is selected of it, when it has fields itself.
    pub fields: Vec<Field>,
}

/// `sum_requests_DESC`, `count_ASC` or `datetimeHour_ASC`.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Where in a group it stands.
    path: Vec<String>,
    descending: bool,
}

impl Order {
    /// Reads one.
    ///
    /// # Errors
    /// What is none, for the caller.
    pub fn read(value: &Value) -> Result<Self, String> {
        let wrong = || format!("orderBy does not know {value}");
        let text = value.as_str().ok_or_else(wrong)?;
        let (field, direction) = text.rsplit_once('_').ok_or_else(wrong)?;
        let descending = match direction {
            "ASC" => false,
            "DESC" => true,
            _ => return Err(wrong()),
        };
        let path = match field.split_once('_') {
            Some((part @ ("sum" | "avg" | "max" | "min" | "quantiles"), field)) => vec![part, field],
            _ if field == "count" => vec![field],
            _ => vec!["dimensions", field],
        };
        Ok(Self { path: path.into_iter().map(str::to_owned).collect(), descending })
    }

    /// The dimension that it orders by.
    pub fn dimension(&self) -> Option<String> {
        match self.path.as_slice() {
            [part, name] if part == "dimensions" => Some(name.clone()),
            _ => None,
        }
    }

    fn compare(&self, a: &Value, b: &Value) -> Ordering {
        let find =
            |group: &Value| self.path.iter().fold(group.clone(), |value, name| value[name.as_str()].clone());
        let order = match (find(a), find(b)) {
            (Value::String(a), Value::String(b)) => a.cmp(&b),
            (a, b) => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        };
        if self.descending { order.reverse() } else { order }
    }
}

/// Sorts groups.
pub fn sort(groups: &mut [Value], order: &[Order]) {
    groups
        .sort_by(|a, b| order.iter().map(|order| order.compare(a, b)).fold(Ordering::Equal, Ordering::then));
}

/// The selected fields of a group.
///
/// # Errors
/// A field that it does not have, by its name.
pub fn select(group: &Value, fields: &[Field]) -> Result<Value, String> {
    let mut selected = Map::new();
    for field in fields {
        let value = group.get(&field.name).ok_or_else(|| format!("unknown field \"{}\"", field.name))?;
        let value = match (value.is_object(), field.fields.is_empty()) {
            (true, false) => select(value, &field.fields)?,
            (false, true) => value.clone(),
            (true, true) => return Err(format!("what of \"{}\" is wanted?", field.name)),
            (false, false) => return Err(format!("\"{}\" has no fields", field.name)),
        };
        selected.insert(field.alias.clone(), value);
    }
    Ok(Value::Object(selected))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(text: &str) -> Order {
        Order::read(&json!(text)).unwrap()
    }

    #[test]
    fn groups_are_sorted_by_any_part() {
        let group = |count: u64, sum: f64, hour: &str| json!({"count": count, "sum": {"x_y": sum}, "dimensions": {"hour": hour}});
        let mut groups = vec![group(2, 0.5, "b"), group(1, 9.5, "b"), group(1, 0.25, "a")];
        let first = |groups: &[Value]| groups[0]["sum"]["x_y"].as_f64();
        sort(&mut groups, &[order("sum_x_y_DESC")]);
        assert_eq!(first(&groups), Some(9.5));
        sort(&mut groups, &[order("count_ASC"), order("hour_ASC")]);
        assert_eq!(first(&groups), Some(0.25));
        assert_eq!(order("hour_ASC").dimension().as_deref(), Some("hour"));
        for wrong in [json!("count"), json!("count_UP"), json!(7)] {
            assert!(Order::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_shown() {
        let field = |alias: &str, name: &str, fields: Vec<Field>| Field {
            alias: alias.into(),
            name: name.into(),
            fields,
        };
        let group = json!({"count": 1, "sum": {"a": 2, "b": 3}});
        let fields = [field("n", "count", vec![]), field("sum", "sum", vec![field("b", "b", vec![])])];
        assert_eq!(select(&group, &fields).unwrap(), json!({"n": 1, "sum": {"b": 3}}));
        assert!(select(&group, &[field("c", "c", vec![])]).unwrap_err().contains("\"c\""));
        assert!(select(&group, &[field("sum", "sum", vec![])]).is_err());
        assert!(select(&group, &[field("count", "count", vec![field("a", "a", vec![])])]).is_err());
    }
}
