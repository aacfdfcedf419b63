//! Objects of a log as people and programs are shown them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::objects::Current;
use crate::fact::{FieldValue, Object, show_field};

/// An object as it stood: for people by `Display`, for programs by `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownObject {
    /// Its kind.
    pub kind: &'static str,
    /// Its identifier.
    pub id: String,
    /// Its revision.
    pub revision: u64,
    /// The entry with its newest fact.
    pub entry: u64,
    /// Its fields by their names.
    pub fields: BTreeMap<String, FieldValue>,
}

impl ShownObject {
    /// An object with what its facts yield.
    #[must_use]
    pub fn new(object: &Object, current: &Current) -> Self {
        let kind = object.kind();
        let fields = current.fields().into_iter();
        Self {
            kind: kind.name(),
            id: object.shown_id(),
            revision: current.revision,
            entry: current.at.1,
            fields: fields.map(|(number, field)| show_field(kind, number, &field)).collect(),
        }
    }
}

impl fmt::Display for ShownObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, revision, entry, fields } = self;
        write!(f, "{kind} {id}, revision {revision}, since entry {entry}")?;
        fields.iter().try_for_each(|(name, value)| write!(f, "\n  {name:<26}{value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_shown_line_by_line() {
        let fields = [("quorum", FieldValue::Number(2)), ("name", FieldValue::Sealed("ab".to_owned()))];
        let shown = ShownObject {
            kind: "ring",
            id: "1".to_owned(),
            revision: 3,
            entry: 7,
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let lines = "ring 1, revision 3, since entry 7\n  name                      (sealed)\n  quorum                    2";
        assert_eq!(shown.to_string(), lines);
    }
}
