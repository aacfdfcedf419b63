//! What an operation sees: the store to read, the provider to work with, the clock, and who asks.

use std::sync::{Arc, Mutex, PoisonError};

use claviger_access::{Authorizer, Caller, Decision, DenyReason, Uses};
use claviger_core::change::{Chain, Change, IdempotencyRecord, RequestScheme};
use claviger_core::grant::{Grant, MAX_ACTIVE, MAX_ALIKE, MAX_NAME_SETS};
use claviger_core::key::{KeyRecord, KeyRing, KeyVersion};
use claviger_core::lineage::{Cause, Verdict, Wanted};
use claviger_core::permit::Permit;
use claviger_core::port::provider::{Generated, MaterialRequest};
use claviger_core::port::store::{GrantFilter, GrantRoom, Page};
use claviger_core::port::{EnteredCertificate, Handle, IssueFault, Provider, Store, StoreError, Trust};
use claviger_core::principal::Credential;
use claviger_core::reason::{Reason, Why};
use claviger_core::target::Target;
use claviger_core::{Action, KeyId, KeyVersionId, PrincipalId, Spec, Timestamp};
use claviger_crypto::envelope::Context;
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Material, SecretBytes, digest, generate};

use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::log::LogReader;
use crate::log::usage::Usage;
use crate::pipeline::room::NoRoom;
use crate::record::EntryDetail;
use crate::reference::KeyRef;
use crate::state::{LoadedKey, Older, Pairs, Question, Ruling, State};
use crate::work::{At, Class, Held, Places, Work};

/// The view of one call.
#[derive(Debug)]
pub struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) authorizer: &'a Authorizer,
    pub(crate) caller: &'a Caller,
    /// What permits the call: nothing is run, and nothing staged, without one.
    pub(crate) permit: &'a Permit,
    pub(crate) now: Timestamp,
    pub(crate) target: &'a Target,
    pub(crate) live: Option<&'a LoadedKey>,
    pub(crate) idempotency_key: Option<&'a str>,
    /// Why it is done, as rows have it.
    pub(crate) why: Option<Why>,
    pub(crate) reason: Option<&'a Reason>,
    pub(crate) log: &'a LogReader,
    pub(crate) usage: &'a Usage,
    pub(crate) system: &'a crate::system::SystemFacts,
    pub(crate) trust: &'a dyn Trust,
    /// What the rights depend on that were asked for on the way.
    pub(crate) further: Mutex<Option<Arc<Chain>>>,
    pub(crate) no_room: &'a NoRoom,
    pub(crate) work: &'a Work,
    pub(crate) places: &'a Places<'a>,
}

impl<'a> View<'a> {
    /// Why it is done, as it was asked for.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.cloned()
    }

    /// The store, to read.
    pub(crate) fn store(&self) -> &'a dyn Store {
        self.state.store.as_ref()
    }

    /// The provider, to work with.
    pub(crate) fn provider(&self) -> &'a dyn Provider {
        self.state.provider.as_ref()
    }

    /// Holds a certificate that is entered against what the listeners take. Gives when its credential ends: as is wished, and
    /// not later than the certificate.
    ///
    /// # Errors
    /// Invalid, with what to do, when the listeners would not take it.
    pub(crate) fn entered(
        &self,
        certificate: EnteredCertificate<'_>,
        wished: Timestamp,
    ) -> Result<Timestamp, ServiceError> {
        match self.trust.judge(certificate, self.now) {
            Ok(until) => Ok(until.min(wished)),
            Err(fault) => Err(ServiceError::invalid(fault.to_string()).caused_by(fault)),
        }
    }

    /// A certificate for the caller that the deployment's authority issues, for the key of a request.
    ///
    /// # Errors
    /// Invalid, unavailable, or unsupported where the authority's key is kept elsewhere, with what to do.
    pub(crate) fn issued(&self, request: &[u8], until: Timestamp) -> Result<Vec<u8>, ServiceError> {
        let name = &self.caller.principal().name;
        self.trust.issue(request, name, until, self.now).map_err(|fault| {
            let kind = match fault {
                IssueFault::Request => ErrorKind::InvalidArgument,
                IssueFault::KeyElsewhere => ErrorKind::Unsupported,
                IssueFault::Authority => ErrorKind::Unavailable,
            };
            ServiceError::new(kind, fault.to_string()).caused_by(fault)
        })
    }

    /// Waits until the caller may do work of that class. Its place is kept until the entry of the call is durable.
    ///
    /// # Errors
    /// Overloaded when the caller's principal has too much of it waiting.
    pub(crate) async fn enter(&self, class: Class) -> Result<Held, ServiceError> {
        self.places.enter(self.work, class, self.caller.principal().id).await
    }

    /// Waits for the caller's turn, and does work of that class on a thread that may wait.
    ///
    /// # Errors
    /// Overloaded, and what the job fails with.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        class: Class,
        job: impl FnOnce(&At) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let held = self.enter(class).await?;
        let _aside = self.places.set_aside();
        self.work.run(class, &held, job).await
    }

    /// Makes material of that spec with the module's own generator, once it is the caller's turn.
    ///
    /// # Errors
    /// Overloaded, and what the module fails with.
    pub(crate) async fn make_material(&self, spec: Spec) -> Result<Material, ServiceError> {
        self.state.self_tests.may_generate()?;
        match Class::of_making(spec) {
            Class::Generation => {
                self.work(Class::Generation, move |_| Ok(generate(spec, &mut ModuleRandom)?)).await
            }
            quick => {
                self.enter(quick).await?;
                Ok(generate(spec, &mut ModuleRandom)?)
            }
        }
    }

    /// Draws random bytes, as a key or part of one.
    ///
    /// # Errors
    /// Unavailable after a failed self-test, and what the provider fails with.
    pub(crate) async fn draw(&self, len: usize) -> Result<SecretBytes, ServiceError> {
        self.state.self_tests.may_generate()?;
        Ok(self.provider().random(len).await?)
    }

    /// Has the provider make material, once it is the caller's turn.
    ///
    /// # Errors
    /// Overloaded, and what the provider fails with.
    pub(crate) async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ServiceError> {
        self.state.self_tests.may_generate()?;
        let class = Class::of_making(request.spec);
        if class != Class::Generation {
            self.enter(class).await?;
            return Ok(self.provider().generate(request).await?);
        }
        let (provider, ring) = (Arc::clone(&self.state.provider), request.ring.clone());
        let fingerprints = Arc::clone(&self.state.fingerprints);
        let MaterialRequest { version, spec, purpose, protection, .. } = request;
        // The whole of it is a job: a caller that leaves does not leave an unbounded rest behind.
        self.work(class, move |at| {
            let fingerprints = fingerprints.as_ref();
            let request = MaterialRequest { ring: &ring, version, spec, purpose, protection, fingerprints };
            Ok(at.runtime().block_on(provider.generate(request))?)
        })
        .await
    }

    /// The key that the call is about.
    pub(crate) fn live(&self) -> Result<&'a LoadedKey, ServiceError> {
        self.live.ok_or_else(ServiceError::not_found)
    }

    /// The record of the key that the call is about.
    pub(crate) fn record(&self) -> Result<&'a Arc<KeyRecord>, ServiceError> {
        Ok(self.live()?.record())
    }

    /// The ring that the call is about.
    pub(crate) fn ring(&self) -> Result<&'a Arc<KeyRing>, ServiceError> {
        match self.target {
            Target::Ring(ring) => Ok(ring),
            Target::Grant(_)
            | Target::Key(_)
            | Target::NewPrincipal(_)
            | Target::Principal(..)
            | Target::System => Err(ServiceError::not_found()),
        }
    }

    /// The material of a version of that key.
    pub(crate) async fn handle(&self, version: &KeyVersion) -> Result<&'a Arc<dyn Handle>, ServiceError> {
        self.live()?.handle(version, self.provider()).await
    }

    /// A version of that key that is not at hand; `None` when there is none of that number.
    pub(crate) async fn older(&self, number: u32) -> Result<Option<Arc<Older>>, ServiceError> {
        self.live()?.older(number, self.store()).await
    }

    /// A version of that key.
    ///
    /// # Errors
    /// Not found when there is none of that number.
    pub(crate) async fn version(&self, number: u32) -> Result<KeyVersion, ServiceError> {
        let record = self.record()?;
        if let Some(version) = record.find_version(number) {
            return Ok(version.clone());
        }
        let id = KeyVersionId { key: record.key.id, number };
        self.store().find_version(id).await?.ok_or_else(ServiceError::not_found)
    }

    /// The record of that key, with a version at hand.
    ///
    /// # Errors
    /// Not found when there is none of that number.
    pub(crate) async fn record_with(&self, number: u32) -> Result<KeyRecord, ServiceError> {
        let mut record = KeyRecord::clone(self.record()?);
        if record.find_version(number).is_none() {
            record.versions.push(self.version(number).await?);
            record.versions.sort_unstable_by_key(|version| version.id.number);
        }
        Ok(record)
    }

    /// All versions of that key, by number.
    pub(crate) async fn all_versions(&self) -> Result<Vec<KeyVersion>, ServiceError> {
        let record = self.record()?;
        if record.is_whole() {
            return Ok(record.versions.clone());
        }
        let mut page = Page { after: None, limit: 1000 };
        let mut all = Vec::new();
        loop {
            let versions = self.store().list_versions(record.key.id, page.clone()).await?;
            let Some(last) = versions.last().map(|version| version.id.number) else { return Ok(all) };
            page.after = Some(last);
            all.extend(versions);
        }
    }

    /// The identifier of the key that the caller means.
    pub(crate) async fn key_id(&self, key: &KeyRef) -> Result<KeyId, ServiceError> {
        self.state.key_id(key, self.caller.principal().home).await
    }

    /// A detail about the key that the call is about.
    pub(crate) fn detail(&self) -> EntryDetail {
        EntryDetail { key: self.target.key_id(), ..EntryDetail::default() }
    }

    /// A detail about one item of a use.
    pub(crate) fn use_detail(
        &self,
        version: Option<u32>,
        input_len: usize,
        context: &Context,
    ) -> EntryDetail {
        EntryDetail {
            key: self.target.key_id(),
            version,
            input_len: Some(input_len),
            context_tag: self.live.and_then(|live| live.context_tag(context)),
            ..EntryDetail::default()
        }
    }

    /// May the caller do this to another key than the one that the call is about? What it rests on is to be staged with
    /// [`Staged::resting_on`](crate::call::Staged).
    ///
    /// # Errors
    /// As if the caller had asked for that key alone.
    pub(crate) async fn may(&self, action: Action, record: &Arc<KeyRecord>) -> Result<Permit, ServiceError> {
        let target = Target::Key(Arc::clone(record));
        match self.decide(action, &target, Vec::new()).await? {
            Decision::Permit { permit, .. } => Ok(permit),
            Decision::Deny(denial) if denial.hidden => Err(ServiceError::not_found()),
            Decision::Deny(denial) => {
                let message = format!("you may not do this to the other key: {}", denial.reason);
                Err(ServiceError::new(ErrorKind::Denied, message))
            }
        }
    }

    /// What keeps the caller from doing this as well to the key that the call is about, if anything does. The call rests on
    /// that key already.
    ///
    /// # Errors
    /// When the grants cannot be read.
    pub(crate) async fn hindrance(
        &self,
        action: Action,
        context: &Context,
    ) -> Result<Option<DenyReason>, ServiceError> {
        let pairs: Vec<_> =
            context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let decision = self.decide(action, self.target, pairs).await?;
        Ok(decision.denial().map(|denial| denial.reason))
    }

    /// May the caller do this as well? The call depends on the answer.
    ///
    /// # Errors
    /// When the grants cannot be read.
    pub(crate) async fn allows(&self, action: Action, target: &Target) -> Result<bool, ServiceError> {
        Ok(matches!(self.decide(action, target, Vec::new()).await?, Decision::Permit { .. }))
    }

    /// Decides on a further right of the caller. The call depends on it from now on.
    async fn decide(
        &self,
        action: Action,
        target: &Target,
        context: Pairs,
    ) -> Result<Decision, ServiceError> {
        let question = Question { caller: self.caller, action, target, now: self.now };
        let Ruling { decision, chain } = question.rule(self.store(), self.authorizer, vec![context]).await?;
        if let Some(chain) = chain {
            let mut further = self.further.lock().unwrap_or_else(PoisonError::into_inner);
            *further = Chain::join(further.take(), Some(chain));
        }
        Ok(decision)
    }

    /// Refuses a grant for which there is no room.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] says which limit, and what to do.
    pub(crate) async fn check_room(&self, grant: &Grant) -> Result<(), ServiceError> {
        let message = match self.store().find_grant_room(grant.clone()).await? {
            GrantRoom::Yes => return Ok(()),
            GrantRoom::TooManyAlike => format!(
                "a principal has at most {MAX_ALIKE} grants on one key or ring for the same encryption context that differ in \
                 operations, networks or what they rest on; revoke some, or put what they give into fewer"
            ),
            GrantRoom::TooManyNameSets => format!(
                "active grants of a principal on one key or ring ask for at most {MAX_NAME_SETS} sets of names together with \
                 the same pair of the encryption context; revoke some, or ask for the same names in each"
            ),
            GrantRoom::TooManyOnTarget => format!(
                "there are at most {MAX_ACTIVE} active grants on one key, and on one ring as a whole; those that ended are among them \
                 until they are revoked: revoke what is no longer used"
            ),
        };
        Err(ServiceError::new(ErrorKind::LimitExceeded, message))
    }

    /// What the rights depend on that were asked for on the way.
    pub(crate) fn into_further(self) -> Option<Arc<Chain>> {
        self.further.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of these grants is honoured, and until when, in their order. Nothing that somebody holds who was revoked.
    pub(crate) async fn verdicts(&self, grants: &[Grant]) -> Result<Vec<Verdict>, ServiceError> {
        let passed_on = Wanted::of(grants).unwrap_or_default();
        let mut wanted = passed_on.clone();
        wanted.principals.extend(grants.iter().map(|grant| grant.principal));
        let (lineage, are_holders_known) = match self.store().load_lineage(wanted).await {
            Ok(lineage) => (lineage, true),
            // An altered row of one holder, who can do nothing, hides no grants of others.
            Err(StoreError::RowAltered(_)) => (self.store().load_lineage(passed_on).await?, false),
            Err(error) => return Err(error.into()),
        };
        let mut judge = lineage.judge(self.now);
        let verdict = |grant: &Grant| match judge.verdict(grant) {
            Verdict::Honoured(_) if are_holders_known && !lineage.is_active(grant.principal) => {
                Verdict::Ended(Cause::PrincipalRevoked { principal: grant.principal })
            }
            verdict => verdict,
        };
        Ok(grants.iter().map(verdict).collect())
    }

    /// What the same call made before, if it came before.
    ///
    /// # Errors
    /// [`ErrorKind::IdempotencyMismatch`] when another call came under the same key; [`ErrorKind::IdempotencyExpired`] when
    /// a call came under it of which it is not known any more what it asked for.
    pub(crate) async fn made_before(&self, asked: &Governed) -> Result<Option<[u8; 16]>, ServiceError> {
        let Some(key) = self.idempotency_key else { return Ok(None) };
        let key_digest = digest::sha256(key.as_bytes());
        let Some(record) = self.store().find_idempotency(self.caller.principal().id, &key_digest).await?
        else {
            return Ok(None);
        };
        if record.scheme == RequestScheme::Text {
            return Err(ServiceError::new(
                ErrorKind::IdempotencyExpired,
                "this idempotency key came before the server was upgraded, and cannot be held against this request; look \
                 whether what you ask for is there already, and use a fresh key if it is not",
            ));
        }
        if record.request_digest != asked.digest() {
            return Err(ServiceError::new(
                ErrorKind::IdempotencyMismatch,
                "this idempotency key came before with another request; use a fresh one",
            ));
        }
        Ok(Some(record.created))
    }

    /// The change that remembers this call as the maker of `created`.
    pub(crate) fn remember_making(&self, asked: &Governed, created: [u8; 16]) -> Option<Change> {
        self.idempotency_key.map(|key| {
            Change::PutIdempotency(IdempotencyRecord {
                principal: self.caller.principal().id,
                key_digest: digest::sha256(key.as_bytes()),
                request_digest: asked.digest(),
                scheme: RequestScheme::Governed,
                created,
                created_at: self.now,
            })
        })
    }

    /// All active grants that a filter takes, in the order of their identifiers.
    pub(crate) async fn all_grants(&self, filter: GrantFilter) -> Result<Vec<Grant>, ServiceError> {
        let mut page = Page { after: None, limit: 1000 };
        let mut all = Vec::new();
        loop {
            let grants = self.store().list_grants(filter.clone(), page.clone()).await?;
            let Some(last) = grants.last().map(|grant| grant.id) else { return Ok(all) };
            page.after = Some(last);
            all.extend(grants);
        }
    }

    /// All credentials of a principal, in the order of their identifiers.
    pub(crate) async fn credentials_of(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<Credential>, ServiceError> {
        self.state.credentials_of(principal).await
    }

    /// On what kinds of rings the principal has active grants, and from whom.
    pub(crate) async fn uses_of(
        &self,
        principal: PrincipalId,
    ) -> Result<(Uses, Vec<PrincipalId>), ServiceError> {
        let found = self.store().list_granters(principal).await?;
        let uses = Uses::of(found.iter().map(|(_, separation)| *separation));
        Ok((uses, found.into_iter().map(|(granter, _)| granter).collect()))
    }

    /// The key of that identifier, as it is now in the store.
    pub(crate) async fn load_key(&self, id: KeyId) -> Result<KeyRecord, ServiceError> {
        self.store().find_key(id).await?.ok_or_else(ServiceError::not_found)
    }
}
