//! Examples of bodies, put together from the examples of what they are made of.

use serde_json::{Map, Value, json};

use super::row::{NamedSchema, Row};

/// The schemas of a document, by their names.
pub(super) struct Examples(Map<String, Value>);

impl Examples {
    pub(super) fn of_rows<'r>(rows: impl Iterator<Item = &'r NamedSchema>) -> Self {
        let mut schemas = Map::new();
        for NamedSchema { name, schema, others } in rows {
            for (name, schema) in [(name, schema)].into_iter().chain(others.iter().map(|(n, s)| (n, s))) {
                if let Ok(schema) = serde_json::to_value(schema) {
                    schemas.insert(name.clone(), schema);
                }
            }
        }
        Self(schemas)
    }

    /// An example of what has this schema: what it always has, and of the rest what has an example of its own. `None` where text would
    /// have to be made up.
    pub(super) fn find(&self, name: &str) -> Option<Value> {
        self.of(self.0.get(name)?)
    }

    fn of(&self, schema: &Value) -> Option<Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.find(reference.rsplit('/').next()?);
        }
        if let Some(said) = ["example", "default"].into_iter().find_map(|key| schema.get(key)) {
            return Some(said.clone());
        }
        let lists = ["examples", "enum"].into_iter().filter_map(|key| schema[key].as_array());
        if let Some(first) = lists.flatten().next() {
            return Some(first.clone());
        }
        if let Some(either) = schema["oneOf"].as_array() {
            return either.iter().find_map(|one| self.of(one));
        }
        if let Some(all) = schema["allOf"].as_array() {
            let parts = all.iter().map(|part| self.of(part)?.as_object().cloned());
            return parts
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.into_iter().flatten().collect::<Map<_, _>>().into());
        }
        let kinds = &schema["type"];
        match kinds.as_str().or_else(|| kinds[1].as_str())? {
            "array" => self.of(&schema["items"]).map(|item| json!([item])),
            "boolean" => Some(json!(false)),
            "integer" => {
                Some(schema.get("minimum").filter(|least| **least != json!(0)).cloned().unwrap_or(json!(1)))
            }
            "null" => Some(Value::Null),
            "object" => self.of_object(schema),
            _ => None,
        }
    }

    fn of_object(&self, schema: &Value) -> Option<Value> {
        let is_required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        let mut example = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if is_required(name) || property.get("example").is_some() {
                example.insert(name.clone(), self.of(property)?);
            }
        }
        Some(example.into())
    }
}

/// All that rows take and give.
pub(super) fn named(rows: &[Row]) -> impl Iterator<Item = &NamedSchema> {
    rows.iter().flat_map(|row| [&row.takes.json, &row.gives.json].into_iter().flatten())
}
