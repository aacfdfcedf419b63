//! What others must approve, by the command line: who asks, who approves, and the same call again.

use std::process::Output;

use serde_json::Value;

use crate::instance::{Instance, printed};
use crate::serving::Site;

/// How a command ends that waits for the approval of others.
pub(crate) const PENDING: i32 = 3;
/// As many as must approve, of the three that there are.
pub(crate) const CUSTODIANS: [&str; 2] = ["custodian-1", "custodian-2"];
/// How often a result may be withheld.
const ROUNDS: u32 = 3;

/// Where people call by the command line.
pub(crate) trait Called {
    /// Runs a command with the profile of `who`.
    fn call(&self, who: &str, arguments: &[&str]) -> Output;
}

impl Called for Instance {
    fn call(&self, who: &str, arguments: &[&str]) -> Output {
        self.run(who, arguments, b"")
    }
}

impl Called for Site {
    fn call(&self, who: &str, arguments: &[&str]) -> Output {
        self.run(who, arguments, b"")
    }
}

/// However else a command is run: at another time, for example.
impl<F: Fn(&str, &[&str]) -> Output> Called for F {
    fn call(&self, who: &str, arguments: &[&str]) -> Output {
        self(who, arguments)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The approval that a command waits for: it ended by the exit code of that, and names it, in the form that was asked for.
#[track_caller]
pub(crate) fn pending(output: &Output) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(PENDING), "{said}");
    let problem = || -> Option<String> {
        let json =
            serde_json::Deserializer::from_str(&said[said.find('{')?..]).into_iter::<Value>().next()?;
        Some(json.ok()?["approval"].as_str()?.to_owned())
    };
    let in_text = said.lines().find_map(|line| line.strip_prefix("  approval: ")).map(str::to_owned);
    in_text.or_else(problem).unwrap_or_else(|| panic!("no approval is named: {said}"))
}

/// Asks for what others must approve; gives the approval.
#[track_caller]
pub(crate) fn ask(site: &impl Called, who: &str, arguments: &[&str]) -> String {
    pending(&site.call(who, arguments))
}

/// Approves as somebody.
#[track_caller]
pub(crate) fn approve(site: &impl Called, who: &str, approval: &str) {
    let approve = ["approval", "approve", approval, "--yes"];
    printed(&approve, || site.call(who, &approve));
}

/// Does what others must approve: asks for it, has these approve, and makes the same call again; gives what that printed.
#[track_caller]
pub(crate) fn done_under(site: &impl Called, approvers: &[&str], who: &str, arguments: &[&str]) -> Vec<u8> {
    let mut output = site.call(who, arguments);
    for _ in 0..ROUNDS {
        let approval = pending(&output);
        for approver in approvers {
            approve(site, approver, &approval);
        }
        output = site.call(who, arguments);
        let said = said(&output);
        if !said.contains("(withheld)") {
            assert!(output.status.success(), "{arguments:?}: {said}");
            return output.stdout;
        }
        // It is done, and came too late to be let out. What can be asked for again is; what cannot stands.
        output = site.call(who, arguments);
        if output.status.code() != Some(PENDING) {
            return Vec::new();
        }
    }
    panic!("{arguments:?} is withheld each time");
}

/// Has [`CUSTODIANS`] approve what is asked for, and the approval executed: the call itself would ask for another end where it names one from
/// now on.
#[track_caller]
pub(crate) fn executed(site: &impl Called, who: &str, arguments: &[&str]) {
    let approval = ask(site, who, arguments);
    for approver in CUSTODIANS {
        approve(site, approver, &approval);
    }
    let execute = ["approval", "execute", approval.as_str()];
    let output = site.call(who, &execute);
    let said = said(&output);
    assert!(output.status.success() || said.contains("(withheld)"), "{arguments:?}: {said}");
}

/// The same with the approval of [`CUSTODIANS`].
#[track_caller]
pub(crate) fn done(site: &impl Called, who: &str, arguments: &[&str]) -> Vec<u8> {
    done_under(site, &CUSTODIANS, who, arguments)
}
