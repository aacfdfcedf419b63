//! Alerts: somebody says that they have looked at one, or closes it; everybody with a role reads them. The server alone raises them.
//!
//! What it keeps true: nobody looks at, or closes, an alert that is about themselves; it is looked at once and closed once, each with a reason.

use claviger_access::authn::access_key::instant;
use claviger_core::alert::{Alert, AlertAct, AlertRule};
use claviger_core::change::Change;
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::port::store::{AlertFilter, Page};
use claviger_core::{Action, AlertId, PrincipalId, Target};

use super::Identified;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::Class;

/// An alert, with what there is to say of what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableAlert {
    /// The row.
    pub row: Alert,
    /// Whose the thing is that it is about: the principal itself, of a credential its principal, of emergency access its holder.
    pub whose: Option<PrincipalId>,
    /// May the reader know how keys and rings are called?
    pub shows_keys: bool,
}

impl ReadableAlert {
    async fn read(row: Alert, shows_keys: bool, view: &View<'_>) -> Result<Self, ServiceError> {
        let whose = match row.subject {
            Some(Object::Principal(id)) => Some(id),
            Some(Object::Credential(id)) => {
                unless_altered(view.store().find_credential(id).await)?.map(|credential| credential.principal)
            }
            Some(Object::BreakGlass(id)) => {
                unless_altered(view.store().find_break_glass(id).await)?.map(|access| access.holder)
            }
            _ => None,
        };
        Ok(Self { row, whose, shows_keys })
    }

    /// What the thing is called by that it is about: by its own name, or by that of whose it is.
    #[must_use]
    pub fn called_by(&self) -> Option<Identified> {
        let key = match self.row.subject? {
            Object::Key(id) => Some(Identified::Key(id)),
            Object::Version(id) => Some(Identified::Key(id.key)),
            Object::Ring(id) => Some(Identified::Ring(id)),
            _ => None,
        };
        key.filter(|_| self.shows_keys).or(self.whose.map(Identified::Principal))
    }
}

/// What is altered may be the very thing that an alert is about: it is shown without it.
fn unless_altered<T>(found: Result<Option<T>, StoreError>) -> Result<Option<T>, ServiceError> {
    match found {
        Err(StoreError::RowAltered(_)) => Ok(None),
        found => Ok(found?),
    }
}

/// May the caller know how keys are called? Who watches over the system may not.
async fn shows_keys(view: &View<'_>) -> Result<bool, ServiceError> {
    view.allows(Action::ListKeys, &Target::System).await
}

/// Says that the caller has looked at an alert, and what came of it.
#[derive(Debug)]
pub struct TriageAlert {
    /// The alert.
    pub alert: AlertId,
}

impl Operation for TriageAlert {
    type Output = ReadableAlert;

    fn action(&self) -> Action {
        Action::TriageAlert
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableAlert>, ServiceError> {
        let row = find(self.alert, view).await?;
        let by = view.caller.principal().id;
        if row.triaged.is_some_and(|triaged| triaged.by == by) {
            return once_more(row, view).await;
        }
        if let Some(before) = row.triaged.or(row.closed) {
            let message = format!("somebody has looked at it before, at {}", instant::format(before.at));
            return Err(ServiceError::new(ErrorKind::WrongState, message));
        }
        check_apart(&row, view).await?;
        let triaged = Some(AlertAct { by, at: view.now });
        let asked = Governed::TriageAlert { alert: row.id, reason: view.reason() };
        changing(asked, Alert { triaged, reason: view.why, ..row }, view).await
    }
}

/// Closes an alert: what it is about is dealt with. The same finding raises another one from then on.
#[derive(Debug)]
pub struct CloseAlert {
    /// The alert.
    pub alert: AlertId,
}

impl Operation for CloseAlert {
    type Output = ReadableAlert;

    fn action(&self) -> Action {
        Action::CloseAlert
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableAlert>, ServiceError> {
        let row = find(self.alert, view).await?;
        let by = view.caller.principal().id;
        match row.closed {
            Some(closed) if closed.by == by => return once_more(row, view).await,
            Some(closed) => {
                let message = format!("somebody has closed it, at {}", instant::format(closed.at));
                return Err(ServiceError::new(ErrorKind::WrongState, message));
            }
            None => check_apart(&row, view).await?,
        }
        let closed = Some(AlertAct { by, at: view.now });
        let asked = Governed::CloseAlert { alert: row.id, reason: view.reason() };
        changing(asked, Alert { closed, reason: view.why, ..row }, view).await
    }
}

/// Reads an alert.
#[derive(Debug)]
pub struct ReadAlert {
    /// The alert to read.
    pub alert: AlertId,
}

impl Operation for ReadAlert {
    type Output = ReadableAlert;

    fn action(&self) -> Action {
        Action::ReadAlert
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReadableAlert>, ServiceError> {
        once_more(find(self.alert, view).await?, view).await
    }
}

/// Lists alerts in the order of their identifiers.
#[derive(Debug)]
pub struct ListAlerts {
    /// Which.
    pub filter: AlertFilter,
    /// The page of the list.
    pub page: Page<AlertId>,
}

impl ListAlerts {
    /// Of which state, by which rule.
    #[must_use]
    pub fn new(open: Option<bool>, rule: Option<AlertRule>, page: Page<AlertId>) -> Self {
        Self { filter: AlertFilter { open, rule, subject: None }, page }
    }
}

impl Operation for ListAlerts {
    type Output = Vec<ReadableAlert>;

    fn action(&self) -> Action {
        Action::ReadAlert
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<ReadableAlert>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let (shows_keys, mut read) = (shows_keys(view).await?, Vec::new());
        for row in view.store().list_alerts(self.filter, self.page.clone()).await? {
            read.push(ReadableAlert::read(row, shows_keys, view).await?);
        }
        Ok(Staged::reading(read, view.detail()))
    }
}

async fn find(id: AlertId, view: &View<'_>) -> Result<Alert, ServiceError> {
    view.store().find_alert(id).await?.ok_or_else(ServiceError::not_found)
}

fn detail(row: &Alert, view: &View<'_>) -> EntryDetail {
    EntryDetail { reference: reference(&[row.id.as_bytes()]), ..view.detail() }
}

/// The alert as it stands. Once more changes nothing, and says so by the revision.
async fn once_more(row: Alert, view: &View<'_>) -> Result<Staged<ReadableAlert>, ServiceError> {
    let (shows_keys, detail) = (shows_keys(view).await?, detail(&row, view));
    Ok(Staged::reading(ReadableAlert::read(row, shows_keys, view).await?, detail))
}

async fn changing(
    asked: Governed,
    row: Alert,
    view: &View<'_>,
) -> Result<Staged<ReadableAlert>, ServiceError> {
    let (shows_keys, detail) = (shows_keys(view).await?, detail(&row, view));
    let changes = vec![Change::PutAlert(row.clone())];
    let written = Alert { revision: row.revision + 1, ..row };
    Ok(Staged::changing(asked, ReadableAlert::read(written, shows_keys, view).await?, changes, detail))
}

/// Nobody says of an alert about themselves that all is well.
async fn check_apart(row: &Alert, view: &View<'_>) -> Result<(), ServiceError> {
    let about = match row.subject {
        Some(Object::Principal(id)) => vec![id],
        Some(Object::BreakGlass(id)) => {
            let access = view.store().find_break_glass(id).await?;
            access.map(|access| vec![access.holder, access.opened_by]).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let person = view.caller.principal().person();
    for one in about {
        if view.state.person_of(one).await? == person {
            let message =
                "it is about yourself, or about what you did: another person looks at it and closes it";
            return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
        }
    }
    Ok(())
}
