//! `claviger status`.

use claviger_client::types::system::{
    AlertFigures, AlertReceiver, ApprovalFigures, BreakGlassFigures, CredentialEnding, EvaluationState,
    NewestScan, OpenAlerts, ReviewFigures, SystemStatus,
};

use super::rights;
use crate::failure::Failure;
use crate::output::record;
use crate::session::Session;

pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let answer = session.client()?.read_system().await?;
    session.format.print(&answer.value, table)
}

fn table(status: &SystemStatus) -> String {
    let yes_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let module = &status.module;
    let health = status.provider.as_ref().map_or_else(
        || "DOES NOT ANSWER".to_owned(),
        |health| match (health.self_test_ok, health.root_ok) {
            (true, true) => "answers, self-tests passed".to_owned(),
            (false, _) => "SELF-TESTS FAILED".to_owned(),
            (true, false) => "ROOT DOES NOT ANSWER".to_owned(),
        },
    );
    let mut text = record(&[
        ("deployment", status.deployment.clone()),
        ("environment", status.environment.clone().unwrap_or_else(|| "not said".to_owned())),
        ("root", module.kind.clone()),
        ("root key in hardware", yes_no(module.root_in_token)),
        ("module", module.name.clone()),
        ("token", module.token.clone().unwrap_or_default()),
        ("library", module.library.clone()),
        ("FIPS build", yes_no(module.fips)),
        ("provider", health),
        ("incarnation", status.incarnation.to_string()),
        ("fence epoch", status.epoch.to_string()),
        ("log", format!("{}, {} entries", status.log_origin, status.log_size)),
        (
            "root log",
            format!("{} cuts, {} of them signed", status.root_log_size, status.signed_root_log_size),
        ),
        (
            "disk",
            status.space.free_bytes.map_or_else(
                || "free space not known".to_owned(),
                |free| {
                    format!("{} MiB free, {} MiB kept free", free >> 20, status.space.min_free_bytes >> 20)
                },
            ),
        ),
        ("approvals", approvals_of(status)),
        ("alerts", alerts_of(&status.alerts)),
        ("rows", rows_of(status)),
        ("stored secrets", secrets_of(status)),
        ("evaluation", evaluation_of(status)),
        ("node", node_of(status)),
    ]);
    if status.rows.altered > 0 {
        let altered = status.rows.altered;
        text.push_str(&format!(
            "ALTERED: {altered} times a row was read that somebody changed in the database; such rows are refused, `audit verify` says which\n"
        ));
    }
    if let Some(scan) = status.scan.as_ref().filter(|scan| scan.failed > 0) {
        let NewestScan { at, failed, .. } = scan;
        text.push_str(&format!(
            "SECRETS DO NOT OPEN: {failed} of those that are stored, at {at}; `audit scan` names them\n"
        ));
    }
    for insecure in &status.insecure {
        text.push_str(&format!("INSECURE: {insecure}\n"));
    }
    if status.evaluation.missed {
        let failed = status.evaluation.failed;
        text.push_str(&format!(
            "NOT EVALUATED: the controls were not evaluated when that was due, {failed} attempts failed since the start; the traces of the server say why\n"
        ));
    }
    if let Some(at) = status.clock.held_at {
        let ahead = status.clock.ahead_seconds;
        text.push_str(&format!(
            "CLOCK: nothing is destroyed or deleted since {at}: the clock moved too far between starts, and is {ahead} s ahead; \
             see to it, then `clock confirm`\n"
        ));
    } else if status.clock.ahead_seconds > 60 {
        let ahead = status.clock.ahead_seconds;
        text.push_str(&format!(
            "CLOCK: {ahead} s ahead of the log's time, by which keys are destroyed; `clock confirm` if it is right\n"
        ));
    }
    if status.blocked_destructions > 0 {
        let blocked = status.blocked_destructions;
        text.push_str(&format!("BLOCKED: {blocked} scheduled destructions; `key show` says why\n"));
    }
    let space = &status.space;
    if space.room != "plenty" {
        let refused = space.refused;
        text.push_str(&format!(
            "DISK NEARLY FULL: only calls that restrict are recorded ({refused} others were refused); free some space\n"
        ));
    }
    if space.reserve_bytes > 0 && !space.reserve_held {
        text.push_str(
            "RESERVE IN USE: what was set aside for a full disk is made again once there is room\n",
        );
    }
    if status.relaxed_rings > 0 {
        let rings = status.relaxed_rings;
        text.push_str(&format!("RELAXED: separation of duties in {rings} rings; `ring list` names them\n"));
    }
    text.push_str(&approvals_warning(status));
    text.push_str(&emergencies(status.break_glass));
    text.push_str(&overdue(status));
    text.push_str(&alerts_warning(&status.alerts));
    for officer in &status.unacknowledged_recoveries {
        text.push_str(&format!(
            "RECOVERED: security officer `{officer}` was made on the machine; `principal acknowledge-recovery {officer}` by another person, or \
             `principal cancel-recovery {officer}` by a custodian\n"
        ));
    }
    for ending in &status.credentials_ending {
        let CredentialEnding { principal, ends_at, .. } = ending;
        text.push_str(&format!(
            "ENDING: the last credential of `{principal}` at {ends_at}; its holder renews it: `credential renew`\n"
        ));
    }
    if let Some(review) = &status.unconfirmed_rights {
        let missing = rights::missing(review);
        text.push_str(&format!(
            "RIGHTS UNCONFIRMED: an older release kept them, {missing}; `rights list`, then `rights confirm`\n"
        ));
    }
    text
}

fn approvals_of(status: &SystemStatus) -> String {
    let Some(ApprovalFigures { quorum, custodians, open }) = status.approvals else {
        return "NOT KNOWN: somebody edited a row that says so".to_owned();
    };
    let waiting = match open {
        0 => "none waits".to_owned(),
        open => format!("{open} wait: `approval list`"),
    };
    match quorum {
        0 => format!("asked of nobody for the whole deployment; {waiting}"),
        quorum => format!("{quorum} of {custodians} custodians for the whole deployment; {waiting}"),
    }
}

/// Where one person decides alone, and where the absence of one stops everything.
fn approvals_warning(status: &SystemStatus) -> String {
    match status.approvals {
        Some(ApprovalFigures { quorum: 0, .. }) => {
            "NO APPROVALS: one person alone gives roles, makes credentials for those who hold one, and changes rules; `governance set --quorum 2` \
             changes that\n"
                .to_owned()
        }
        Some(ApprovalFigures { quorum, custodians, .. }) if custodians <= u64::from(quorum) => format!(
            "FEW CUSTODIANS: {quorum} must approve, and {custodians} can: the absence of one stops it; give another person the role `custodian`\n"
        ),
        Some(_) | None => String::new(),
    }
}

fn alerts_of(figures: &AlertFigures) -> String {
    let told = match figures.receivers.len() {
        0 => "nobody is told".to_owned(),
        1 => "1 receiver is told".to_owned(),
        receivers => format!("{receivers} receivers are told"),
    };
    match figures.open {
        0 => format!("none open; {told}"),
        open => format!("{open} open; {told}"),
    }
}

/// What somebody must look at, and who is not told of it.
fn alerts_warning(figures: &AlertFigures) -> String {
    let mut text = String::new();
    if figures.open > 0 {
        let by = |OpenAlerts { rule, open }: &OpenAlerts| format!("{open} {rule}");
        let by: Vec<_> = figures.by_rule.iter().map(by).collect();
        let (open, by) = (figures.open, by.join(", "));
        text.push_str(&format!("ALERTS: {open} open ({by}); `alert list`\n"));
    }
    if figures.unraised > 0 {
        let unraised = figures.unraised;
        text.push_str(&format!(
            "TOO MANY ALERTS: {unraised} findings raised none since the start; the log has them; close what is dealt with\n"
        ));
    }
    for receiver in &figures.receivers {
        let AlertReceiver { name, waiting, failing_since, failure, .. } = receiver;
        let (Some(since), Some(failure)) = (failing_since, failure) else { continue };
        text.push_str(&format!(
            "NOT TOLD: {name} takes no alerts since {since}, {waiting} wait: {failure}\n"
        ));
    }
    text
}

/// Emergency access that is open, or that nobody has reviewed since it ended.
fn emergencies(figures: BreakGlassFigures) -> String {
    let BreakGlassFigures { open, unreviewed } = figures;
    let mut text = String::new();
    if open > 0 {
        text.push_str(&format!(
            "EMERGENCY ACCESS: {open} open; `break-glass list` says whose, to what and why\n"
        ));
    }
    match unreviewed.saturating_sub(open) {
        0 => {}
        ended => text.push_str(&format!(
            "NOT REVIEWED: {ended} emergency accesses that have ended; another person than who had, opened or approved it: `break-glass review`\n"
        )),
    }
    text
}

/// Access reviews that should be closed.
fn overdue(status: &SystemStatus) -> String {
    match status.reviews {
        None => "REVIEWS NOT KNOWN: somebody edited a row that says how they stand\n".to_owned(),
        Some(ReviewFigures { overdue: 0, .. }) => String::new(),
        Some(ReviewFigures { open, overdue }) => {
            format!("OVERDUE: {overdue} of {open} open access reviews; `access review list` says which\n")
        }
    }
}

fn node_of(status: &SystemStatus) -> String {
    let Some(node) = &status.node else { return "not said".to_owned() };
    format!(
        "release {}, {}; SHA-256 of program {}, of configuration {}",
        node.release, node.mode, node.build, node.configuration
    )
}

fn secrets_of(status: &SystemStatus) -> String {
    match &status.scan {
        Some(NewestScan { at, scanned, failed }) => {
            format!("{} of {scanned} open in their place, at {at}", scanned.saturating_sub(*failed))
        }
        None => "not opened since the start".to_owned(),
    }
}

fn evaluation_of(status: &SystemStatus) -> String {
    let EvaluationState { recorded_at, entry, .. } = &status.evaluation;
    match (recorded_at, entry) {
        (Some(at), Some(entry)) => format!("at {at}, entry {entry}"),
        (Some(at), None) => format!("at {at}"),
        (None, _) => "none recorded yet".to_owned(),
    }
}

fn rows_of(status: &SystemStatus) -> String {
    let rows = &status.rows;
    if rows.done {
        format!("all {} held against their tags", rows.checked)
    } else {
        format!("{} of {} held against their tags since the start", rows.checked, rows.total)
    }
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Instant;
    use claviger_client::types::rights::RightsReview;
    use claviger_client::types::system::{LogClock, Module, Rows, Space};
    use claviger_core::alert::AlertRule;

    use super::*;

    #[test]
    fn what_weakens_security_is_never_left_out() {
        let module = Module {
            kind: "software".into(),
            name: "AWS-LC".into(),
            token: None,
            root_in_token: false,
            library: "aws-lc 5.1.0 (not FIPS)".into(),
            fips: false,
        };
        let at: Instant = "2026-11-23T10:00:00Z".parse().unwrap();
        let status = SystemStatus {
            deployment: "d".into(),
            environment: Some("production".into()),
            incarnation: 1,
            epoch: 2,
            log_origin: "d/audit/1".into(),
            log_size: 3,
            root_log_size: 4,
            signed_root_log_size: 4,
            relaxed_rings: 1,
            blocked_destructions: 1,
            approvals: Some(ApprovalFigures { quorum: 2, custodians: 2, open: 3 }),
            reviews: Some(ReviewFigures { open: 3, overdue: 2 }),
            break_glass: BreakGlassFigures { open: 1, unreviewed: 3 },
            alerts: AlertFigures {
                open: 3,
                by_rule: vec![
                    OpenAlerts { rule: AlertRule::CompromiseBurst.into(), open: 1 },
                    OpenAlerts { rule: AlertRule::JobOverdue.into(), open: 2 },
                ],
                unraised: 9,
                receivers: vec![AlertReceiver {
                    name: "https://alerts.example.org:443".into(),
                    waiting: 2,
                    delivered: 5,
                    failed: 1,
                    failing_since: Some(at),
                    failure: Some("it answered 503".into()),
                }],
            },
            clock: LogClock { log_time: at, ahead_seconds: 7200, held_at: Some(at) },
            unacknowledged_recoveries: vec!["officer-3".into()],
            credentials_ending: vec![CredentialEnding {
                principal: "auditor".into(),
                holds_role: true,
                ends_at: at,
            }],
            unconfirmed_rights: Some(RightsReview {
                confirmed: false,
                opened_at: at,
                digest: None,
                security_officer: None,
                auditor: None,
            }),
            node: None,
            space: Space {
                room: "reserve".into(),
                free_bytes: Some(5 << 20),
                min_free_bytes: 256 << 20,
                reserve_bytes: 64 << 20,
                reserve_held: false,
                refused: 7,
            },
            rows: Rows { total: 9, checked: 5, done: false, altered: 2 },
            scan: Some(NewestScan { at, scanned: 8, failed: 3 }),
            evaluation: EvaluationState { recorded_at: Some(at), entry: Some(7), missed: true, failed: 4 },
            module,
            insecure: vec!["insecure_software_root".into()],
            provider: None,
        };
        let text = table(&status);
        assert!(
            text.contains("2 of 2 custodians for the whole deployment; 3 wait: `approval list`")
                && text.contains("FEW CUSTODIANS: 2 must approve, and 2 can")
                && text.contains("EMERGENCY ACCESS: 1 open")
                && text.contains("OVERDUE: 2 of 3 open access reviews")
                && text.contains("NOT REVIEWED: 2 emergency accesses"),
            "{text}"
        );
        assert!(
            text.contains("3 open; 1 receiver is told")
                && text.contains("ALERTS: 3 open (1 compromise_burst, 2 job_overdue); `alert list`")
                && text.contains("TOO MANY ALERTS: 9 findings")
                && text.contains("NOT TOLD: https://alerts.example.org:443 takes no alerts since 2026-11-23T10:00:00Z, 2 wait: it answered 503"),
            "{text}"
        );
        let without = table(&SystemStatus { alerts: AlertFigures::default(), ..status.clone() });
        assert!(without.contains("none open; nobody is told") && !without.contains("ALERTS: "), "{without}");
        let with = |quorum, custodians| {
            let approvals = Some(ApprovalFigures { quorum, custodians, open: 0 });
            table(&SystemStatus { approvals, ..status.clone() })
        };
        assert!(with(0, 3).contains("NO APPROVALS: ") && !with(0, 3).contains("FEW CUSTODIANS"));
        assert!(!with(2, 3).contains("NO APPROVALS") && !with(2, 3).contains("FEW CUSTODIANS"));
        assert!(table(&SystemStatus { approvals: None, ..status.clone() }).contains("NOT KNOWN"));
        let quiet = SystemStatus {
            break_glass: BreakGlassFigures::default(),
            reviews: Some(ReviewFigures { open: 3, overdue: 0 }),
            ..status.clone()
        };
        let quiet = table(&quiet);
        assert!(!quiet.contains("EMERGENCY ACCESS") && !quiet.contains("NOT REVIEWED"), "{quiet}");
        assert!(!quiet.contains("OVERDUE"), "{quiet}");
        assert!(table(&SystemStatus { reviews: None, ..status.clone() }).contains("REVIEWS NOT KNOWN"));
        assert!(
            text.contains("INSECURE: insecure_software_root")
                && text.contains("RELAXED: ")
                && text.contains("ALTERED: 2 times")
                && text.contains("5 of 9 held against")
                && text.contains("5 of 8 open in their place")
                && text.contains("SECRETS DO NOT OPEN: 3 of ")
                && text.contains("at 2026-11-23T10:00:00Z, entry 7")
                && text.contains("NOT EVALUATED: ")
                && text.contains("4 attempts failed")
                && text.contains("CLOCK: nothing is destroyed")
                && text.contains("BLOCKED: 1 ")
                && text.contains("RECOVERED: security officer `officer-3`")
                && text.contains("ENDING: the last credential of `auditor` at 2026-11-23T10:00:00Z")
                && text.contains("RIGHTS UNCONFIRMED: ")
                && text.contains("no security officer has confirmed, no auditor has confirmed")
                && text.contains("DISK NEARLY FULL: ")
                && text.contains("(7 others were refused)")
                && text.contains("RESERVE IN USE: ")
                && text.contains("DOES NOT ANSWER"),
            "{text}"
        );
    }
}
