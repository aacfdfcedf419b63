//! `claviger compliance …`: what regulations ask of keys, and what the controls come to by a log. Nothing needs a deployment but what
//! asks for a log that is not exported yet, and for the signature of a pack.

mod asked;
mod changed;
mod evaluate;
mod explain;
mod folder;
mod report;
mod shown;

use std::collections::BTreeMap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use claviger_compliance::{Catalogue, ControlId, Coverage, Framework};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Table;
use crate::session::Session;

/// Commands about what regulations ask, and about what holds.
#[derive(Debug, Subcommand)]
pub enum ComplianceCommand {
    /// List regulations and standards, and how far their clauses are answered
    Frameworks,
    /// List controls, or the clauses of one framework with the controls that answer each
    Controls(ControlsArgs),
    /// Show what a control asks, by what it is decided, who mends it how, and which clauses ask for it
    Explain(explain::ExplainArgs),
    /// Give the result of each control by the log, for an instant and a period; exit code 1 if not all of them are satisfied
    Evaluate(evaluate::EvaluateArgs),
    /// Make an evidence pack: a folder with report, results and log, whose every file can be rebuilt from the log
    Report(report::ReportArgs),
}

/// Which controls.
#[derive(Debug, Args)]
#[command(after_help = "Coverage of a clause:
  F  machine checks decide it, for keys and logs of the system
  M  a machine check and a signed attestation decide it
  A  signed statements decide it
  S  the system gives evidence; the larger part is the entity's to add
  O  outside the system: all of it is the entity's to add

Marks: V names the source in which a text was read, K says that it is from knowledge and not yet held against one.

Example: claviger compliance controls --framework pci-dss")]
pub struct ControlsArgs {
    /// The clauses of this framework
    #[arg(long, value_name = "FRAMEWORK", value_parser = PossibleValuesParser::new(claviger_compliance::FRAMEWORKS))]
    framework: Option<String>,
    /// With `--framework`: from the numbers of the older edition instead, where there is such a table
    #[arg(long, requires = "framework")]
    crosswalk: bool,
}

/// One of the controls that there are.
fn control() -> impl TypedValueParser<Value = ControlId> {
    let catalogue = Catalogue::load();
    let ids = catalogue.iter().flat_map(Catalogue::controls).map(|control| control.id.to_string());
    PossibleValuesParser::new(ids.collect::<Vec<_>>()).try_map(|word| word.parse::<ControlId>())
}

/// The frameworks, counted.
#[derive(Serialize)]
struct Frameworks<'a> {
    catalogue: &'a str,
    facts_as_of: &'a str,
    items: Vec<Counted<'a>>,
}

#[derive(Serialize)]
struct Counted<'a> {
    id: &'a str,
    title: &'a str,
    version: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'a str>,
    clauses: usize,
    controls: usize,
    /// Clauses by how far they are answered.
    coverage: BTreeMap<Coverage, usize>,
    /// Clauses that were not read in a source.
    unverified: usize,
}

impl ComplianceCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let catalogue = Catalogue::load().map_err(|error| Failure::failed(format!("catalogue: {error}")))?;
        match self {
            Self::Frameworks => frameworks(&catalogue, session),
            Self::Controls(args) => args.run(&catalogue, session),
            Self::Explain(args) => args.run(&catalogue, session),
            Self::Evaluate(args) => args.run(&catalogue, session).await,
            Self::Report(args) => args.run(&catalogue, session).await,
        }
    }
}

fn frameworks(catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
    let found = Frameworks {
        catalogue: &catalogue.version,
        facts_as_of: &catalogue.facts_as_of,
        items: catalogue.frameworks().map(|framework| counted(catalogue, framework)).collect(),
    };
    session.format.print(&found, |found| {
        let mut table =
            Table::new("frameworks", &["framework", "title", "version", "clauses", "controls", "coverage"]);
        for one in &found.items {
            let coverage = one.coverage.iter().map(|(coverage, number)| format!("{coverage} {number}"));
            table.row([
                one.id.to_owned(),
                one.title.to_owned(),
                one.version.to_owned(),
                one.clauses.to_string(),
                one.controls.to_string(),
                coverage.collect::<Vec<_>>().join(", "),
            ]);
        }
        format!("{}\ncatalogue {}, facts as of {}\n", table.text(), found.catalogue, found.facts_as_of)
    })
}

fn counted<'a>(catalogue: &Catalogue, framework: &'a Framework) -> Counted<'a> {
    let mut coverage = BTreeMap::new();
    for clause in &framework.clauses {
        *coverage.entry(clause.coverage).or_default() += 1;
    }
    Counted {
        id: &framework.id,
        title: &framework.title,
        version: &framework.version,
        status: &framework.status,
        pending: framework.pending.as_deref(),
        clauses: framework.clauses.len(),
        controls: catalogue.profile(framework).len(),
        coverage,
        unverified: framework.clauses.iter().filter(|clause| !clause.mark.is_verified()).count(),
    }
}

impl ControlsArgs {
    fn run(self, catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
        let Some(id) = self.framework else { return controls(catalogue, session) };
        let framework = find_framework(catalogue, &id)?;
        if self.crosswalk { crosswalk(framework, session) } else { clauses(framework, session) }
    }
}

fn find_framework<'a>(catalogue: &'a Catalogue, id: &str) -> Result<&'a Framework, Failure> {
    catalogue.find_framework(id).ok_or_else(|| Failure::usage(format!("there is no framework `{id}`")))
}

fn controls(catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
    let all: Vec<_> = catalogue.controls().collect();
    session.format.print(&all, |all| {
        let mut table = Table::new("controls", &["control", "severity", "grade", "modes", "title"]);
        for control in all {
            table.row([
                control.id.to_string(),
                control.severity.to_string(),
                control.grade.to_string(),
                joined(&control.modes),
                control.title.clone(),
            ]);
        }
        table.text()
    })
}

fn clauses(framework: &Framework, session: &Session) -> Result<(), Failure> {
    session.format.print(framework, |framework| {
        let mut table = Table::new("clauses", &["clause", "asks", "controls", "coverage", "mark"]);
        for clause in &framework.clauses {
            let controls = match &clause.see {
                Some(see) => format!("see {see}"),
                None => joined(&clause.controls),
            };
            table.row([
                clause.id.clone(),
                clause.paraphrase.clone(),
                controls,
                clause.coverage.to_string(),
                clause.mark.to_string(),
            ]);
        }
        let pending = framework.pending.iter().map(|pending| format!("pending: {pending}\n"));
        format!("{}\n{}\n{}", table.text(), framework.status, pending.collect::<String>())
    })
}

fn crosswalk(framework: &Framework, session: &Session) -> Result<(), Failure> {
    if framework.crosswalk.is_empty() {
        let message = format!("`{}` has no table of older numbers", framework.id);
        return Err(Failure::usage(message).advise("leave `--crosswalk` out"));
    }
    session.format.print(&framework.crosswalk, |rows| {
        let mut table = Table::new("older numbers", &["before", "subject", "now", "texts compared"]);
        for row in rows {
            let compared = if row.compared { "the same" } else { "no" };
            table.row([row.before.clone(), row.subject.clone(), row.now.clone(), compared.to_owned()]);
        }
        table.text()
    })
}

fn joined<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("\n")
}
