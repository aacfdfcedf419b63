//! `claviger access …`: who can reach what nobody should reach alone, and who can do what.

use clap::{Args, Subcommand};
use claviger_client::types::Pairs;
use claviger_client::types::access::{
    AccessAnalysis, AccessAsOf, AccessException, AccessLine, AccessMember, AccessOn, AccessReport,
    AccessStep, AnalyzeAccess, CounterExample, ReportAccess,
};
use serde::Serialize;

use super::capacity;
use super::review::ReviewCommand;
use crate::clock;
use crate::failure::Failure;
use crate::input::when;
use crate::output::{Table, note, print_bytes};
use crate::session::Session;

/// Principals that one call brings.
const PAGE: u32 = 1000;

/// Commands about all rights together.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Look for persons who reach what nobody should reach alone, with whatever they can make first; exit code 1 if there are any
    ///
    /// The goals: (1) plaintext of a key of a strict ring, without an application's own credential; (2) a sensitive act without those who
    /// must approve it; (3) a change of the record, or of who reads it, by one who acts; (4) a rule that asks for less before anybody else
    /// has seen it. For each is shown who reaches it, and the shortest way, command by command: `puppet-1` is somebody whom they make first.
    /// Persons with equal rights are shown together.
    ///
    /// What is known of the deployment is named beside it, and changes nothing of the exit code: whoever holds the machine and the secret of
    /// its root; whoever ran the set-up and may have kept the keys or codes of others; people who were granted what they use; who made the
    /// credentials of applications. With `--strict`, whoever ran the set-up counts like everybody else, until others have signed that their keys
    /// are theirs alone (`attest ATT-ENROLMENT`).
    Analyze(AnalyzeArgs),
    /// Show who can do what across all keys, by name and by which rule; or who could at an instant
    ///
    /// What a role gives holds of every key, and is one line for each who holds it; grants are shown one by one. `key explain` says the same
    /// of one key.
    Report(ReportArgs),
    /// Reviews: who has what is looked at, decided on, and what is to go is withdrawn
    #[command(subcommand)]
    Review(ReviewCommand),
}

/// What to look for.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// So many persons together at most
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    size: u8,
    /// Only this goal, by number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    goal: Option<u8>,
    /// Whoever ran the set-up counts as well, by the keys and codes that may have been kept of it
    #[arg(long)]
    strict: bool,
}

/// What to show.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// As things stood at this instant (RFC 3339), or so long ago (30d), by the log's time; without it as they stand
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<when::When>,
    /// As comma-separated values (RFC 4180), one line for each action
    #[arg(long)]
    csv: bool,
}

/// All pages together.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<AccessAsOf>,
    items: Vec<AccessLine>,
}

impl AccessCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Analyze(args) => args.run(session).await,
            Self::Report(args) => args.run(session).await,
            Self::Review(command) => command.run(session).await,
        }
    }
}

impl AnalyzeArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let query = AnalyzeAccess { size: Some(self.size), goal: self.goal, founder: self.strict };
        let analysis = session.client()?.analyze_access(&query).await?.value;
        session.format.print(&analysis, shown)?;
        let looked_at = &analysis.looked_at;
        note(&format!(
            "looked at {} persons in {} classes of equal rights, {} principals, {} credentials, {} grants and {} rings, {} of them strict and in \
             use",
            looked_at.persons,
            looked_at.classes,
            looked_at.principals,
            looked_at.credentials,
            looked_at.grants,
            looked_at.rings,
            looked_at.strict_rings,
        ));
        match u64::try_from(analysis.found.len()).unwrap_or(u64::MAX).saturating_add(analysis.left_off) {
            0 => Ok(()),
            1 => Err(reached("one way was found to what nobody should reach alone")),
            many => Err(reached(&format!("{many} ways were found to what nobody should reach alone"))),
        }
    }
}

fn reached(what: &str) -> Failure {
    Failure::failed(what).advise(
        "take a right away from one of them, put grants on the ring under its quorum (`ring update --grants-under-quorum true`), or have more \
         people approve (`governance set --quorum`)",
    )
}

/// What was found as text.
fn shown(analysis: &AccessAnalysis) -> String {
    let mut text = String::new();
    for example in &analysis.found {
        text.push_str(&example_text(example));
    }
    if analysis.left_off > 0 {
        text.push_str(&format!("and {} more\n\n", analysis.left_off));
    }
    if analysis.found.is_empty() {
        text.push_str("nobody reaches what nobody should reach alone\n\n");
    }
    text.push_str("named, and not counted:\n");
    for exception in &analysis.named {
        text.push_str(&exception_text(exception));
    }
    text
}

fn example_text(example: &CounterExample) -> String {
    let members: Vec<_> = example.members.iter().map(member_text).collect();
    let who = if members.is_empty() { "whoever ran the set-up".to_owned() } else { members.join(" with ") };
    let mut text = format!("goal {}, {}: {who}\n", example.goal, example.goal_name);
    let width = example.path.iter().map(|step| step.by.chars().count()).max().unwrap_or_default();
    for AccessStep { by, command, approved_by, .. } in &example.path {
        text.push_str(&format!("  {by:width$}  {command}\n"));
        if !approved_by.is_empty() {
            let empty = "";
            text.push_str(&format!("  {empty:width$}    approved by {}\n", approved_by.join(" and ")));
        }
    }
    text.push('\n');
    text
}

/// One of them, with how many there are like that one.
fn member_text(member: &AccessMember) -> String {
    let name = member.names.first().map_or("nobody", |name| name.as_str());
    let roles: Vec<_> = member.roles.iter().map(|role| role.name()).collect();
    let roles = if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) };
    match member.count {
        0 | 1 => format!("{name}{roles}"),
        many => format!("{name}{roles}, or any of {} more with equal rights", many - 1),
    }
}

fn exception_text(exception: &AccessException) -> String {
    let goals: Vec<_> = exception.goals.iter().map(ToString::to_string).collect();
    let goals = if goals.is_empty() { String::new() } else { format!(" (goals {})", goals.join(", ")) };
    let names: Vec<_> = exception.names.iter().map(|name| name.as_str()).collect();
    let named = u64::try_from(names.len()).unwrap_or(u64::MAX);
    let whom = match names.is_empty() {
        true => String::new(),
        false if exception.count > named => format!(": {}, {} in all", names.join(", "), exception.count),
        false => format!(": {}", names.join(", ")),
    };
    format!("  {}{goals}{whom}\n", exception.text)
}

impl ReportArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if self.csv && session.format.is_for_programs() {
            return Err(Failure::usage("`--csv` is a form of its own: leave `-o` out"));
        }
        let client = session.client()?;
        // One instant for all pages.
        let at = self.at.map(|at| at.before(clock::now()).into());
        let (mut report, mut cursor) = (Report { as_of: None, items: Vec::new() }, None);
        loop {
            let query = ReportAccess { at, cursor, limit: Some(PAGE) };
            let AccessReport { items, next, as_of } = client.report_access(&query).await?.value;
            report.items.extend(items);
            report.as_of = as_of;
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        if self.csv {
            return print_bytes(csv(&report.items).as_bytes());
        }
        session.format.print(&report, table)
    }
}

fn table(report: &Report) -> String {
    let mut table = Table::new("rights", &["principal", "on", "may", "by", "if", "answers for"]);
    for line in &report.items {
        table.row([
            line.principal_name.to_string(),
            where_text(line),
            line.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            rule_text(line),
            line.conditions.clone().unwrap_or_default(),
            capacities(line),
        ]);
    }
    match &report.as_of {
        Some(AccessAsOf { at, entries, .. }) => {
            format!("as of {at}, by {entries} entries of the log\n{}", table.text())
        }
        None => table.text(),
    }
}

/// With which keys; none, where nothing can be done.
fn where_text(line: &AccessLine) -> String {
    if line.actions.is_empty() { "none".to_owned() } else { on_text(&line.on) }
}

/// What the principal answers for.
fn capacities(line: &AccessLine) -> String {
    let names = Pairs::default();
    line.capacities.iter().map(|held| capacity::text(**held, &names)).collect::<Vec<_>>().join(" ")
}

fn on_text(on: &AccessOn) -> String {
    match on {
        AccessOn::Every(every) => match every.separation {
            Some(separation) => format!("every key of {separation} rings"),
            None => "every key".to_owned(),
        },
        AccessOn::Key(key) => format!("key {}", key.name),
        AccessOn::Ring(ring) => format!("ring {}", ring.name),
    }
}

fn rule_text(line: &AccessLine) -> String {
    match &line.grant {
        Some(grant) => format!("grant {grant}"),
        None => line.rule.clone(),
    }
}

/// One line for each action of each right, behind the heads of the columns. Who can do nothing, and answers for something, has one without.
fn csv(items: &[AccessLine]) -> String {
    let mut text = "principal,on,action,rule,conditions,answers_for\r\n".to_owned();
    for line in items {
        let (principal, on, rule) = (line.principal_name.to_string(), where_text(line), rule_text(line));
        let conditions = line.conditions.as_deref().unwrap_or_default();
        let capacities = capacities(line);
        let actions: Vec<_> = match line.actions.as_slice() {
            [] => vec![""],
            some => some.iter().map(|action| action.name()).collect(),
        };
        for action in actions {
            let row = [principal.as_str(), &on, action, &rule, conditions, &capacities].map(quoted);
            text.push_str(&row.join(","));
            text.push_str("\r\n");
        }
    }
    text
}

/// A cell that reads back as it is. What a spreadsheet would take for a formula is text.
pub(super) fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01010101-0101-0101-0101-010101010101";
    const IF: &str = "context is \"a\"=\"=1\", \"b\"=\"2\"";

    fn analysis() -> AccessAnalysis {
        let json = serde_json::json!({
            "found": [{
                "goal": 1, "goal_name": "plaintext", "count": 2,
                "members": [
                    {"roles": ["administrator"], "names": ["ada"], "count": 1},
                    {"roles": ["security_officer"], "names": ["otto", "olga"], "count": 2},
                ],
                "path": [
                    {"by": "ada", "action": "create_credential", "approved_by": [],
                     "command": "claviger credential create app --certificate FILE"},
                    {"by": "otto", "action": "create_grant", "approved_by": ["carl", "cora"],
                     "command": "claviger grant create app"},
                ],
            }],
            "left_off": 0,
            "named": [
                {"kind": "machine_and_pin", "text": "whoever holds the machine", "names": [], "count": 1,
                 "goals": [1, 2]},
                {"kind": "granted", "text": "these were granted uses", "names": ["gina"], "count": 3,
                 "goals": []},
            ],
            "looked_at": {"persons": 3, "principals": 4, "credentials": 4, "grants": 0, "rings": 1,
                          "strict_rings": 1, "classes": 2},
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn paths_are_shown_command_by_command_with_those_who_approve() {
        assert_eq!(
            shown(&analysis()),
            "goal 1, plaintext: ada (administrator) with otto (security_officer), or any of 1 more with equal rights\n  \
             ada   claviger credential create app --certificate FILE\n  \
             otto  claviger grant create app\n          \
             approved by carl and cora\n\n\
             named, and not counted:\n  \
             whoever holds the machine (goals 1, 2)\n  \
             these were granted uses: gina, 3 in all\n"
        );
        let founder = CounterExample { members: Vec::new(), ..analysis().found.remove(0) };
        assert!(example_text(&founder).starts_with("goal 1, plaintext: whoever ran the set-up\n"));
        let nobody = AccessAnalysis { found: Vec::new(), ..analysis() };
        assert!(shown(&nobody).starts_with("nobody reaches"));
    }

    fn lines() -> Vec<AccessLine> {
        let json = serde_json::json!([
            {"principal": ID, "principal_name": "ada", "on": {"every": {}},
             "actions": ["read_key"], "rule": "role administrator", "capacities": ["ciso", "dpo"]},
            {"principal": ID, "principal_name": "ada", "on": {"every": {"separation": "relaxed"}},
             "actions": ["read_key"], "rule": "role auditor"},
            {"principal": ID, "principal_name": "app", "on": {"key": {"id": ID, "name": "orders/pan"}},
             "actions": ["encrypt", "decrypt"], "rule": "grant", "grant": ID, "conditions": IF},
            {"principal": ID, "principal_name": "app", "on": {"ring": {"id": ID, "name": "orders"}},
             "actions": ["sign"], "rule": "grant", "grant": ID},
            {"principal": ID, "principal_name": "dana", "on": {"every": {}}, "actions": [], "rule": "capacity",
             "capacities": [format!("key_owner:{ID}")]},
        ]);
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn each_action_is_a_line_of_values_that_read_back() {
        let (text, conditions) = (csv(&lines()), IF.replace('"', "\"\""));
        let expected = [
            "principal,on,action,rule,conditions,answers_for".to_owned(),
            "ada,every key,read_key,role administrator,,ciso dpo".to_owned(),
            "ada,every key of relaxed rings,read_key,role auditor,,".to_owned(),
            format!("app,key orders/pan,encrypt,grant {ID},\"{conditions}\","),
            format!("app,key orders/pan,decrypt,grant {ID},\"{conditions}\","),
            format!("app,ring orders,sign,grant {ID},,"),
            format!("dana,none,,capacity,,key_owner:{ID}"),
        ];
        assert_eq!(text, expected.map(|line| line + "\r\n").concat());
        assert_eq!(quoted("=1+1"), "'=1+1");
    }

    #[test]
    fn a_report_of_the_past_says_of_when_it_is() {
        let as_of = serde_json::json!({"at": "2026-03-01T00:00:00Z", "entries": 7});
        let report = Report { as_of: Some(serde_json::from_value(as_of).unwrap()), items: lines() };
        let text = table(&report);
        assert!(text.starts_with("as of 2026-03-01T00:00:00Z, by 7 entries of the log\n"), "{text}");
        assert!(table(&Report { as_of: None, items: Vec::new() }).contains("no rights"));
    }
}
