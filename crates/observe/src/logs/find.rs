//! Which events a query means: filters in groups, and a text that is looked for. Names and operators are those of
//! Cloudflare's telemetry queries (`TelemetryQueryParams` of its TypeScript SDK).

use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Groups within groups: Cloudflare's limit.
const MAX_DEPTH: usize = 4;

/// Filters of one query.
const MAX_FILTERS: usize = 100;

/// A condition on an event.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Leaf(Leaf),
}

/// A condition on one field.
#[derive(Debug)]
pub(super) struct Leaf {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists(bool),
    /// Equal to one of these, or to none.
    In(Vec<Value>, bool),
    Includes(String, bool),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
    Compares(Compare, f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Compare {
    /// An operator by its name or its sign.
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "eq" | "=" => Self::Equal,
            "neq" | "!=" => Self::Unequal,
            "gt" | ">" => Self::More,
            "gte" | ">=" => Self::AtLeast,
            "lt" | "<" => Self::Less,
            "lte" | "<=" => Self::AtMost,
            _ => return None,
        })
    }

    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
        }
    }
}

impl Filter {
    /// Reads a list of filters and how they combine.
    ///
    /// # Errors
    /// What is wrong, for the caller.
    pub(super) fn read(list: Option<&Value>, combination: Option<&Value>) -> Result<Self, String> {
        let mut count = 0;
        Self::group(list, combination, 0, &mut count)
    }

    fn group(
        list: Option<&Value>,
        combination: Option<&Value>,
        depth: usize,
        count: &mut usize,
    ) -> Result<Self, String> {
        if depth > MAX_DEPTH {
            return Err(format!("Filters may be nested {MAX_DEPTH} deep."));
        }
        let list = match list {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(list)) => list,
            Some(_) => return Err("`filters` must be a list.".to_owned()),
        };
        let filters = list.iter().map(|filter| {
            *count += 1;
            if *count > MAX_FILTERS {
                return Err(format!("A query may have {MAX_FILTERS} filters."));
            }
            if filter["kind"] == "group" {
                return Self::group(filter.get("filters"), filter.get("filterCombination"), depth + 1, count);
            }
            Leaf::read(filter).map(Self::Leaf)
        });
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        match combination.and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            None | Some("and") => Ok(Self::All(filters)),
            Some("or") if filters.is_empty() => Ok(Self::All(filters)),
            Some("or") => Ok(Self::Any(filters)),
            Some(other) => Err(format!("`filterCombination` is \"and\" or \"or\", not {other:?}.")),
        }
    }

    /// Whether an event is meant.
    pub(super) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(event)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(event)),
            Self::Leaf(leaf) => leaf.holds(event),
        }
    }

    /// A text that the field must equal, as far as that can be said of the whole: what an index can be asked.
    pub(super) fn must_equal(&self, key: &str) -> Option<&str> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.must_equal(key)),
            Self::Leaf(Leaf { key: own, test: Test::In(values, true) }) if own == key => match &values[..] {
                [Value::String(text)] => Some(text),
                _ => None,
            },
            Self::Any(_) | Self::Leaf(_) => None,
        }
    }
}

impl Leaf {
    fn read(filter: &Value) -> Result<Self, String> {
        let key =
            filter["key"].as_str().ok_or_else(|| format!("The filter {filter} has no key."))?.to_owned();
        let operation =
            filter["operation"].as_str().ok_or_else(|| format!("The filter on {key} has no operation."))?;
        let numeric = filter["type"] == "number";
        let value = &filter["value"];
        let text = || match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(format!("The filter on {key} has no value.")),
        };
        let list = || -> Result<Vec<Value>, String> {
            Ok(text()?.split(',').map(|part| typed(part.trim(), &filter["type"])).collect())
        };
        let test = match operation.to_ascii_lowercase().as_str() {
            "exists" => Test::Exists(true),
            "is_null" | "does_not_exist" => Test::Exists(false),
            "in" => Test::In(list()?, true),
            "not_in" => Test::In(list()?, false),
            "includes" => Test::Includes(text()?, true),
            "not_includes" | "does_not_include" => Test::Includes(text()?, false),
            "starts_with" => Test::StartsWith(text()?),
            "ends_with" => Test::EndsWith(text()?),
            "regex" | "match_regex" => Test::Matches(regex(&text()?, true)?),
            other => {
                let compare = Compare::read(other)
                    .ok_or_else(|| format!("The filter on {key} has an unknown operation: {operation:?}."))?;
                match compare {
                    Compare::Equal if !numeric => Test::In(vec![typed(&text()?, &filter["type"])], true),
                    Compare::Unequal if !numeric => Test::In(vec![typed(&text()?, &filter["type"])], false),
                    _ => {
                        let number = text()?.parse();
                        let number =
                            number.map_err(|_| format!("The filter on {key} compares with no number."))?;
                        Test::Compares(compare, number)
                    }
                }
            }
        };
        Ok(Self { key, test })
    }

    fn holds(&self, event: &Value) -> bool {
        let found = field(event, &self.key);
        let Some(value) = found else {
            return matches!(self.test, Test::Exists(false) | Test::In(_, false) | Test::Includes(_, false));
        };
        let text = || match value {
            Value::String(text) => std::borrow::Cow::Borrowed(text.as_str()),
            other => std::borrow::Cow::Owned(other.to_string()),
        };
        match &self.test {
            Test::Exists(wanted) => *wanted,
            Test::In(wanted, expected) => wanted.iter().any(|wanted| equal(value, wanted)) == *expected,
            Test::Includes(part, expected) => text().contains(part.as_str()) == *expected,
            Test::StartsWith(part) => text().starts_with(part.as_str()),
            Test::EndsWith(part) => text().ends_with(part.as_str()),
            Test::Matches(regex) => regex.is_match(&text()),
            Test::Compares(compare, right) => number(value).is_some_and(|left| compare.holds(left, *right)),
        }
    }
}

/// A text as a value of the type that the filter names.
fn typed(text: &str, kind: &Value) -> Value {
    match kind.as_str() {
        Some("number") => text.parse::<f64>().map_or_else(|_| text.into(), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}

fn equal(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Number(_), Value::Number(_)) => value.as_f64() == wanted.as_f64(),
        // A filter on text may name a number's or a flag's.
        (Value::Number(number), Value::String(text)) => number.to_string() == *text,
        (Value::Bool(flag), Value::String(text)) => text.parse() == Ok(*flag),
        _ => value == wanted,
    }
}

/// A value as a number, where it is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A field of an event by its path: `$metadata.service`, `$workers.event.request.path`, `source.user.id`; what a worker
/// logged is found without `source` as well. None for null.
pub(super) fn field<'a>(event: &'a Value, key: &str) -> Option<&'a Value> {
    walk(event, key).or_else(|| walk(event.get("source")?, key)).filter(|value| !value.is_null())
}

/// Steps into objects and lists; a name may itself hold dots.
fn walk<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let step = |name: &str| match value {
        Value::Object(object) => object.get(name),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    };
    if let Some(found) = step(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| walk(step(&path[..at])?, &path[at + 1..]))
}

/// A text or a pattern that is looked for in events or names.
#[derive(Debug)]
pub(super) struct Needle(Regex);

impl Needle {
    /// Reads `{value, isRegex?, matchCase?}`. None where there is none.
    ///
    /// # Errors
    /// What is wrong, for the caller.
    pub(super) fn read(needle: Option<&Value>) -> Result<Option<Self>, String> {
        let Some(needle) = needle.filter(|needle| !needle.is_null()) else { return Ok(None) };
        let text = match &needle["value"] {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => needle["value"].to_string(),
            _ => return Err("The needle has no value.".to_owned()),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let pattern = match needle["isRegex"] == true {
            true => text,
            // As it stands in the text of an event, which is JSON.
            false => {
                let quoted = Value::String(text).to_string();
                regex::escape(&quoted[1..quoted.len() - 1])
            }
        };
        Ok(Some(Self(regex(&pattern, needle["matchCase"] == true)?)))
    }

    /// Whether it is in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

fn regex(pattern: &str, match_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(!match_case)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("The pattern is not valid: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "$metadata": {"service": "demo", "level": "error"},
            "$workers": {"event": {"response": {"status": 503}}, "truncated": false, "wallTimeMs": 12},
            "source": {"user": {"id": 7}, "a.b": "dotted", "tags": ["x", "y"], "none": null},
        })
    }

    fn leaf(key: &str, operation: &str, kind: &str, value: Value) -> Value {
        json!({"key": key, "operation": operation, "type": kind, "value": value})
    }

    fn holds(filters: Value) -> bool {
        Filter::read(Some(&filters), None).unwrap().holds(&event())
    }

    #[test]
    fn each_operator_says_yes_and_no() {
        for (filter, expected) in [
            (leaf("$metadata.service", "eq", "string", json!("demo")), true),
            (leaf("$metadata.service", "=", "string", json!("Demo")), false),
            (leaf("$metadata.service", "neq", "string", json!("other")), true),
            (leaf("$metadata.none", "neq", "string", json!("other")), true),
            (leaf("$metadata.service", "in", "string", json!("a, demo")), true),
            (leaf("$metadata.service", "NOT_IN", "string", json!("a,demo")), false),
            (leaf("$metadata.service", "includes", "string", json!("em")), true),
            (leaf("$metadata.service", "DOES_NOT_INCLUDE", "string", json!("em")), false),
            (leaf("$metadata.service", "starts_with", "string", json!("de")), true),
            (leaf("$metadata.service", "ends_with", "string", json!("de")), false),
            (leaf("$metadata.service", "regex", "string", json!("^d.m")), true),
            (leaf("$metadata.service", "MATCH_REGEX", "string", json!("^x")), false),
            (leaf("$workers.event.response.status", "gte", "number", json!(500)), true),
            (leaf("$workers.event.response.status", "<", "number", json!("500")), false),
            (leaf("$workers.event.response.status", "eq", "number", json!(503)), true),
            (leaf("$workers.truncated", "eq", "boolean", json!(false)), true),
            (leaf("$workers.truncated", "eq", "boolean", json!(true)), false),
            (leaf("source.user.id", "eq", "number", json!(7)), true),
            (leaf("user.id", "eq", "number", json!(7)), true),
            (leaf("a.b", "eq", "string", json!("dotted")), true),
            (leaf("source.tags.1", "eq", "string", json!("y")), true),
            (leaf("source.user", "exists", "string", Value::Null), true),
            (leaf("source.none", "exists", "string", Value::Null), false),
            (leaf("source.none", "is_null", "string", Value::Null), true),
        ] {
            assert_eq!(holds(json!([filter.clone()])), expected, "{filter}");
        }
    }

    #[test]
    fn groups_combine() {
        let yes = leaf("$metadata.service", "eq", "string", json!("demo"));
        let no = leaf("$metadata.service", "eq", "string", json!("other"));
        let group = |how: &str| json!({"kind": "group", "filterCombination": how, "filters": [yes.clone(), no.clone()]});
        assert!(holds(json!([yes.clone(), group("OR")])));
        assert!(!holds(json!([yes.clone(), group("and")])));
        assert!(!holds(json!([no.clone(), group("or")])));
        let any = Filter::read(Some(&json!([yes.clone(), no.clone()])), Some(&json!("or"))).unwrap();
        assert!(any.holds(&event()));
        assert_eq!(any.must_equal("$metadata.service"), None);
        let all = Filter::read(Some(&json!([yes])), None).unwrap();
        assert_eq!(all.must_equal("$metadata.service"), Some("demo"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (filters, word) in [
            (json!({}), "list"),
            (json!([{"operation": "eq"}]), "no key"),
            (json!([{"key": "a"}]), "no operation"),
            (json!([leaf("a", "like", "string", json!("x"))]), "like"),
            (json!([leaf("a", "regex", "string", json!("("))]), "pattern"),
            (json!([leaf("a", "gt", "number", json!("x"))]), "no number"),
        ] {
            let error = Filter::read(Some(&filters), None).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let mut deep = json!([]);
        for _ in 0..6 {
            deep = json!([{"kind": "group", "filterCombination": "and", "filters": deep}]);
        }
        assert!(Filter::read(Some(&deep), None).unwrap_err().contains("deep"));
    }

    #[test]
    fn a_needle_is_found_without_regard_to_case() {
        let read = |needle: Value| Needle::read(Some(&needle)).unwrap().unwrap();
        assert!(read(json!({"value": "NEEDLE"})).is_in("a needle in hay"));
        assert!(!read(json!({"value": "NEEDLE", "matchCase": true})).is_in("a needle in hay"));
        assert!(read(json!({"value": "n.+le", "isRegex": true})).is_in("a needle in hay"));
        assert!(!read(json!({"value": "n.+le"})).is_in("a needle in hay"));
        let quoted = json!({"message": "say \"hi\""}).to_string();
        assert!(read(json!({"value": "say \"hi\""})).is_in(&quoted));
        assert!(Needle::read(Some(&json!({"value": ""}))).unwrap().is_none());
        assert!(Needle::read(None).unwrap().is_none());
    }
}
