//! The objects of a log as they stood at a moment, for people and programs.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Result;
use claviger_audit::fact::{FieldValue, Object, show_field};
use claviger_audit::verify::{Current, Reached};
use serde::Serialize;
use serde_json::{Value, json};

use crate::report::{Format, Report, instant};

/// An object as it stood.
#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    id: String,
    revision: u64,
    /// The entry with its newest fact.
    entry: u64,
    fields: BTreeMap<String, Value>,
}

impl Shown {
    fn of(object: &Object, current: &Current) -> Self {
        let kind = object.kind();
        let field = |(number, field)| {
            let (name, value) = show_field(kind, number, &field);
            (name, for_programs(value))
        };
        Self {
            kind: kind.name(),
            id: object.shown_id(),
            revision: current.revision,
            entry: current.at.1,
            fields: current.fields().into_iter().map(field).collect(),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { kind, id, revision, entry, .. } = self;
        writeln!(out, "\n{kind} {id}, revision {revision}, since entry {entry}")?;
        for (name, value) in &self.fields {
            writeln!(out, "  {name:<26}{}", for_people(value))?;
        }
        Ok(())
    }
}

fn for_programs(value: FieldValue) -> Value {
    match value {
        FieldValue::Flag(flag) => flag.into(),
        FieldValue::Instant(at) => instant(at.as_micros()).into(),
        FieldValue::Number(number) | FieldValue::Seconds(number) => number.into(),
        FieldValue::Sealed(commitment) => json!({ "sealed": commitment }),
        FieldValue::Text(text) => text.into(),
        FieldValue::Texts(texts) => texts.into(),
    }
}

fn for_people(value: &Value) -> String {
    match value {
        Value::Object(_) => "(sealed)".to_owned(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes the objects one by one: there may be millions.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print<'a>(
    format: Format,
    report: &Report,
    reached: Reached,
    objects: impl Iterator<Item = (&'a Object, &'a Current)>,
) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let newest = reached.newest_at.and_then(instant);
    let objects = objects.map(|(object, current)| Shown::of(object, current));
    match format {
        Format::Table => {
            let of = newest.map_or_else(String::new, |at| format!(", the last of {at}"));
            writeln!(out, "{}\nThe state behind {} entries{of}:", report.text(), reached.size)?;
            for object in objects {
                object.write(&mut out)?;
            }
        }
        Format::Json => {
            let (origin, newest) = (json!(report.origin()), json!(newest));
            write!(out, "{{\"origin\":{origin},\"entries\":{},\"newest_entry_at\":{newest}", reached.size)?;
            write!(out, ",\"objects\":[")?;
            for (at, object) in objects.enumerate() {
                let comma = if at == 0 { "" } else { "," };
                write!(out, "{comma}\n{}", serde_json::to_string(&object)?)?;
            }
            writeln!(out, "\n]}}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
