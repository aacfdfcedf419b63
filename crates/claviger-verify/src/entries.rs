//! The entries of a log, for people and programs.

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use claviger_audit::verify::for_each_entry;
use claviger_audit::{Entry, ShownEntry};
use serde::Serialize;
use serde_json::json;

use crate::export::Export;
use crate::report::{Format, Report, instant};

/// Which entries of a shard.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) shard: u32,
    /// Its size.
    pub(crate) size: u64,
    pub(crate) entries: Range<u64>,
}

#[derive(Serialize)]
struct OfShard {
    shard: u32,
    #[serde(flatten)]
    entry: ShownEntry,
}

/// Writes the entries one by one: there may be millions.
///
/// # Errors
/// When a file of the export cannot be read, or standard output cannot be written.
pub(crate) fn print(format: Format, report: &Report, export: &Export, parts: &[Part]) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => {
            writeln!(out, "{}", report.text())?;
            for part in parts {
                let Range { start, end } = &part.entries;
                if start < end {
                    writeln!(out, "\nEntries {start} to {} of shard {}:", end - 1, part.shard)?;
                } else {
                    writeln!(out, "\nNo such entries in shard {}.", part.shard)?;
                }
                each(export, part, |entry| {
                    Ok(writeln!(out, "{}", entry.line(None, &[entry.short_actor()]))?)
                })?;
            }
        }
        Format::Json => {
            write!(out, "{{\"origin\":{},\"entries\":[", json!(report.origin()))?;
            let mut comma = "";
            for part in parts {
                each(export, part, |entry| {
                    let entry = serde_json::to_string(&OfShard { shard: part.shard, entry })?;
                    write!(out, "{comma}\n{entry}")?;
                    comma = ",";
                    Ok(())
                })?;
            }
            writeln!(out, "\n]}}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Hands over each entry of a part, until that fails.
fn each(export: &Export, part: &Part, mut take: impl FnMut(ShownEntry) -> Result<()>) -> Result<()> {
    let mut done = Ok(());
    let walked = for_each_entry(export, &part.shard.to_string(), part.size, |index, bytes| {
        if done.is_ok() && part.entries.contains(&index) {
            done = shown(index, bytes).and_then(&mut take);
        }
    });
    walked?;
    done
}

fn shown(index: u64, bytes: &[u8]) -> Result<ShownEntry> {
    let entry = Entry::decode(bytes).with_context(|| format!("entry {index} is not an entry"))?;
    Ok(ShownEntry::new(index, instant(entry.t).unwrap_or_default(), &entry))
}
