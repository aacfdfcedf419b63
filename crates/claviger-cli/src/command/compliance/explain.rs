//! `compliance explain`: a control with all that its words name.

use std::collections::BTreeMap;

use clap::Args;
use claviger_compliance::control::{Control, Parameter};
use claviger_compliance::mark::{self, Mark};
use claviger_compliance::{Catalogue, Clause, ControlId, Framework, Task};
use serde::Serialize;

use super::{control, joined, lines};
use crate::failure::Failure;
use crate::output::record;
use crate::session::Session;

/// Which control.
#[derive(Debug, Args)]
#[command(
    after_help = "A control that waits for facts is decided by no check of this release, and never reads as if it held. `mended by` says \
who does what where a control does not hold."
)]
pub struct ExplainArgs {
    /// The control
    #[arg(value_parser = control())]
    control: ControlId,
}

/// A control with all that its words name.
#[derive(Serialize)]
struct Explained<'a> {
    catalogue: &'a str,
    #[serde(flatten)]
    control: &'a Control,
    defaults: Vec<&'a Parameter>,
    clauses: BTreeMap<&'a str, Vec<&'a Clause>>,
    sources: BTreeMap<String, &'a str>,
}

impl ExplainArgs {
    pub(super) fn run(self, catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
        let control = catalogue.find_control(self.control);
        let control =
            control.ok_or_else(|| Failure::usage(format!("there is no control {}", self.control)))?;
        let asking = |framework: &Framework| framework.asking(control.id).next().is_some();
        let explained = Explained {
            catalogue: &catalogue.version,
            control,
            defaults: control.parameters.iter().filter_map(|name| catalogue.find_parameter(name)).collect(),
            clauses: catalogue
                .frameworks()
                .filter(|framework| asking(framework))
                .map(|framework| (framework.id.as_str(), framework.asking(control.id).collect()))
                .collect(),
            sources: mark::within(&control.why)
                .chain(mark::within(&control.check))
                .filter_map(|mark| match mark {
                    Mark::Verified(code) => Some((catalogue.find_source(&code)?.read.as_str(), code)),
                    Mark::Unverified => None,
                })
                .map(|(read, code)| (code, read))
                .collect(),
        };
        session.format.print(&explained, Explained::text)
    }
}

impl Explained<'_> {
    fn text(&self) -> String {
        let control = self.control;
        let clauses = self.clauses.iter().map(|(framework, clauses)| {
            let ids: Vec<_> =
                clauses.iter().map(|clause| format!("{} ({})", clause.id, clause.coverage)).collect();
            format!("{framework}: {}", ids.join(", "))
        });
        let defaults = self.defaults.iter().map(|one| format!("{} = {}", one.name, one.default));
        let sources = self.sources.iter().map(|(code, read)| format!("{code}: {read}"));
        record(&[
            ("control", format!("{}  {}", control.id, control.title)),
            ("severity", control.severity.to_string()),
            ("decided", format!("{}; of {}", control.grade, joined(&control.modes))),
            ("asks", control.statement.clone()),
            ("why", control.why.clone()),
            ("reads", control.reads.clone()),
            ("check", control.check.clone()),
            ("parameters", lines(defaults)),
            ("evidence", control.evidence.clone()),
            ("attestation", control.attestation.clone()),
            ("waits for", control.waits_for.clone().unwrap_or_default()),
            ("mended by", lines(control.mend.iter().map(mended))),
            ("asked by", lines(clauses)),
            ("sources", lines(sources)),
        ])
    }
}

/// Who does what.
pub(super) fn mended(task: &Task) -> String {
    format!("{}: {}", task.who, task.what)
}
