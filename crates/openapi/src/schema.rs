//! Schemas, as JSON Schema 2020-12 has them.

use serde_json::{Map, Value, json};

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Map<String, Value>);

fn of_type(name: &str) -> Schema {
    Schema(Map::from_iter([("type".to_owned(), json!(name))]))
}

/// A text.
pub fn string() -> Schema {
    of_type("string")
}

/// A time as RFC 3339 writes it.
pub fn time() -> Schema {
    string().with("format", json!("date-time"))
}

/// A whole number.
pub fn integer() -> Schema {
    of_type("integer")
}

/// A number.
pub fn number() -> Schema {
    of_type("number")
}

/// `true` or `false`.
pub fn boolean() -> Schema {
    of_type("boolean")
}

/// Any value at all.
pub fn any() -> Schema {
    Schema(Map::new())
}

/// One of these texts.
pub fn one_of(texts: &[&str]) -> Schema {
    string().with("enum", json!(texts))
}

/// This value and no other.
pub fn literal(value: impl Into<Value>) -> Schema {
    any().with("const", value.into())
}

/// A list.
pub fn array(items: Schema) -> Schema {
    of_type("array").with("items", items.into())
}

/// An object of any names with such values.
pub fn map(values: Schema) -> Schema {
    of_type("object").with("additionalProperties", values.into())
}

/// An object, whose members are added to it.
pub fn object() -> Schema {
    of_type("object").with("properties", json!({}))
}

/// A schema that the document has by this name.
pub fn reference(name: &str) -> Schema {
    any().with("$ref", json!(format!("#/components/schemas/{name}")))
}

impl Schema {
    fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    /// Adds a member that is always there.
    pub fn has(mut self, name: &str, schema: Schema) -> Self {
        if let Value::Array(required) = self.0.entry("required").or_insert_with(|| json!([])) {
            required.push(json!(name));
        }
        self.may(name, schema)
    }

    /// Adds a member that may be absent.
    pub fn may(mut self, name: &str, schema: Schema) -> Self {
        if let Value::Object(properties) = self.0.entry("properties").or_insert_with(|| json!({})) {
            properties.insert(name.to_owned(), schema.into());
        }
        self
    }

    /// Says that there may be members that are not named.
    pub fn open(self) -> Self {
        self.with("additionalProperties", json!(true))
    }

    /// The same, or null.
    pub fn or_null(mut self) -> Self {
        match self.0.get("type").cloned() {
            Some(Value::String(name)) => {
                if let Some(Value::Array(texts)) = self.0.get_mut("enum") {
                    texts.push(Value::Null);
                }
                self.with("type", json!([name, "null"]))
            }
            _ => any().with("anyOf", json!([Value::from(self), {"type": "null"}])),
        }
    }

    /// The same, or what `other` says.
    pub fn or(self, other: Schema) -> Self {
        any().with("anyOf", json!([Value::from(self), Value::from(other)]))
    }

    /// Says what it means, with its unit.
    pub fn about(self, text: &str) -> Self {
        self.with("description", json!(text))
    }

    /// What it is where it is absent.
    pub fn default(self, value: impl Into<Value>) -> Self {
        self.with("default", value.into())
    }

    /// Least and most.
    pub fn between(self, least: u64, most: u64) -> Self {
        self.with("minimum", json!(least)).with("maximum", json!(most))
    }

    /// Bytes rather than text.
    pub fn bytes(self) -> Self {
        self.with("format", json!("binary"))
    }
}

impl From<Schema> for Value {
    fn from(schema: Schema) -> Self {
        Value::Object(schema.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_required_or_not() {
        let schema = object().has("a", string()).may("b", integer().or_null()).open();
        let expected = json!({
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": ["integer", "null"]}},
            "required": ["a"],
            "additionalProperties": true,
        });
        assert_eq!(Value::from(schema), expected);
    }

    #[test]
    fn whatever_it_is_it_may_be_null() {
        assert_eq!(
            Value::from(one_of(&["a"]).or_null()),
            json!({"type": ["string", "null"], "enum": ["a", null]})
        );
        let named = json!({"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]});
        assert_eq!(Value::from(reference("A").or_null()), named);
    }
}
