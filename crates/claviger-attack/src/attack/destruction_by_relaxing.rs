//! Destruction that was asked for while a ring was relaxed.
//!
//! **Attack.** A security officer relaxes a strict ring that has a key, the administrator sets its quorum to 0 and asks for the
//! destruction of the key in a day, and the ring is made strict again with its quorum. 25 hours later the server starts.
//!
//! **Breaks.** The key is gone, though its ring is strict, and no custodian approved.
//!
//! **Holds.** One of the steps is refused, or the key is still there afterwards.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::machine;
use crate::site::{Lab, Site};
use crate::verdict::Verdict;

/// How long jobs get after the start. They are done at once, and each minute after.
const JOBS: Duration = Duration::from_secs(5);

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    let officer = "security_officer";
    let steps: [(&str, &[&str]); 5] = [
        (officer, &["ring", "separation", "orders", "relaxed", "--reason", "attack"]),
        ("administrator", &["ring", "update", "orders", "--quorum", "0", "--reason", "attack"]),
        ("administrator", &["key", "destroy", "orders/main", "--in", "1", "--reason", "attack"]),
        ("administrator", &["ring", "update", "orders", "--quorum", "2", "--reason", "attack"]),
        (officer, &["ring", "separation", "orders", "strict", "--reason", "attack"]),
    ];
    for (who, arguments) in steps {
        let said = site.run(who, arguments)?;
        if !said.is_done() {
            return Ok(Verdict::Held(format!("`{}` is refused: {}", arguments.join(" "), said.reason())));
        }
    }
    site.stop()?;
    site.set_clock("+25h")?;
    site.serve()?;
    let begun = machine::now();
    loop {
        let shown = site.run("auditor", &["key", "show", "orders/main"])?;
        let shown = shown.json();
        let state = shown.get("state").and_then(Value::as_str).context("a key without a state")?;
        if state == "destroyed" || state == "destroyed_compromised" {
            return Ok(Verdict::Broken(
                "25 hours after it was scheduled, the key of a strict ring is destroyed, and nobody approved"
                    .to_owned(),
            ));
        }
        if machine::now() - begun > JOBS {
            return Ok(Verdict::Held(format!("25 hours later the key is {state}")));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
