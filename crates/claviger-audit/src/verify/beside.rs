//! What lies beside the entries of a shard: facts, and the records of sessions.
//!
//! Hashing each field of each fact is most of what a verification of changes does, and no fact needs another one for it: a bundle
//! is decoded by all cores at once, before its first entry is looked at.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::{panic, thread};

use super::files::{Files, WalkError, read};
use crate::Hash;
use crate::fact::{FactError, Facts};
use crate::tile::{Resource, WIDTH, parse_facts};

/// A thread is not worth starting for fewer.
const LEAST_SHARE: usize = 16;

/// What lies beside one entry.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) bytes: Vec<u8>,
    facts: Result<Hashed, FactError>,
}

/// Facts, with the digest of each in their order.
#[derive(Debug)]
pub(super) struct Hashed {
    pub(super) facts: Facts,
    pub(super) digests: Vec<Hash>,
}

impl Beside {
    fn read(bytes: &[u8]) -> Self {
        let hashed = |facts: Facts| Hashed { digests: facts.digests(), facts };
        Self { bytes: bytes.to_vec(), facts: Facts::decode(bytes).map(hashed) }
    }

    /// The facts that the bytes are.
    ///
    /// # Errors
    /// [`FactError`].
    pub(super) const fn facts(&self) -> Result<&Hashed, FactError> {
        match &self.facts {
            Ok(hashed) => Ok(hashed),
            Err(error) => Err(*error),
        }
    }
}

type Bundle = BTreeMap<u8, Beside>;

/// What lies beside a shard's entries, a bundle at a time. Bundles are read when the first of what they hold is asked for.
pub(super) struct Bundles<'a> {
    files: &'a dyn Files,
    shard: u32,
    size: u64,
    cores: usize,
    /// The bundle that was read, and what it holds: nothing if it is not there, or not what it should be.
    read: Option<(u64, Bundle)>,
}

impl<'a> Bundles<'a> {
    pub(super) fn new(files: &'a dyn Files, shard: u32, size: u64) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self { files, shard, size, cores, read: None }
    }

    /// What lies beside an entry, if it is there.
    pub(super) fn find(&mut self, entry: u64) -> Result<Option<&Beside>, WalkError> {
        let (bundle, place) = (entry / WIDTH, entry % WIDTH);
        if self.read.as_ref().is_none_or(|(read, _)| *read != bundle) {
            self.read = Some((bundle, self.load(bundle)?));
        }
        let place = u8::try_from(place).unwrap_or_default();
        Ok(self.read.as_ref().and_then(|(_, besides)| besides.get(&place)))
    }

    fn load(&self, bundle: u64) -> Result<Bundle, WalkError> {
        let Some(resource) = Resource::facts(bundle, self.size) else { return Ok(Bundle::new()) };
        match read(self.files, &format!("{}/{resource}", self.shard)) {
            Ok(bytes) => Ok(decoded(&parse_facts(&bytes).unwrap_or_default(), self.cores)),
            Err(WalkError::Finding(_)) => Ok(Bundle::new()),
            Err(unreadable) => Err(unreadable),
        }
    }
}

/// Decodes all of them, in as many shares as there are cores.
fn decoded(besides: &BTreeMap<u8, &[u8]>, cores: usize) -> Bundle {
    let besides: Vec<_> = besides.iter().map(|(place, bytes)| (*place, *bytes)).collect();
    let decode = |share: &[(u8, &[u8])]| -> Vec<(u8, Beside)> {
        share.iter().map(|(place, bytes)| (*place, Beside::read(bytes))).collect()
    };
    let (mine, others) = besides.split_at(besides.len().div_ceil(cores).max(LEAST_SHARE).min(besides.len()));
    thread::scope(|scope| {
        let shares = others.chunks(mine.len().max(1));
        let helpers: Vec<_> = shares
            .map(|share| (share, thread::Builder::new().spawn_scoped(scope, || decode(share)).ok()))
            .collect();
        let mut decoded = Bundle::from_iter(decode(mine));
        for (share, helper) in helpers {
            decoded.extend(match helper.map(thread::ScopedJoinHandle::join) {
                Some(Ok(of_share)) => of_share,
                Some(Err(panicked)) => panic::resume_unwind(panicked),
                // The system gives no thread: then without.
                None => decode(share),
            });
        }
        decoded
    })
}
