//! Store, root and ports: at rest, or at work in another process.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use claviger_core::port::store::{BreakGlassCount, EndingPrincipal};
use claviger_core::port::{Clock as _, StoreError};
use claviger_core::principal::Principal;
use claviger_service::{AlertFigures, AlteredRows, ApprovalFigures, ReviewFigures};

use super::{Finding, PIN};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::deployment::Deployment;
use crate::endpoints::Endpoint;
use crate::error::ServerError;
use crate::observe::{
    ALERTS, ALTERED, CUSTODIANS, EMERGENCIES, ENDING_OF_OTHERS, ENDING_OF_ROLES, MISSED, OVERDUE_REVIEWS,
    QUORUM, RECOVERIES, RIGHTS, UNOPENED, UNREVIEWED, UNTOLD,
};
use crate::pki::EXPIRY_WARNING;
use crate::root::blocking;

/// Most bytes of an answer that are read.
const MOST_ANSWER: u64 = 1 << 20;

/// How long a server that is at work may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn all(config: &Config) -> Vec<Finding> {
    match open(config).await {
        Err(ServerError::Store { source: StoreError::Locked, .. }) => {
            let mut findings =
                vec![Finding::ok("store", "a process holds the data directory: the server is at work")];
            findings.push(readiness(config.listen[Endpoint::Metrics]).await);
            findings.extend(recoveries_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(rights_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(ending_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(altered_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(unopened_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(unevaluated_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(approvals_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(alerts_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(untold_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(emergencies_at_work(config.listen[Endpoint::Metrics]).await);
            findings.extend(reviews_at_work(config.listen[Endpoint::Metrics]).await);
            findings
        }
        opened => {
            let log = match &opened {
                Ok(at_rest) => log(at_rest).await,
                Err(_) => Vec::new(),
            };
            let recoveries = recoveries_at_rest(opened.as_ref());
            let rights = rights_at_rest(opened.as_ref());
            let ending = ending_at_rest(opened.as_ref());
            let approvals = approvals_at_rest(opened.as_ref());
            let alerts = alerts_at_rest(opened.as_ref());
            let emergencies = emergencies_at_rest(opened.as_ref());
            let reviews = reviews_at_rest(opened.as_ref());
            let mut findings = vec![at_rest(opened, config)];
            findings.extend(log);
            findings.extend(recoveries);
            findings.extend(rights);
            findings.extend(ending);
            findings.extend(approvals);
            findings.extend(alerts);
            findings.extend(emergencies);
            findings.extend(reviews);
            findings.extend(ports(config));
            findings
        }
    }
}

/// A deployment that nobody serves.
struct AtRest {
    deployment: Deployment,
    is_set_up: bool,
    have_tags: bool,
    unacknowledged: Vec<Principal>,
    ending: Vec<EndingPrincipal>,
    rights_are_unconfirmed: bool,
    /// Nothing of a store that was not set up to its end.
    approvals: Option<ApprovalFigures>,
    alerts: AlertFigures,
    emergencies: BreakGlassCount,
    reviews: ReviewFigures,
}

/// What a start would do first. The root is asked as well, by one attempt.
async fn open(config: &Config) -> Result<AtRest, ServerError> {
    let (deployment, have_tags) = Deployment::look(config).await?;
    let unacknowledged = if have_tags { deployment.unacknowledged().await? } else { Vec::new() };
    let ending = if have_tags { deployment.ending(EXPIRY_WARNING).await? } else { Vec::new() };
    let rights_are_unconfirmed = have_tags && deployment.unconfirmed_rights().await?.is_some();
    let is_set_up = deployment.is_set_up().await?;
    let approvals = match is_set_up && have_tags {
        true => Some(deployment.approval_figures().await?),
        false => None,
    };
    let alerts = match have_tags {
        true => deployment.alert_figures().await?,
        false => AlertFigures::default(),
    };
    let emergencies = match have_tags {
        true => deployment.break_glass_count().await?,
        false => BreakGlassCount::default(),
    };
    let reviews = match have_tags {
        true => deployment.review_figures().await?,
        false => ReviewFigures::default(),
    };
    Ok(AtRest {
        is_set_up,
        have_tags,
        unacknowledged,
        ending,
        rights_are_unconfirmed,
        approvals,
        alerts,
        emergencies,
        reviews,
        deployment,
    })
}

/// Whether a start would take the log for what was signed of it, and decisions would find what rows say.
async fn log(at_rest: &AtRest) -> Vec<Finding> {
    let (size, indexes) = match at_rest.deployment.examine().await {
        Ok(examined) => examined,
        Err(error) => {
            let advice = "keep the data directory as it is, it is evidence; then put the newest state back";
            return vec![Finding::wrong("log", reported(&error), advice)];
        }
    };
    let whole = format!("{size} entries are there, and they are those that were signed");
    let mut findings = vec![Finding::ok("log", whole)];
    if indexes.is_empty() {
        findings.push(Finding::ok("indexes", "the indexes of the store say what its rows say"));
    }
    let advice = "decisions may miss rights, or their end: restore the newest state, and investigate";
    findings.extend(indexes.into_iter().map(|index| Finding::wrong("indexes", index, advice)));
    findings.push(rows(at_rest, size).await);
    findings
}

/// What to do about rows that somebody altered.
const ALTERED_ADVICE: &str = "they are refused: `claviger audit verify` says what differs; keep the data directory, it is evidence, and restore the newest state";
/// Rows that are named.
const MOST_NAMED: usize = 8;

/// Whether rows are as they were written, and all there.
async fn rows(at_rest: &AtRest, log_size: u64) -> Finding {
    if !at_rest.have_tags {
        let message = "an earlier release wrote the store, and its rows have no tags yet";
        return Finding::warning("rows", message, "the next start of this release gives them theirs");
    }
    let AlteredRows { objects, blocks } = match at_rest.deployment.altered_rows(log_size).await {
        Ok(altered) => altered,
        Err(error) => return Finding::wrong("rows", reported(&error), ALTERED_ADVICE),
    };
    if objects.is_empty() && blocks == 0 {
        return Finding::ok("rows", "all rows are as they were written");
    }
    let named: Vec<_> = objects.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let message = match (objects.len(), blocks) {
        (0, blocks) => format!("rows of {blocks} blocks are missing, were put in, or are older ones"),
        (count, _) => {
            let more = if count > MOST_NAMED { ", and others" } else { "" };
            format!("{count} rows are not as they were written: {}{more}", named.join(", "))
        }
    };
    Finding::wrong("rows", message, ALTERED_ADVICE)
}

/// What a server at work says of rows that it read.
async fn altered_at_work(metrics: SocketAddr) -> Option<Finding> {
    let count = number_at_work(metrics, ALTERED).await?;
    let message = format!("{count} times a row was read that is not as it was written");
    Some(Finding::wrong("rows", message, ALTERED_ADVICE))
}

/// What a server at work says of stored secrets that it opened.
async fn unopened_at_work(metrics: SocketAddr) -> Option<Finding> {
    let count = number_at_work(metrics, UNOPENED).await?;
    let message = format!("{count} stored secrets do not open in their place");
    let advice = "`claviger audit scan` names them; keep the data directory, it is evidence, and restore the newest state";
    Some(Finding::wrong("secrets", message, advice))
}

/// What a server at work says of the evaluation of the controls.
async fn unevaluated_at_work(metrics: SocketAddr) -> Option<Finding> {
    number_at_work(metrics, MISSED).await?;
    let message = "the controls were not evaluated when that was due: the log has a gap there";
    let advice = "look at the traces of the server: `journalctl -u claviger` says why it failed";
    Some(Finding::warning("evaluation", message, advice))
}

/// What a server at work says of a number that is not zero.
async fn number_at_work(metrics: SocketAddr, name: &'static str) -> Option<f64> {
    let answer = blocking(move || ask(metrics, "/metrics")).await.ok()?.ok()?;
    let value = |line: &str| line.strip_prefix(name)?.trim().parse::<f64>().ok();
    answer.lines().find_map(value).filter(|count| *count > 0.0)
}

fn recoveries_at_rest(opened: Result<&AtRest, &ServerError>) -> Vec<Finding> {
    let officers = opened.map_or(&[][..], |opened| &opened.unacknowledged);
    let warn = |officer: &Principal| {
        let message = format!("`claviger recover` made the security officer `{}`", officer.name);
        let advice = format!(
            "let another person with a role ask why, and then `claviger principal acknowledge-recovery {0}`; or a custodian: `claviger \
             principal cancel-recovery {0}`",
            officer.name
        );
        Finding::warning("recovery", message, advice)
    };
    officers.iter().map(warn).collect()
}

/// A server at work holds the store: what it says of itself is asked.
async fn recoveries_at_work(metrics: SocketAddr) -> Option<Finding> {
    let count = number_at_work(metrics, RECOVERIES).await?;
    let message =
        format!("`claviger recover` made {count} security officers whom nobody else has acknowledged");
    let advice = "`claviger status` names them; let another person with a role ask why, and then `claviger principal acknowledge-recovery NAME`";
    Some(Finding::warning("recovery", message, advice))
}

/// What is said of approvals: where one person decides alone, and where the absence of one stops everything.
fn approvals(figures: ApprovalFigures) -> Finding {
    let ApprovalFigures { quorum, custodians, .. } = figures;
    if figures.are_off() {
        let message = "nobody must approve what concerns the whole deployment: one person alone gives roles, makes credentials for those who \
                       hold one, and changes rules";
        let advice = "have three custodians, and then `claviger governance set --quorum 2`";
        return Finding::warning("approvals", message, advice);
    }
    if figures.have_no_spare() {
        let message =
            format!("{quorum} custodians must approve, and {custodians} can: the absence of one stops it");
        let enough = u16::from(quorum) + 1;
        let advice = format!(
            "give the role `custodian` to others, until there are {enough} or more; whoever has the role and only a code enrols: \
             `claviger enrol`"
        );
        return Finding::warning("approvals", message, advice);
    }
    Finding::ok("approvals", format!("{quorum} of {custodians} custodians must approve"))
}

fn approvals_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    opened.ok().and_then(|opened| opened.approvals).map(approvals)
}

/// A server at work shows the numbers.
async fn approvals_at_work(metrics: SocketAddr) -> Option<Finding> {
    let numbers = blocking(move || ask(metrics, "/metrics")).await.ok()?.ok()?;
    let number = |name: &str| -> Option<u64> {
        let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        numbers.lines().find_map(of)
    };
    let quorum = u8::try_from(number(QUORUM)?).ok()?;
    Some(approvals(ApprovalFigures { quorum, custodians: number(CUSTODIANS)?, open: 0 }))
}

/// What is said of alerts that nobody has closed.
fn alerts(open: u64) -> Option<Finding> {
    let message = match open {
        0 => return None,
        1 => "1 alert is open".to_owned(),
        open => format!("{open} alerts are open"),
    };
    let advice = "`claviger alert list` says what was found, and `claviger alert show` what to do";
    Some(Finding::warning("alerts", message, advice))
}

fn alerts_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    opened.ok().and_then(|opened| alerts(opened.alerts.total()))
}

/// A server at work shows a number for each rule.
async fn alerts_at_work(metrics: SocketAddr) -> Option<Finding> {
    let numbers = blocking(move || ask(metrics, "/metrics")).await.ok()?.ok()?;
    let of_rule = |line: &str| -> Option<u64> {
        let (_, number) = line.strip_prefix(ALERTS)?.strip_prefix('{')?.split_once("} ")?;
        number.trim().parse().ok()
    };
    alerts(numbers.lines().filter_map(of_rule).sum())
}

/// What a server at work says of those whom it tells of alerts.
async fn untold_at_work(metrics: SocketAddr) -> Option<Finding> {
    let count = number_at_work(metrics, UNTOLD).await?;
    let message = format!("{count} of those who are to be told of alerts are not");
    Some(Finding::warning(
        "alerts",
        message,
        "`claviger status` says who and why; what waits is told once they take it",
    ))
}

/// What is said of emergency access that is open, or that nobody has reviewed.
fn emergencies(count: BreakGlassCount) -> Option<Finding> {
    let BreakGlassCount { open, unreviewed } = count;
    if unreviewed == 0 {
        return None;
    }
    Some(emergency(format!("{open} emergency accesses are open, and {unreviewed} were not reviewed")))
}

fn emergency(message: String) -> Finding {
    let advice = "`claviger break-glass list` says whose, to what and why; another person than who had, opened or approved it reviews it: \
                  `claviger break-glass review`";
    Finding::warning("emergency access", message, advice)
}

fn emergencies_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    opened.ok().and_then(|opened| emergencies(opened.emergencies))
}

/// A server at work shows the numbers.
async fn emergencies_at_work(metrics: SocketAddr) -> Option<Finding> {
    let unreviewed = number_at_work(metrics, UNREVIEWED).await?;
    let open = number_at_work(metrics, EMERGENCIES).await.unwrap_or_default();
    let message = format!("{open} emergency accesses are open, and {unreviewed} were not reviewed");
    Some(emergency(message))
}

fn overdue(message: String) -> Finding {
    let advice = "`claviger access review list` says which; managers decide what is left of it, and a security officer closes it";
    Finding::warning("access reviews", message, advice)
}

fn reviews_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    let ReviewFigures { open, overdue: late } = opened.ok()?.reviews;
    (late > 0).then(|| overdue(format!("{late} of {open} open access reviews should be closed by now")))
}

/// A server at work shows the number.
async fn reviews_at_work(metrics: SocketAddr) -> Option<Finding> {
    let late = number_at_work(metrics, OVERDUE_REVIEWS).await?;
    Some(overdue(format!("{late} open access reviews should be closed by now")))
}

/// What is said of rights that an older release kept.
fn rights_unconfirmed() -> Finding {
    let message = "rights unconfirmed: an earlier release kept them, and nothing says how they came about";
    let advice = "a security officer and an auditor look at all of them: `claviger rights list`, then `claviger rights confirm`";
    Finding::warning("rights", message, advice)
}

fn rights_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    opened.is_ok_and(|opened| opened.rights_are_unconfirmed).then(rights_unconfirmed)
}

async fn rights_at_work(metrics: SocketAddr) -> Option<Finding> {
    number_at_work(metrics, RIGHTS).await.map(|_| rights_unconfirmed())
}

/// What to do about credentials that end soon.
const ENDING_ADVICE: &str = "let each holder renew it: `claviger credential renew`, with `ca.key` beside `ca.crt` meanwhile; see `docs/production.md`, \"Renewal\"";

fn ending_at_rest(opened: Result<&AtRest, &ServerError>) -> Option<Finding> {
    let ending = opened.map_or(&[][..], |opened| &opened.ending);
    let first = ending.first()?;
    let days = first.ends_at.since(SystemClock.now()).as_secs() / 86_400;
    let named = |one: &EndingPrincipal| format!("`{}`", one.name);
    let names: Vec<_> = ending.iter().take(MOST_NAMED).map(named).collect();
    let more = if ending.len() > MOST_NAMED { ", and others" } else { "" };
    let message = format!(
        "the last credentials of {} principals end within 30 days, the first in {days}: {}{more}",
        ending.len(),
        names.join(", ")
    );
    Some(Finding::warning("credentials", message, ENDING_ADVICE))
}

async fn ending_at_work(metrics: SocketAddr) -> Option<Finding> {
    let of_roles = number_at_work(metrics, ENDING_OF_ROLES).await.unwrap_or_default();
    let of_others = number_at_work(metrics, ENDING_OF_OTHERS).await.unwrap_or_default();
    if of_roles + of_others <= 0.0 {
        return None;
    }
    let message = format!(
        "the last credentials of {of_roles} holders of roles and of {of_others} other principals end within 30 days; `claviger status` names them"
    );
    Some(Finding::warning("credentials", message, ENDING_ADVICE))
}

fn at_rest(opened: Result<AtRest, ServerError>, config: &Config) -> Finding {
    let init = format!("claviger init --config {}", config.file.display());
    match opened {
        Ok(AtRest { is_set_up: true, deployment, .. }) => {
            let module = deployment.provider().module().name;
            Finding::ok("store", format!("the store opens, and so does its root ({module})"))
        }
        Ok(AtRest { is_set_up: false, .. }) => {
            Finding::wrong("store", "the set-up was begun and not finished", init)
        }
        Err(error @ (ServerError::NotSetUp { .. } | ServerError::RootMissing)) => {
            Finding::wrong("store", error.to_string(), init)
        }
        Err(error @ ServerError::Store { source: StoreError::LostTail(_), .. }) => Finding::wrong(
            "log",
            error.to_string(),
            "see `docs/production.md`, \"When the newest part is lost\"",
        ),
        Err(error @ ServerError::Store { .. }) => {
            Finding::wrong("store", error.to_string(), "see to the data directory and its disk")
        }
        Err(ServerError::Token(error)) if error.is_about_the_pin() => {
            let advice = "compare the PIN with the one that the token was given; no other attempt was made";
            Finding::wrong(PIN, error.to_string(), advice)
        }
        Err(error) => Finding::wrong(
            "root",
            reported(&error),
            "see to `[root]` in the configuration, and to what it names",
        ),
    }
}

fn reported(error: &ServerError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn ports(config: &Config) -> Vec<Finding> {
    let taken: Vec<_> =
        config.listen.iter().filter_map(|(endpoint, address)| port(endpoint, *address)).collect();
    if taken.is_empty() { vec![Finding::ok("ports", "all addresses are free")] } else { taken }
}

fn port(endpoint: Endpoint, address: SocketAddr) -> Option<Finding> {
    let error = TcpListener::bind(address).err()?;
    let message = format!("`{address}` cannot be listened on: {error}");
    Some(Finding::wrong("ports", message, format!("end what listens there, or change `{}`", endpoint.key())))
}

async fn readiness(metrics: SocketAddr) -> Finding {
    if metrics.port() == 0 {
        let message = "the server listens for watchers on a port that it chose; it was not asked";
        return Finding::warning("server", message, "give `listen.metrics` a port of its own");
    }
    let advice = "look at the traces of the server: `journalctl -u claviger`";
    match blocking(move || ask(metrics, "/readyz")).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => Finding::ok("server", "the server is ready"),
        Ok(Ok(answer)) => {
            let reason = answer.lines().last().unwrap_or("not ready").to_owned();
            Finding::wrong("server", reason, advice)
        }
        Ok(Err(error)) => {
            Finding::wrong("server", format!("no answer from `http://{metrics}/readyz`: {error}"), advice)
        }
        Err(error) => Finding::wrong("server", error.to_string(), advice),
    }
}

fn ask(metrics: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&metrics, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
