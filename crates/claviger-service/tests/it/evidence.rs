//! The log of a deployment as an outsider verifies and replays it, held against the live rows.

use std::collections::BTreeMap;

use claviger_audit::rows::{HEAD, LiveRow, RowsHead, digest_of_page, encode_page, page_name};
use claviger_audit::session::Disclosure;
use claviger_audit::verify::{Comparison, Files, Moment, NoFile, ROOT_VKEY, Request, Verified, verify};
use claviger_core::KeyId;
use claviger_core::key::State;
use claviger_core::object::{Kind, Object, RowCursor, StateRow};
use claviger_core::port::Store as _;
use claviger_service::ServiceError;
use claviger_service::operation::{ReadLogResource, ReadRows};
use tokio::runtime::Handle;

use crate::deployment::Deployment;

/// The log as whoever exports it reads it.
pub(crate) struct Exported<'a>(pub(crate) &'a Deployment);

impl Files for Exported<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        if name == ROOT_VKEY {
            return Ok(self.0.road.facts().root_key.to_string().into_bytes());
        }
        let read = ReadLogResource { path: name.to_owned() };
        let found = tokio::task::block_in_place(|| Handle::current().block_on(self.0.ask("vera", read)));
        let found = found.map_err(|error| NoFile::Unreadable(format!("{error:?}")))?;
        found.output.ok_or(NoFile::Missing)
    }
}

/// What the whole log yields.
pub(crate) async fn replay(deployment: &Deployment) -> Verified {
    try_replay(deployment).await.unwrap()
}

/// The same, or why the log cannot be read.
pub(crate) async fn try_replay(deployment: &Deployment) -> Result<Verified, String> {
    deployment.road.cut().await.map_err(|error| format!("{error:?}"))?;
    let request = Request::new(&deployment.road.facts().root_key);
    verify(&Exported(deployment), &request).map_err(|error| error.to_string())
}

/// The same, as of a moment.
pub(crate) async fn replay_at(deployment: &Deployment, moment: Moment) -> Verified {
    deployment.road.cut().await.unwrap();
    let request = Request { moment: Some(moment), ..Request::new(&deployment.road.facts().root_key) };
    verify(&Exported(deployment), &request).unwrap()
}

/// All live rows.
pub(crate) async fn live_rows(deployment: &Deployment) -> Vec<LiveRow> {
    try_live_rows(deployment).await.unwrap()
}

/// The same, or why they cannot be read.
pub(crate) async fn try_live_rows(deployment: &Deployment) -> Result<Vec<LiveRow>, ServiceError> {
    let (mut rows, mut from) = (Vec::new(), RowCursor::default());
    loop {
        let page = deployment.ask("vera", ReadRows { from, limit: 7 }).await?.output;
        rows.extend(page.rows);
        match page.next {
            Some(next) => from = next,
            None => return Ok(rows),
        }
    }
}

/// Live rows that are read a few at a time while changes go on.
pub(crate) struct Reading {
    before: u64,
    next: Option<RowCursor>,
    pages: Vec<Vec<u8>>,
}

struct Beside<'a>(Exported<'a>, BTreeMap<String, Vec<u8>>);

impl Files for Beside<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.1.get(name).cloned().map_or_else(|| self.0.read(name), Ok)
    }
}

impl Reading {
    pub(crate) async fn begin(deployment: &Deployment) -> Self {
        let before = deployment.log_size().await;
        Self { before, next: Some(RowCursor::default()), pages: Vec::new() }
    }

    /// Reads some more, if there are more.
    pub(crate) async fn go_on(&mut self, deployment: &Deployment) {
        if let Some(from) = self.next {
            let page = deployment.ask("vera", ReadRows { from, limit: 3 }).await.unwrap().output;
            self.pages.push(encode_page(&page.rows).unwrap());
            self.next = page.next;
        }
    }

    /// Reads the rest, and gives what is found when all of it lies beside the log.
    pub(crate) async fn findings(mut self, deployment: &Deployment) -> Vec<String> {
        while self.next.is_some() {
            self.go_on(deployment).await;
        }
        let pages = self.pages.iter().map(|page| digest_of_page(page)).collect();
        let (shard, after) = (deployment.road.facts().shard, deployment.log_size().await);
        let head = RowsHead { shard, before: self.before, after, pages };
        let named = head.pages.iter().map(page_name).zip(self.pages);
        let files = named.chain([(HEAD.to_owned(), head.encode().unwrap())]).collect();
        deployment.road.cut().await.unwrap();
        let request = Request::new(&deployment.road.facts().root_key);
        let verified = verify(&Beside(Exported(deployment), files), &request).unwrap();
        assert!(verified.live_state.is_compared(), "{}", verified.live_state);
        verified.findings.iter().map(ToString::to_string).collect()
    }
}

/// What a file of an export is in the hands of whoever edits it; `None` for one that is taken out.
pub(crate) type Edit<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;

struct Edited<'a>(Exported<'a>, Edit<'a>);

impl Files for Edited<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        (self.1)(name, self.0.read(name)?).ok_or(NoFile::Missing)
    }
}

/// What an edited export yields, held against a disclosure.
pub(crate) async fn replay_edited(
    deployment: &Deployment,
    edit: Edit<'_>,
    disclosure: Option<&Disclosure>,
) -> Verified {
    deployment.road.cut().await.unwrap();
    let request = Request { disclosure, ..Request::new(&deployment.road.facts().root_key) };
    verify(&Edited(Exported(deployment), edit), &request).unwrap()
}

/// Is it an alert that the server raised since the log was read? It does about rows that tests edit.
pub(crate) fn is_raised_since(verified: &Verified, row: &LiveRow) -> bool {
    matches!(row.object, Object::Alert(_)) && row.holds && verified.objects.find(&row.object).is_none()
}

/// Where live rows differ from what the log yields.
pub(crate) async fn differences(deployment: &Deployment, verified: &Verified) -> Vec<String> {
    let mut comparison = Comparison::new(&verified.objects);
    let rows = live_rows(deployment).await;
    rows.iter().filter(|row| !is_raised_since(verified, row)).for_each(|row| comparison.see(row));
    comparison.finish().iter().map(ToString::to_string).collect()
}

/// Verifies the whole log, and that what it yields is what is live.
pub(crate) async fn hold(deployment: &Deployment) {
    let verified = replay(deployment).await;
    assert_eq!(verified.findings, []);
    assert_eq!(differences(deployment, &verified).await, Vec::<String>::new());
    // What the entries say of the states of keys, and what the facts say, is one.
    for (version, (state, key_state)) in &verified.states {
        let from = RowCursor { kind: Kind::Version, after: None };
        let versions = deployment.store.list_rows(from, 1000).await.unwrap();
        let found = versions.into_iter().find_map(|found| match found.row {
            StateRow::Version(live) if live.id == *version => Some(live.state),
            _ => None,
        });
        assert_eq!(found, Some(*state), "{version}");
        let record = deployment.store.find_key(version.key).await.unwrap().unwrap();
        assert_eq!(record.key.state, *key_state, "{version}");
    }
}

/// The live states of a key's versions and of the key.
pub(crate) async fn states(deployment: &Deployment, key: KeyId) -> Vec<(State, State)> {
    let record = deployment.store.find_key(key).await.unwrap().unwrap();
    record.versions.iter().map(|version| (version.state, record.key.state)).collect()
}
