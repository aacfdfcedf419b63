//! `claviger alert …`: what the server found that somebody must look at.

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::types::alert::{Alert, AlertAct, ListAlerts, WhichAlerts};
use claviger_core::AlertId;
use claviger_core::alert::AlertRule;

use super::paging::Paging;
use super::reason::{WhyArgs, reported};
use crate::failure::Failure;
use crate::input::word::one_of;
use crate::output::{Table, record};
use crate::session::Session;

/// Commands about alerts.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// List alerts
    List(ListArgs),
    /// Show an alert, with what it means and what to do
    Show(ShowArgs),
    /// Say that you have looked at an alert, and what came of it; it stays open
    ///
    /// Operators, responders and security officers do that. Nobody does it of an alert about themselves.
    Triage(ActArgs),
    /// Close an alert: what it is about is dealt with
    ///
    /// Responders and security officers do that. The same finding raises another alert from then on: at once where something happens
    /// again, the day after where something goes on. Nobody closes an alert about themselves.
    Close(ActArgs),
}

/// Which alerts.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that are not closed, those that are, or all
    #[arg(long, default_value = "open")]
    state: Which,
    /// Only by this rule
    #[arg(long, value_parser = one_of::<AlertRule>(AlertRule::ALL.map(AlertRule::name)))]
    rule: Option<AlertRule>,
    #[command(flatten)]
    paging: Paging,
}

/// A choice of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// All
    All,
    /// Which are closed
    Closed,
    /// Which are not closed
    Open,
}

/// Which alert.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Alert, by id
    #[arg(value_name = "ID")]
    alert: AlertId,
}

/// Which alert, and why.
#[derive(Debug, Args)]
pub struct ActArgs {
    /// Alert, by id
    #[arg(value_name = "ID")]
    alert: AlertId,
    #[command(flatten)]
    why: WhyArgs,
}

impl AlertCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let alert = match self {
            Self::List(args) => return args.run(session).await,
            Self::Show(args) => session.client()?.read_alert(args.alert).await?,
            Self::Triage(args) => session.client()?.triage_alert(args.alert, &args.why.into()).await?,
            Self::Close(args) => session.client()?.close_alert(args.alert, &args.why.into()).await?,
        };
        session.format.print(&alert.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let state = match self.state {
            Which::All => None,
            Which::Closed => Some(WhichAlerts::Closed),
            Which::Open => Some(WhichAlerts::Open),
        };
        let fetch = async |cursor, limit| {
            let (state, rule) = (state.map(Into::into), self.rule.map(Into::into));
            Ok(client.list_alerts(&ListAlerts { state, rule, cursor, limit }).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["id", "rule", "about", "state", "times", "first", "last"];
            let mut table = Table::new("alerts", &heads);
            for one in &page.items {
                table.row([
                    one.id.to_string(),
                    one.rule.to_string(),
                    about(one),
                    one.state.to_string(),
                    one.count.to_string(),
                    one.raised_at.to_string(),
                    one.last_at.to_string(),
                ]);
            }
            table.text()
        })
    }
}

/// What an alert is about: by its name where there is one, which says more than an identifier.
fn about(alert: &Alert) -> String {
    match (&alert.subject, &alert.subject_name) {
        (None, _) => "the deployment".to_owned(),
        (Some(subject), None) => subject.to_string(),
        (Some(subject), Some(name)) => format!("{} `{name}`", subject.kind()),
    }
}

/// One alert, as people are shown it.
fn table(alert: &Alert) -> String {
    let mut rows = vec![
        ("alert", alert.id.to_string()),
        ("rule", alert.rule.to_string()),
        ("about", about(alert)),
        ("by identifier", alert.subject.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("what to do", alert.advice.clone()),
        ("state", alert.state.to_string()),
        ("found", times(alert)),
        ("looked at", done(alert.triaged.as_ref())),
        ("closed", done(alert.closed.as_ref())),
        ("reason", reported(alert.reason.as_ref())),
        ("revision", alert.revision.to_string()),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    record(&rows)
}

fn times(alert: &Alert) -> String {
    match alert.count {
        1 => format!("once, at {}", alert.raised_at),
        count => format!("{count} times, from {} to {}", alert.raised_at, alert.last_at),
    }
}

fn done(act: Option<&AlertAct>) -> String {
    let Some(AlertAct { by, at }) = act else { return String::new() };
    let by = by.name.as_ref().map_or_else(|| by.id.to_string(), ToString::to_string);
    format!("at {at} by {by}")
}

#[cfg(test)]
mod tests {
    use claviger_client::types::alert::AlertState;
    use claviger_client::types::approval::NamedPrincipal;
    use claviger_client::types::{Instant, Pairs, Reason};
    use claviger_core::object::Object;
    use claviger_core::{KeyId, PrincipalId};

    use super::*;

    fn alert() -> Alert {
        let at: Instant = "2026-11-23T10:00:00Z".parse().unwrap();
        let rule = AlertRule::UseWhileDestroying;
        Alert {
            id: AlertId::from_bytes([1; 16]).into(),
            rule: rule.into(),
            advice: rule.advice().to_owned(),
            state: AlertState::Open.into(),
            subject: Some(Object::Key(KeyId::from_bytes([2; 16])).into()),
            subject_name: Some("orders/main".into()),
            raised_at: at,
            last_at: at,
            count: 1,
            triaged: None,
            closed: None,
            reason: None,
            names: Pairs::default(),
            revision: 1,
        }
    }

    #[test]
    fn what_it_is_about_is_called_by_name_and_known_by_identifier() {
        let text = table(&alert());
        assert!(text.contains("key `orders/main`") && text.contains("key 02020202-"), "{text}");
        assert!(
            text.contains("once, at 2026-11-23T10:00:00Z") && text.contains("claviger audit search"),
            "{text}"
        );
        assert!(!text.contains("closed") && !text.contains("reason"), "{text}");
        let unnamed = Alert { subject_name: None, ..alert() };
        assert_eq!(about(&unnamed), "key 02020202-0202-0202-0202-020202020202");
        assert_eq!(about(&Alert { subject: None, ..alert() }), "the deployment");
    }

    #[test]
    fn who_looked_at_it_and_closed_it_is_shown_with_the_reason() {
        let at: Instant = "2026-11-24T10:00:00Z".parse().unwrap();
        let id = PrincipalId::from_bytes([3; 16]).into();
        let act = |name: Option<&str>| {
            Some(AlertAct { by: NamedPrincipal { id, name: name.map(|name| name.parse().unwrap()) }, at })
        };
        let reason = Some(Reason { text: Some("ticket 4711".into()), ..Reason::default() });
        let closed = Alert {
            state: AlertState::Closed.into(),
            count: 3,
            last_at: at,
            triaged: act(Some("operator")),
            closed: act(None),
            reason,
            ..alert()
        };
        let text = table(&closed);
        assert!(text.contains("3 times, from 2026-11-23T10:00:00Z to 2026-11-24T10:00:00Z"), "{text}");
        assert!(text.contains("by operator") && text.contains("by 03030303-"), "{text}");
        assert!(text.contains("ticket 4711"), "{text}");
    }
}
