//! The run of `cargo xtask bench replay`: how fast a verifier goes over a log, entries on one core and facts on all, and rebuilds the state.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use claviger_audit::cut::{Cut, ShardHead, ShardState};
use claviger_audit::fact::{Fact, Facts, Field, Object};
use claviger_audit::tile::{Resource, WIDTH, push_entry, push_facts};
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_audit::verify::{CHECKPOINT, Files, NoFile, ROOT_VKEY, Request, Verified, bundles, verify};
use claviger_audit::{Checkpoint, Entry, Op, Outcome, SigningKey, Snapshot, cbor};
use claviger_core::{KeyId, KeyVersionId};
use tokio::time::Instant;

use crate::cores;
use crate::report::{self, Figure, Form, Report, Wanted};

const ORIGIN: &str = "bench/audit/root";
const SHARD: u32 = 1;
/// Bytes of a commitment, and of what a key's name and description take sealed.
const SEALED: usize = 96;

/// How large a log to make and verify.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Uses of keys in the log
    #[arg(long, default_value_t = 2_000_000)]
    entries: u32,
    /// Changes of state in the log: half of them create a key, half change one
    #[arg(long, default_value_t = 1_000_000)]
    changes: u32,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When the log that is measured does not hold.
pub fn run(args: &ReplayArgs, form: Form) -> Result<()> {
    let mut figures = Vec::new();
    eprintln!("{} uses", args.entries);
    let (uses, _) = timed(Log::of_uses(args.entries)?)?;
    let rate = f64::from(args.entries) / uses;
    figures.push(Figure::new("entries verified", rate, "per second and core", Wanted::AtLeast(1e6)));
    eprintln!("{} changes of state", args.changes);
    let log = Log::of_changes(args.changes)?;
    let before = cores::resident(std::process::id())?;
    let (changes, verified) = timed(log)?;
    let kept = cores::resident(std::process::id())?.saturating_sub(before);
    let objects = verified.objects.len();
    figures.extend([
        Figure::new("replay of the changes", changes, "s", Wanted::AtMost(10.0)),
        Figure::new("objects that it yields", objects as f64, "", Wanted::Known),
        Figure::new("memory that it takes, by object", kept as f64 / objects as f64, "bytes", Wanted::Known),
    ]);
    let begun = Instant::now();
    let snapshot = Snapshot::of(0, verified.objects.iter().map(|(_, current)| current.digest));
    let took = begun.elapsed().as_secs_f64();
    ensure!(snapshot.objects == objects as u64, "the snapshot is not over all objects");
    figures.push(Figure::new("root over the objects", took, "s", Wanted::Known));
    let settings = format!("{} uses, and {} changes of state, from memory", args.entries, args.changes);
    let report = Report { machine: report::machine(), settings: vec![settings], series: Vec::new(), figures };
    report.print(form)
}

/// How long it takes to verify a log.
fn timed(log: Log) -> Result<(f64, Verified)> {
    let key = log.key.verifier_key().clone();
    let begun = Instant::now();
    let verified = verify(&log, &Request::new(&key))?;
    let took = begun.elapsed().as_secs_f64();
    let first = verified.findings.first().map(ToString::to_string).unwrap_or_default();
    ensure!(verified.findings.is_empty(), "{} findings, the first: {first}", verified.findings.len());
    Ok((took, verified))
}

/// An export in memory.
struct Log {
    key: SigningKey,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files for Log {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        self.files.get(name).cloned().ok_or(NoFile::Missing)
    }
}

fn key_id(number: u32) -> [u8; 16] {
    let mut id = [0x5a; 16];
    // Far from the one before, as random identifiers are.
    let spread = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
    id.iter_mut().zip(spread.into_iter().chain(number.to_be_bytes())).for_each(|(to, from)| *to = from);
    id
}

impl Log {
    fn of_uses(count: u32) -> Result<Self> {
        let mut writing = Writing::new()?;
        writing.create(0, Vec::new())?;
        for number in 0..count {
            let mut entry = Entry::new(writing.next_instant(), 1, Op::Encrypt, Outcome::Ok);
            (entry.key, entry.kv, entry.n) = (Some(key_id(0)), Some(1), Some(10));
            (entry.act, entry.pol) = (Some([7; 16]), Some([8; 8]));
            entry.ctx = number.is_multiple_of(2).then_some([9; 16]);
            writing.push(&entry, None)?;
        }
        writing.finish()
    }

    fn of_changes(count: u32) -> Result<Self> {
        let mut writing = Writing::new()?;
        let keys = count.div_ceil(2);
        for number in 0..keys {
            let key = KeyId::from_bytes(key_id(number));
            let version = Object::Version(KeyVersionId { key, number: 1 });
            let facts = vec![fact(Object::Key(key), 1, 14, 2), fact(version, 1, 10, 0)];
            writing.create(number, facts)?;
        }
        for number in 0..count - keys {
            let key = Object::Key(KeyId::from_bytes(key_id(number)));
            writing.change(Op::UpdateKey, number, vec![fact(key, 2, 9, 1)])?;
        }
        writing.finish()
    }
}

/// A fact of so many open fields and so many sealed ones.
fn fact(object: Object, revision: u64, open: u16, sealed: u16) -> Fact {
    let value = |number: u16| {
        let mut value = Vec::new();
        match number % 3 {
            0 => cbor::put_bytes(&mut value, &[0x5a; 16]),
            1 => cbor::put_text(&mut value, "confidential"),
            _ => cbor::put_uint(&mut value, 1_790_000_000_000_000),
        }
        Field::Open(value)
    };
    // Fixed fields are those that a first fact alone has: the numbers are those of keys and versions, near enough.
    let fields = (0..open).map(|number| (number + 1, value(number)));
    let hidden = (0..sealed).map(|number| (open + number + 1, Field::Hidden([0xa5; 32])));
    let bytes = vec![0x5a; SEALED * usize::from(sealed)];
    let sealed = (sealed > 0).then_some(claviger_audit::fact::Sealed::Here(bytes));
    Fact { object, revision, fields: fields.chain(hidden).collect(), sealed }
}

struct Writing {
    log: Log,
    tree: Frontier,
    bundle: Vec<u8>,
    facts: Vec<u8>,
    parts: Vec<(Vec<u8>, Vec<u8>)>,
    clock: u64,
}

impl Writing {
    fn new() -> Result<Self> {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32])?;
        let log = Log { key, files: BTreeMap::new() };
        let (bundle, facts, parts) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { log, tree: Frontier::new(), bundle, facts, parts, clock: 1_790_000_000_000_000 })
    }

    fn next_instant(&mut self) -> u64 {
        self.clock += 1_000;
        self.clock
    }

    fn create(&mut self, number: u32, facts: Vec<Fact>) -> Result<()> {
        let mut entry = Entry::new(self.next_instant(), 1, Op::CreateKey, Outcome::Ok);
        (entry.key, entry.kv) = (Some(key_id(number)), Some(1));
        entry.reference = Some(Cow::Borrowed(&[1]));
        self.push(&entry, Some(facts))
    }

    fn change(&mut self, op: Op, number: u32, facts: Vec<Fact>) -> Result<()> {
        let mut entry = Entry::new(self.next_instant(), 1, op, Outcome::Ok);
        entry.key = Some(key_id(number));
        self.push(&entry, Some(facts))
    }

    fn push(&mut self, entry: &Entry<'_>, facts: Option<Vec<Fact>>) -> Result<()> {
        let place = u8::try_from(self.tree.size() % WIDTH)?;
        let mut entry = entry.clone();
        if let Some(facts) = facts.filter(|facts| !facts.is_empty()) {
            let facts = Facts { seed: [3; 16], why: None, facts };
            push_facts(&mut self.facts, place, &facts.encode()?)?;
            entry.fct = Some(facts.digest());
        }
        let mut bytes = Vec::new();
        entry.encode_into(&mut bytes)?;
        push_entry(&mut self.bundle, &bytes)?;
        self.tree.push(leaf_hash(&bytes));
        if self.tree.size().is_multiple_of(WIDTH) {
            self.parts.push((std::mem::take(&mut self.bundle), std::mem::take(&mut self.facts)));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Log> {
        self.parts.push((self.bundle, self.facts));
        let size = self.tree.size();
        for ((index, bundle), (entries, facts)) in (0..).zip(bundles(size)).zip(self.parts) {
            self.log.files.insert(format!("{SHARD}/{bundle}"), entries);
            let name = Resource::facts(index, size).context("no such bundle")?;
            self.log.files.insert(format!("{SHARD}/{name}"), facts);
        }
        let head = ShardHead {
            shard: SHARD,
            state: ShardState::Active,
            incarnation: 1,
            size,
            root: self.tree.root(),
            epoch: 1,
        };
        let cut = Cut {
            t: self.clock,
            cut_no: 0,
            epoch: 1,
            shards: vec![head],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        let cut = cut.encode()?;
        let (mut root, mut bundle) = (Frontier::new(), Vec::new());
        root.push(leaf_hash(&cut));
        push_entry(&mut bundle, &cut)?;
        let name = bundles(1).next().context("no such bundle")?;
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: root.root() };
        let signed = checkpoint.sign(&self.log.key)?.into_bytes();
        let vkey = self.log.key.verifier_key().to_string().into_bytes();
        self.log.files.insert(format!("root/{name}"), bundle);
        self.log.files.extend([(CHECKPOINT.to_owned(), signed), (ROOT_VKEY.to_owned(), vkey)]);
        Ok(self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_are_measured_hold() {
        let (_, uses) = timed(Log::of_uses(600).unwrap()).unwrap();
        assert_eq!(uses.entries(), 601);
        let (_, changes) = timed(Log::of_changes(600).unwrap()).unwrap();
        assert_eq!((changes.entries(), changes.objects.len()), (600, 600));
    }
}
