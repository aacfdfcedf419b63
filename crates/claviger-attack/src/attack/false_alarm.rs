//! Honest calls that look like a damaged store.
//!
//! **Attack.** None: eight officers' commands grant the same key to many principals at once, so that most lose the race for a row
//! again and again, and the last of them loses for good with nobody calling after.
//!
//! **Breaks.** The trace says that stored data is damaged and to restore from a backup, or cuts fail, or fail and are not counted.
//!
//! **Holds.** Nothing of that: every cut is made, and none is counted as failed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::machine;
use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

const THREADS: usize = 8;
/// How long they go on. A lost race behind which nobody calls comes once in some seconds.
const SPAN: Duration = Duration::from_secs(12);
/// What counts batches and cuts that failed.
const FAILURES: &str = "claviger_log_failures_total";

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    let (site, begun) = (Arc::new(site), machine::now());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let site = Arc::clone(&site);
            std::thread::spawn(move || -> Result<u32> {
                let mut calls = 0;
                while machine::now() - begun < SPAN {
                    // Refused or not: it is the race that counts.
                    let grant = ["grant", "create", "app", "--key", "orders/main", "--operations", "encrypt"];
                    let grant = [&grant[..], &["--reason", "attack"]].concat();
                    site.run("security_officer", &grant)?;
                    calls += 1;
                }
                Ok(calls)
            })
        })
        .collect();
    let mut calls = 0;
    for thread in threads {
        calls += thread.join().map_err(|_| anyhow!("a thread panicked"))??;
    }
    // Some cuts more, with nobody calling.
    std::thread::sleep(Duration::from_secs(3));
    let trace = site.trace();
    let count = |words: &str| trace.matches(words).count();
    let (failed, damaged) = (count("the log was not cut"), count("restore from a backup"));
    let counted = site.metric(FAILURES)?;
    let mut findings = Findings::default();
    findings.add(
        failed == 0 && damaged == 0 && counted == 0.0,
        format!(
            "{calls} concurrent grants: {failed} cuts failed, {counted} were counted, stored data was called damaged {damaged} times"
        ),
    );
    Ok(findings.verdict())
}
