//! Creates a principal.

use claviger_core::change::Change;
use claviger_core::principal::{Principal, PrincipalKind};
use claviger_core::{Action, Name, PrincipalId};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::pipeline::subject_label;
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, RingRef, TargetRef};
use crate::view::View;

/// Creates a principal without roles, grants or credentials.
#[derive(Debug)]
pub struct CreatePrincipal {
    /// Its name, unique for ever.
    pub name: Name,
    /// A person or an application.
    pub kind: PrincipalKind,
    /// The ring that keys land in which it creates without naming one.
    pub home: Option<RingRef>,
    /// The environment that it belongs to, for ever; that of the deployment by default.
    pub environment: Option<Name>,
    /// Another account of the same person. Whatever is about persons is about both together; for ever.
    pub same_person_as: Option<PrincipalRef>,
}

impl CreatePrincipal {
    /// The account that stood for the same person first.
    async fn first_account(&self, view: &View<'_>) -> Result<Option<Principal>, ServiceError> {
        let Some(same) = &self.same_person_as else { return Ok(None) };
        let same = view.state.principal(same).await?;
        if self.kind != PrincipalKind::Human || same.kind != PrincipalKind::Human {
            return Err(ServiceError::invalid(
                "only a person has a second account, and it is that of a person",
            ));
        }
        match same.same_person_as {
            Some(first) => view.state.principal(&PrincipalRef::Id(first)).await.map(Some),
            None => Ok(Some(same)),
        }
    }
}

impl Operation for CreatePrincipal {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::CreatePrincipal
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::NewPrincipal(self.kind)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        if self.kind == PrincipalKind::System {
            return Err(ServiceError::invalid("parts of the system are not created by callers"));
        }
        if self.name.as_str().starts_with(Principal::ERASED) {
            return Err(ServiceError::invalid(
                "names that begin with `erased-` are those of erased principals",
            ));
        }
        let home = match &self.home {
            Some(ring) => Some(view.state.ring(ring).await?.id),
            None => None,
        };
        let first = self.first_account(view).await?;
        let same_person_as = first.as_ref().map(|first| first.id);
        let (name, environment) = (self.name.clone(), self.environment.clone());
        let asked = Governed::CreatePrincipal {
            name,
            kind: self.kind,
            home,
            environment: environment.clone(),
            same_person_as,
        };
        if let Some(made) = view.made_before(&asked).await? {
            let found = view.store().find_principal(PrincipalId::from_bytes(made)).await?;
            return Ok(Staged::reading(found.ok_or_else(ServiceError::not_found)?, view.detail()));
        }
        if view.store().find_principal_by_name(&self.name).await?.is_some() {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, "a principal has that name already"));
        }
        let made = make_principal(view, &self.name, self.kind).await?;
        let principal = Principal { home, environment, same_person_as, ..made };
        let mut changes = vec![Change::PutPrincipal(principal.clone())];
        // Written as it was read: who gives the person a right at the same moment has seen its accounts, and must see this one.
        changes.extend(first.map(Change::PutPrincipal));
        changes.extend(view.remember_making(&asked, *principal.id.as_bytes()));
        let detail = EntryDetail { reference: reference(&[principal.id.as_bytes()]), ..view.detail() };
        Ok(Staged::changing(asked, Principal { revision: 1, ..principal }, changes, detail))
    }
}

/// A new principal with a subject key of its own.
pub(super) async fn make_principal(
    view: &View<'_>,
    name: &Name,
    kind: PrincipalKind,
) -> Result<Principal, ServiceError> {
    let id = PrincipalId::random()?;
    let subject = view.draw(32).await?;
    Ok(Principal {
        subject_key: view.provider().seal(&subject_label(id), &subject).await?,
        created_by: Some(view.caller.principal().id),
        ..Principal::new(id, name.clone(), kind, view.now)
    })
}
