//! Who did what: entries of the log with who they are of, and what of that is given to others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use claviger_audit::fact::{Object, Projection};
use claviger_audit::session::{DisclosedName, DisclosedSession, Level};
use claviger_core::object::Kind;
use claviger_core::principal::Principal;
use claviger_core::reason::Why;
use claviger_core::target::Target;
use claviger_core::{Action, CredentialId, KeyId, PrincipalId};

use super::{HasCaptions, Identified, Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::log::search::{Of, Search};
use crate::log::who::Principals;
use crate::log::{EntryFilter, KnownCaller, SearchPage, SessionOf, name_damage};
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Most entries of a page.
const MOST_ENTRIES: u32 = 1000;

/// Finds entries with who they are of. What is asked for is in the entry of the call.
#[derive(Debug)]
pub struct SearchAudit {
    /// From this index on.
    pub from: u64,
    /// The size of the log that is searched: that of the first page. Without one, or beyond the log, its size now.
    pub size: Option<u64>,
    /// At most so many: up to 1,000.
    pub limit: u32,
    /// Which entries are wanted.
    pub filter: EntryFilter,
    /// Only of this principal.
    pub principal: Option<PrincipalRef>,
    /// Only under this credential.
    pub credential: Option<CredentialId>,
}

impl Operation for SearchAudit {
    type Output = SearchPage;

    fn action(&self) -> Action {
        Action::SearchAudit
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<SearchPage>, ServiceError> {
        let of = self.of(view).await?;
        let asked = match &of {
            Some(Of { credential: Some(id), .. }) => Some(Object::Credential(*id)),
            Some(of) => Some(Object::Principal(of.principal)),
            None => None,
        };
        let (now, _) = view.log.sizes().await?;
        let search = Search {
            from: self.from,
            size: self.size.map_or(now, |size| size.min(now)),
            limit: self.limit.min(MOST_ENTRIES),
            filter: self.filter.clone(),
            of,
        };
        let (log, principals) = (view.log.clone(), principals(view));
        let mut page = view
            .work(Class::Scan, move |at| log.search(at, &principals, &search).map_err(name_damage))
            .await?;
        name_callers(view, &mut page).await?;
        let detail = EntryDetail {
            key: self.filter.key,
            reference: asked.and_then(|asked| reference(&[&[asked.kind().code()], &asked.id()])),
            ..EntryDetail::default()
        };
        Ok(Staged::reading(page, detail))
    }
}

impl SearchAudit {
    /// Whose entries are asked for.
    async fn of(&self, view: &View<'_>) -> Result<Option<Of>, ServiceError> {
        let asked = match &self.principal {
            Some(principal) => Some(view.state.principal(principal).await?.id),
            None => None,
        };
        let Some(id) = self.credential else {
            let Some(principal) = asked else { return Ok(None) };
            let credentials = view.credentials_of(principal).await?;
            let credentials = credentials.into_iter().map(|credential| credential.id).collect();
            return self.findable(view, Of { principal, credential: None, credentials }).await;
        };
        let credential = view.store().find_credential(id).await?.ok_or_else(ServiceError::not_found)?;
        let principal = credential.principal;
        if asked.is_some_and(|asked| asked != principal) {
            return Err(ServiceError::invalid("the credential is another principal's"));
        }
        self.findable(view, Of { principal, credential: Some(id), credentials: BTreeSet::from([id]) }).await
    }

    /// Refuses to say that somebody did nothing whose entries cannot be found any more.
    async fn findable(&self, view: &View<'_>, of: Of) -> Result<Option<Of>, ServiceError> {
        let name = Object::Principal(of.principal).veil_name();
        let key = match name {
            Some(name) => view.state.find_sound_veil(name).await?,
            None => None,
        };
        if key.is_some() {
            return Ok(Some(of));
        }
        let message = "what leads from the log to this principal was erased, so its entries cannot be found";
        Err(ServiceError::new(ErrorKind::NotFound, message))
    }
}

/// The keys of principals and other objects, for jobs.
pub(super) fn principals(view: &View<'_>) -> Principals {
    Principals { store: view.log.store(), veils: view.state.veils.clone() }
}

/// Puts names to the callers of a page, if the caller may read them.
async fn name_callers(view: &View<'_>, page: &mut SearchPage) -> Result<(), ServiceError> {
    if !view.allows(Action::ReadPrincipal, &Target::System).await? {
        return Ok(());
    }
    let callers = page.entries.iter().filter_map(|entry| match &entry.session {
        Some(SessionOf::Known(caller)) => Some(caller.principal),
        _ => None,
    });
    let mut named: BTreeMap<PrincipalId, Principal> = BTreeMap::new();
    for id in callers.collect::<BTreeSet<_>>() {
        // A row that does not hold names nobody.
        if let Ok(Some(principal)) = view.store().find_principal(id).await {
            named.insert(id, principal);
        }
    }
    for entry in &mut page.entries {
        let Some(SessionOf::Known(caller)) = &mut entry.session else { continue };
        let Some(principal) = named.get(&caller.principal) else { continue };
        let (name, kind) = (Some(principal.name.clone()), Some(principal.kind));
        *caller = Arc::new(KnownCaller { name, kind, ..KnownCaller::clone(caller) });
    }
    Ok(())
}

impl HasCaptions for SearchPage {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.entries.iter().map(|entry| entry.found.why)
    }

    fn identified(&self) -> Vec<Identified> {
        self.entries.iter().filter_map(|entry| entry.found.key()).map(Identified::Key).collect()
    }
}

/// Discloses who stands behind entries: openings of what their sessions commit to, for whoever holds the log.
#[derive(Debug, Clone, Copy)]
pub struct DiscloseAudit {
    /// The first entry.
    pub from: u64,
    /// The first behind the range.
    pub to: u64,
    /// How much of each session is disclosed.
    pub level: Level,
}

/// A page of a disclosure.
#[derive(Debug)]
pub struct DisclosurePage {
    /// The log's origin.
    pub origin: String,
    /// Sessions, ascending.
    pub sessions: Vec<DisclosedSession>,
    /// Names of principals, keys and rings, in the order of objects.
    pub names: Vec<DisclosedName>,
    /// Where to go on, if there is more.
    pub next: Option<u64>,
}

impl Operation for DiscloseAudit {
    type Output = DisclosurePage;

    fn action(&self) -> Action {
        Action::DiscloseAudit
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<DisclosurePage>, ServiceError> {
        let (size, _) = view.log.sizes().await?;
        if self.from > self.to || self.to > size {
            let message =
                format!("the range must begin before it ends, and end within the log of {size} entries");
            return Err(ServiceError::invalid(message));
        }
        let (log, principals, asked) = (view.log.clone(), principals(view), *self);
        let found = view
            .work(Class::Scan, move |at| {
                log.disclose(at, &principals, (asked.from, asked.to), asked.level).map_err(name_damage)
            })
            .await?;
        let names = self.names(view, found.principals, found.keys).await?;
        let page = DisclosurePage {
            origin: view.system.origin.to_string(),
            sessions: found.sessions,
            names,
            next: found.next,
        };
        let range = [self.from.to_be_bytes(), self.to.to_be_bytes()].concat();
        let detail =
            EntryDetail { reference: reference(&[&[self.level as u8], &range]), ..EntryDetail::default() };
        Ok(Staged::reading(page, detail))
    }
}

impl DiscloseAudit {
    /// The names that the level lets out, each with what shows that the log commits to it.
    async fn names(
        &self,
        view: &View<'_>,
        principals: BTreeSet<PrincipalId>,
        keys: BTreeSet<KeyId>,
    ) -> Result<Vec<DisclosedName>, ServiceError> {
        let mut named = BTreeMap::new();
        if self.level.names(Kind::Principal) {
            for id in principals {
                let Some(principal) = view.store().find_principal(id).await? else { continue };
                named.insert(Object::Principal(id), Projection::from(&principal));
            }
        }
        if self.level.names(Kind::Key) {
            for id in keys {
                let Some(record) = view.store().find_key(id).await? else { continue };
                named.insert(Object::Key(id), Projection::from(&record.key));
                named.insert(Object::Ring(record.ring.id), Projection::from(record.ring.as_ref()));
            }
        }
        let mut names = Vec::with_capacity(named.len());
        for (object, row) in named {
            let Some(name) = object.veil_name() else { continue };
            let Some(key) = view.state.find_sound_veil(name).await? else { continue };
            names.extend(row.name(&key).map_err(|error| {
                ServiceError::new(ErrorKind::Internal, "a name cannot be disclosed").caused_by(error)
            })?);
        }
        Ok(names)
    }
}
