//! The objects of a log as they stood at a moment, for people and programs.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Result;
use claviger_audit::fact::Object;
use claviger_audit::verify::{Current, Reached, ShownObject};
use serde_json::json;

use crate::report::{Format, Report, instant};

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
    let objects = objects.map(|(object, current)| ShownObject::new(object, current));
    match format {
        Format::Table => {
            let of = newest.map_or_else(String::new, |at| format!(", the last of {at}"));
            writeln!(out, "{}\nThe state behind {} entries{of}:", report.text(), reached.size)?;
            for object in objects {
                writeln!(out, "\n{object}")?;
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
