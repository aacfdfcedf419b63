//! Who can reach what nobody should reach alone, over all rights there are.

use std::collections::HashMap;

use claviger_access::analysis::{Analysis, AnalysisError, Analyzer, Facts, Goal, Question, Rows, Rules};
use claviger_audit::declaration::{decode, is_signed};
use claviger_core::declaration::{Declaration, DeclarationKind, Declared, Plain};
use claviger_core::grant::{Grant, Selector};
use claviger_core::lineage::{Lineage, Verdict, Wanted};
use claviger_core::object::Object;
use claviger_core::port::Store;
use claviger_core::port::store::{DeclarationFilter, GrantFilter, KeyFilter, Page};
use claviger_core::{Action, CredentialId, KeyId, KeyRingId, Timestamp};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::Class;

/// Rows that are read at once.
const AT_ONCE: u32 = 1000;
/// Most rows of rights that are looked at together, and most keys.
const MOST_ROWS: u64 = 1_000_000;
const MOST_KEYS: usize = 2_000_000;
/// By which a person says that the key of a certificate is theirs, and nobody else's.
const OWN_KEY: &str = "ATT-ENROLMENT";

/// Looks for persons, and for pairs of persons, who reach what nobody should reach alone.
#[derive(Debug, Clone, Copy)]
pub struct AnalyzeAccess {
    /// Two persons together as well.
    pub pairs: bool,
    /// Only this goal.
    pub goal: Option<Goal>,
    /// Whoever ran the set-up as well, by what may have been kept of it.
    pub founder: bool,
}

impl Operation for AnalyzeAccess {
    type Output = Analysis;

    fn action(&self) -> Action {
        Action::ReadRights
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Analysis>, ServiceError> {
        view.enter(Class::Listing).await?;
        let facts = Box::pin(read_facts(view.store(), view.now)).await?;
        let question = Question { pairs: self.pairs, goal: self.goal, founder: self.founder };
        let authorizer = view.authorizer.clone();
        let analyzed = view.work(Class::Scan, move |at| {
            let analyzer = Analyzer::new(&facts, &authorizer, Rules::default()).map_err(unasked)?;
            analyzer.analyze(question, || Ok::<_, ServiceError>(at.check()?))
        });
        Ok(Staged::reading(analyzed.await?, view.detail()))
    }
}

pub(super) fn unasked(error: AnalysisError) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated").caused_by(error)
}

/// All that bears on who can reach what, as it stands at `now`.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] where there is more than can be looked at together, and when rows cannot be read.
pub async fn read_facts(store: &dyn Store, now: Timestamp) -> Result<Facts, ServiceError> {
    let governance = store.find_governance().await?.unwrap_or_default();
    let mut rows = Rows::new(now, governance);
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let rings = store.list_rings(page.clone()).await?;
        let Some(last) = rings.last() else { break };
        page.after = Some(last.name.clone());
        for ring in &rings {
            rows.ring(ring, store.find_ring_life(ring.id).await?.keys);
        }
        check_count(&rows)?;
    }
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let principals = store.list_principals(page.clone()).await?;
        let Some(last) = principals.last() else { break };
        page.after = Some(last.name.clone());
        principals.into_iter().for_each(|principal| rows.principal(principal));
        check_count(&rows)?;
    }
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let credentials = store.list_credentials(None, page.clone()).await?;
        let Some(last) = credentials.last() else { break };
        page.after = Some(last.id);
        credentials.iter().for_each(|credential| rows.credential(credential));
        check_count(&rows)?;
    }
    for credential in own_keys(store, now).await? {
        rows.own_key(credential);
    }
    let rings = rings_of_keys(store).await?;
    let mut page = Page { after: None, limit: AT_ONCE };
    loop {
        let grants = store.list_grants(GrantFilter::default(), page.clone()).await?;
        let Some(last) = grants.last() else { return Ok(rows.settle()) };
        page.after = Some(last.id);
        for (grant, is_honoured) in judged(store, &grants, now).await? {
            let ring = match grant.selector {
                Selector::Key(key) => rings.get(&key).copied(),
                Selector::Ring(ring) => Some(ring),
            };
            if let Some(ring) = ring {
                rows.grant(grant, ring, is_honoured);
            }
        }
        check_count(&rows)?;
    }
}

/// Which of these grants are honoured.
async fn judged<'g>(
    store: &dyn Store,
    grants: &'g [Grant],
    now: Timestamp,
) -> Result<Vec<(&'g Grant, bool)>, ServiceError> {
    let lineage = match Wanted::of(grants) {
        Some(wanted) => store.load_lineage(wanted).await?,
        None => Lineage::default(),
    };
    let mut judge = lineage.judge(now);
    let is_honoured = |grant| matches!(judge.verdict(grant), Verdict::Honoured(_));
    Ok(grants.iter().zip(grants.iter().map(is_honoured)).collect())
}

/// The credentials whose holders say, by a statement that is signed and good at `now`, that the key is theirs alone.
async fn own_keys(store: &dyn Store, now: Timestamp) -> Result<Vec<CredentialId>, ServiceError> {
    let subject: Option<Plain> = OWN_KEY.parse().ok();
    let filter = DeclarationFilter { kind: Some(DeclarationKind::Attestation), subject };
    let (mut own, mut page) = (Vec::new(), Page { after: None, limit: AT_ONCE });
    loop {
        let declarations = store.list_declarations(filter.clone(), page.clone()).await?;
        let Some(last) = declarations.last() else { return Ok(own) };
        page.after = Some(last.id);
        own.extend(declarations.iter().filter_map(|declaration| own_key(declaration, now)));
    }
}

/// The credential that such a statement is about: the one whose key signed it.
fn own_key(declaration: &Declaration, now: Timestamp) -> Option<CredentialId> {
    let Ok(Declared::Attestation(attestation)) = decode(&declaration.body) else { return None };
    let (claim, credential) = (&attestation.claim, attestation.credential);
    let is_about_itself = claim.scope == [Object::Credential(credential)];
    let is_good = declaration.withdrawal.is_none() && now < claim.valid_until;
    (is_good && is_about_itself && is_signed(&attestation)).then_some(credential)
}

/// The ring of every key.
async fn rings_of_keys(store: &dyn Store) -> Result<HashMap<KeyId, KeyRingId>, ServiceError> {
    let (mut rings, mut page) = (HashMap::new(), Page { after: None, limit: AT_ONCE });
    loop {
        let keys = store.list_keys(KeyFilter::default(), page.clone()).await?;
        let Some((last, _)) = keys.last() else { return Ok(rings) };
        page.after = Some(last.clone());
        rings.extend(keys.iter().map(|(_, key)| (key.id, key.ring)));
        if rings.len() > MOST_KEYS {
            return Err(too_many());
        }
    }
}

fn check_count(rows: &Rows) -> Result<(), ServiceError> {
    if rows.count() > MOST_ROWS { Err(too_many()) } else { Ok(()) }
}

fn too_many() -> ServiceError {
    let message = format!(
        "there are more than {MOST_ROWS} principals, credentials, grants and rings, or more than {MOST_KEYS} keys: too many to look at \
         together"
    );
    ServiceError::new(ErrorKind::LimitExceeded, message)
}
