//! Alerts: what the server found that somebody must look at.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval::NamedPrincipal;
use super::text::{AlertIdText, AlertRuleWord, AlertStateWord, ObjectText, WhichAlertsWord};
use super::{Instant, Pairs, Reason};

/// How an alert stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AlertState {
    /// What it is about is dealt with.
    Closed,
    /// Nobody has looked at it.
    Open,
    /// Somebody has looked at it, and it is not closed.
    Triaged,
}

claviger_core::named! {
    /// Text that is not the state of an alert.
    AlertState, "the state of an alert" {
        Closed = "closed",
        Open = "open",
        Triaged = "triaged",
    }
}

/// Which alerts a list has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WhichAlerts {
    /// Those that are closed.
    Closed,
    /// Those that are not, whether or not somebody has looked at them.
    Open,
}

claviger_core::named! {
    /// Text that does not say which alerts.
    WhichAlerts, "a choice of alerts" {
        Closed = "closed",
        Open = "open",
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its identifier.
    pub id: AlertIdText,
    /// What raised it.
    pub rule: AlertRuleWord,
    /// What that means, and what to do.
    #[schema(example = "its holder renews it: `claviger credential renew`")]
    pub advice: String,
    /// How it stands.
    pub state: AlertStateWord,
    /// What it is about; `null` where it is about the whole deployment.
    #[schema(required)]
    pub subject: Option<ObjectText>,
    /// What that is called, or whose it is; `null` where it has no name, where none can be read, and where it is a key or a ring and the caller
    /// may not know how those are called.
    #[serde(default)]
    #[schema(example = "orders/main", required)]
    pub subject_name: Option<String>,
    /// When it was first found.
    pub raised_at: Instant,
    /// When it was last found.
    pub last_at: Instant,
    /// How often. What happens again and again is counted there within a minute, what goes on once a day.
    pub count: u64,
    /// That somebody looked at it; `null` before.
    #[schema(required)]
    pub triaged: Option<AlertAct>,
    /// That somebody closed it; `null` before.
    #[schema(required)]
    pub closed: Option<AlertAct>,
    /// What was said when it was looked at or closed, whichever came last. Absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Names of what is here by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// What somebody did with an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertAct {
    /// Who.
    pub by: NamedPrincipal,
    /// When.
    pub at: Instant,
}

/// Which alerts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAlerts {
    /// Only those that are not closed (`open`), or that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WhichAlertsWord>,
    /// Only by this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<AlertRuleWord>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
