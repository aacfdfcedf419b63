//! Who looks on while a log is verified.

use super::objects::Objects;
use crate::cut::Cut;
use crate::fact::Fact;
use crate::{Entry, Hash};

/// An entry as it was read, with what the log yields behind it.
#[derive(Clone, Copy, Debug)]
pub struct SeenEntry<'a> {
    /// Its shard.
    pub shard: u32,
    /// Its index there.
    pub index: u64,
    /// The entry.
    pub entry: &'a Entry<'a>,
    /// Its facts, if they are those that it records.
    pub facts: &'a [Fact],
    /// All objects as they stand behind it.
    pub objects: &'a Objects,
}

/// Looks on while a log is verified. Cuts come before all entries, each in the order of its log; what does not decode is not shown,
/// and is a finding.
pub trait Watcher {
    /// A cut, with its number in the root log.
    fn cut(&mut self, number: u64, cut: &Cut);

    /// An entry.
    fn entry(&mut self, seen: &SeenEntry<'_>);

    /// The newest cut is verified: size of the root log and its root.
    fn root(&mut self, size: u64, root: &Hash);
}

/// Whoever looks on, or nobody.
pub(super) type Watching<'w> = Option<&'w mut dyn Watcher>;

/// The same, for a while.
pub(super) fn for_a_while<'s>(watching: &'s mut Watching<'_>) -> Watching<'s> {
    match watching {
        Some(watcher) => Some(&mut **watcher),
        None => None,
    }
}
