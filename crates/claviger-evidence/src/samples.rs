//! `samples.json`: entries that nobody chose, each with the proof that the log has it.
//!
//! Of each control that was evaluated, entries of the period that are about its population are drawn by the root of the log
//! ([`claviger_audit::sample`]), at most 25; and as many of all entries of the period. About an object are the entries that have facts of it,
//! and, of a key or a version, those that name it. They are counted object by object in the order of identifiers, of each first those that have
//! facts of it without naming it, then those that name it.
//!
//! What it keeps true: the sample is a function of log and period; whoever has the file and the checkpoint holds each entry against the log
//! without any other file ([`Samples::hold`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_audit::cut::Cut;
use claviger_audit::fact::Object;
use claviger_audit::sample::draw;
use claviger_audit::tree::{leaf_hash, verify_inclusion};
use claviger_audit::verify::{Files, ROOT, SeenEntry, Verified, WalkError};
use claviger_audit::{Checkpoint, Entry, Hash, to_hex};
use claviger_compliance::Period;
use claviger_compliance::control::Mode;
use claviger_compliance::evaluation::Told;
use claviger_core::{KeyId, KeyVersionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::pack::{PackFile, canonical, instant};
use crate::tree::{Proved, Tree};
use crate::window::Window;

/// Where it lies.
pub const SAMPLES: &str = "samples.json";
/// What the sample of all entries is drawn from.
pub(crate) const LOG: &str = "log";
/// Most entries of a sample.
const MOST: u64 = 25;
const FORMAT: &str = "claviger-samples/1";
const METHOD: &str = "HMAC-SHA-256 under the root of the log, over the name, a zero byte and a counter of 8 bytes; the first 8 bytes modulo \
     the number of entries, each once";

/// How often objects are in entries of the period.
#[derive(Debug)]
pub(crate) struct Tally {
    window: Window,
    /// Entries that name a key or a version.
    naming: HashMap<Object, u64>,
    /// Those that have facts of an object and do not name it.
    beside: HashMap<Object, Vec<(u32, u64)>>,
}

/// Where a drawn entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// There.
    Entry(u32, u64),
    /// Where the object is named for that time, the first being 0.
    Naming(Object, u64),
}

impl Tally {
    pub(crate) fn new(period: Period) -> Self {
        Self { window: Window::new(period), naming: HashMap::new(), beside: HashMap::new() }
    }

    pub(crate) fn cut(&mut self, cut: &Cut) {
        self.window.cut(cut);
    }

    /// Counts an entry. Cuts come before all of them.
    pub(crate) fn entry(&mut self, seen: &SeenEntry<'_>) {
        if !self.window.holds(seen.shard, seen.index) {
            return;
        }
        let named = named(seen.entry);
        for object in named.into_iter().flatten() {
            *self.naming.entry(object).or_default() += 1;
        }
        for object in seen.facts.iter().map(|fact| fact.object) {
            if !named.contains(&Some(object)) {
                self.beside.entry(object).or_default().push((seen.shard, seen.index));
            }
        }
    }

    pub(crate) const fn window(&self) -> &Window {
        &self.window
    }

    fn beside(&self, object: &Object) -> &[(u32, u64)] {
        self.beside.get(object).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many entries are about an object.
    fn count(&self, object: &Object) -> u64 {
        self.beside(object).len() as u64 + self.naming.get(object).copied().unwrap_or_default()
    }

    /// The entry with that number among those about an object.
    fn place(&self, object: &Object, number: u64) -> Place {
        let beside = self.beside(object);
        let place = usize::try_from(number).ok().and_then(|number| beside.get(number));
        place.map_or_else(
            || Place::Naming(*object, number.saturating_sub(beside.len() as u64)),
            |(shard, index)| Place::Entry(*shard, *index),
        )
    }
}

/// The key and the version that an entry names.
fn named(entry: &Entry<'_>) -> [Option<Object>; 2] {
    let key = entry.key.map(KeyId::from_bytes);
    let version = key.zip(entry.kv).map(|(key, number)| Object::Version(KeyVersionId { key, number }));
    [key.map(Object::Key), version]
}

/// A population, and what was drawn from its entries.
#[derive(Debug)]
struct Drawn {
    of: String,
    modes: Vec<Mode>,
    subjects: u64,
    population: Option<String>,
    entries: u64,
    places: Vec<(Option<Object>, Place)>,
}

/// Draws, while results are made.
#[derive(Debug)]
pub(crate) struct Drawing<'t> {
    tally: &'t Tally,
    root: Hash,
    drawn: Vec<Drawn>,
}

impl<'t> Drawing<'t> {
    /// By that root of the log. The sample of all entries is the first.
    pub(crate) fn new(tally: &'t Tally, root: Hash) -> Self {
        let ranges: Vec<_> = tally.window.ranges().collect();
        let entries = ranges.iter().map(|(_, range)| range.end - range.start).sum();
        let mut wanted = draw(&root, LOG, entries, MOST).into_iter().peekable();
        let (mut places, mut before) = (Vec::new(), 0);
        for (shard, range) in ranges {
            let end = before + (range.end - range.start);
            while let Some(number) = wanted.next_if(|number| *number < end) {
                places.push((None, Place::Entry(shard, range.start + (number - before))));
            }
            before = end;
        }
        let (of, modes, subjects, population) = (LOG.to_owned(), Vec::new(), 0, None);
        Self { tally, root, drawn: vec![Drawn { of, modes, subjects, population, entries, places }] }
    }

    /// Draws from what a result is about. Two results of a control about the same have one sample.
    pub(crate) fn take(&mut self, told: &Told<'_>) {
        let (of, population) = (told.control.to_string(), Some(told.population.digest.clone()));
        if let Some(last) = self.drawn.last_mut()
            && (&last.of, &last.population) == (&of, &population)
        {
            last.modes.push(told.mode);
            return;
        }
        let entries = told.objects.iter().map(|object| self.tally.count(object)).sum();
        let mut wanted = draw(&self.root, &of, entries, MOST).into_iter().peekable();
        let (mut places, mut before) = (Vec::new(), 0);
        for object in told.objects {
            let end = before + self.tally.count(object);
            while let Some(number) = wanted.next_if(|number| *number < end) {
                places.push((Some(*object), self.tally.place(object, number - before)));
            }
            before = end;
        }
        let (modes, subjects) = (vec![told.mode], told.population.subjects);
        self.drawn.push(Drawn { of, modes, subjects, population, entries, places });
    }

    /// Finds what was drawn, in one more walk over the log, and gives the trees of its shards.
    ///
    /// # Errors
    /// When the log cannot be read as it was verified.
    pub(crate) fn finish(
        self,
        files: &dyn Files,
        verified: &Verified,
    ) -> Result<(Samples, BTreeMap<u32, Tree>), WalkError> {
        let mut naming = Naming::of(&self.drawn);
        let mut trees = BTreeMap::new();
        for (shard, size) in &verified.shards {
            let tree = Tree::grow(files, &shard.to_string(), *size, &mut |index, bytes| {
                if !naming.0.is_empty() && self.tally.window.holds(*shard, index) {
                    naming.saw((*shard, index), bytes);
                }
            })?;
            trees.insert(*shard, tree);
        }
        let (mut samples, mut wanted) = (Vec::new(), BTreeMap::<u32, BTreeSet<u64>>::new());
        for Drawn { of, modes, subjects, population, entries, places } in self.drawn {
            let mut drawn = Vec::with_capacity(places.len());
            for (object, place) in places {
                let Some((shard, entry)) = naming.find(place) else { continue };
                wanted.entry(shard).or_default().insert(entry);
                drawn.push(DrawnEntry { subject: object.map(|object| object.to_string()), shard, entry });
            }
            let modes = modes.iter().map(ToString::to_string).collect();
            samples.push(Sample { of, modes, subjects, population, entries, drawn });
        }
        let mut proved = Vec::new();
        for (shard, wanted) in &wanted {
            let Some(tree) = trees.get(shard) else { continue };
            let found = tree.prove(files, wanted)?;
            proved.extend(found.into_iter().filter_map(|(index, found)| proof(*shard, index, &found)));
        }
        let spans = self.tally.window.ranges();
        let made = Samples {
            format: FORMAT.to_owned(),
            method: METHOD.to_owned(),
            origin: verified.origin.clone(),
            root: to_hex(&self.root),
            cut: newest_cut(files, verified)?,
            window: spans.map(|(shard, range)| Span { shard, from: range.start, to: range.end }).collect(),
            samples,
            entries: proved,
            why_none: None,
        };
        Ok((made, trees))
    }
}

/// The newest cut with the proof that the root log has it.
fn newest_cut(files: &dyn Files, verified: &Verified) -> Result<Option<ProvedCut>, WalkError> {
    let Some(last) = verified.cuts.checked_sub(1) else { return Ok(None) };
    let cuts = Tree::grow(files, ROOT, verified.cuts, &mut |_, _| {})?;
    let found = cuts.prove(files, &BTreeSet::from([last]))?.remove(&last);
    Ok(found.map(|Proved { bytes, path }| ProvedCut {
        number: last,
        bytes: STANDARD.encode(bytes),
        proof: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
    }))
}

fn proof(shard: u32, index: u64, Proved { bytes, path }: &Proved) -> Option<ProvedEntry> {
    let entry = Entry::decode(bytes).ok()?;
    Some(ProvedEntry {
        shard,
        index,
        operation: entry.op.name().to_owned(),
        at: instant(Timestamp::from_micros(entry.t)),
        bytes: STANDARD.encode(bytes),
        proof: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
    })
}

/// How often an object was named so far, and where it was for the wanted times.
#[derive(Debug, Default)]
struct Named {
    seen: u64,
    places: BTreeMap<u64, Option<(u32, u64)>>,
}

/// Finds the entries that name objects for a wanted time.
#[derive(Debug)]
struct Naming(HashMap<Object, Named>);

impl Naming {
    fn of(drawn: &[Drawn]) -> Self {
        let mut wanted = HashMap::<Object, Named>::new();
        for (_, place) in drawn.iter().flat_map(|drawn| &drawn.places) {
            if let Place::Naming(object, number) = place {
                wanted.entry(*object).or_default().places.insert(*number, None);
            }
        }
        Self(wanted)
    }

    fn saw(&mut self, at: (u32, u64), bytes: &[u8]) {
        let Ok(entry) = Entry::decode(bytes) else { return };
        for object in named(&entry).into_iter().flatten() {
            let Some(Named { seen, places }) = self.0.get_mut(&object) else { continue };
            if let Some(place) = places.get_mut(&*seen) {
                *place = Some(at);
            }
            *seen += 1;
        }
    }

    fn find(&self, place: Place) -> Option<(u32, u64)> {
        match place {
            Place::Entry(shard, index) => Some((shard, index)),
            Place::Naming(object, number) => *self.0.get(&object)?.places.get(&number)?,
        }
    }
}

/// The samples of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Form of this file.
    pub format: String,
    /// How numbers are drawn.
    pub method: String,
    /// The root log.
    pub origin: String,
    /// Its root, in hexadecimal: what they are drawn by.
    pub root: String,
    /// Its newest cut; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<ProvedCut>,
    /// The entries of the period.
    pub window: Vec<Span>,
    /// What was drawn: from all entries of the period, then control by control.
    pub samples: Vec<Sample>,
    /// The entries that were drawn, each once.
    pub entries: Vec<ProvedEntry>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_none: Option<String>,
}

/// Entries of a shard that lie in the period.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The shard.
    pub shard: u32,
    /// The first.
    pub from: u64,
    /// The first behind them.
    pub to: u64,
}

/// What was drawn from a population.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The control, or `log`.
    pub of: String,
    /// The modes whose population it is.
    pub modes: Vec<String>,
    /// Subjects of the population. Those that are no objects have no entries of their own.
    pub subjects: u64,
    /// Digest of the population, as the results have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<String>,
    /// Entries of the period that are about it, counted for each subject.
    pub entries: u64,
    /// Those that were drawn.
    pub drawn: Vec<DrawnEntry>,
}

/// A drawn entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DrawnEntry {
    /// The subject that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The shard.
    pub shard: u32,
    /// Its index.
    pub entry: u64,
}

/// A cut with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProvedCut {
    /// Its number.
    pub number: u64,
    /// Its bytes, in base64.
    pub bytes: String,
    /// The hashes of the inclusion proof in the root log (RFC 6962, 2.1.1), in base64.
    pub proof: Vec<String>,
}

/// An entry with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProvedEntry {
    /// The shard.
    pub shard: u32,
    /// Its index.
    pub index: u64,
    /// The operation.
    pub operation: String,
    /// Its instant.
    pub at: String,
    /// Its bytes, in base64.
    pub bytes: String,
    /// The hashes of the inclusion proof in the log of the shard, at the size of the newest cut, in base64.
    pub proof: Vec<String>,
}

/// Why samples do not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSample(String);

/// What was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeldSamples {
    /// Samples.
    pub samples: u64,
    /// Entries that the log has at their places.
    pub entries: u64,
}

impl Samples {
    /// None, of a log that does not hold.
    pub(crate) fn none(root: &Hash, verified: &Verified, why: &str) -> Self {
        Self {
            format: FORMAT.to_owned(),
            method: METHOD.to_owned(),
            origin: verified.origin.clone(),
            root: to_hex(root),
            cut: None,
            window: Vec::new(),
            samples: Vec::new(),
            entries: Vec::new(),
            why_none: Some(why.to_owned()),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(crate) fn file(&self) -> Result<PackFile, serde_json::Error> {
        Ok(PackFile::new(SAMPLES, canonical(self)?))
    }

    /// Holds each entry against the checkpoint of the root log, with nothing but this file: it was drawn by the root, the root log has the newest
    /// cut, and that cut's log has the entry. That the right ones were drawn, whoever has the log finds out by drawing again.
    ///
    /// # Errors
    /// With the first thing that does not hold.
    pub fn hold(&self, head: &Checkpoint) -> Result<HeldSamples, NoSample> {
        let fails = |why: &str| NoSample(why.to_owned());
        if self.format != FORMAT {
            return Err(NoSample(format!("its form is `{}`, which this release does not know", self.format)));
        }
        if (&self.origin, &self.root) != (&head.origin, &to_hex(&head.root)) {
            return Err(fails("it is drawn by the root of another log than the checkpoint"));
        }
        let Some(cut) = self.cut.as_ref() else {
            let is_empty = self.samples.is_empty() && self.entries.is_empty();
            return if is_empty { Ok(HeldSamples::default()) } else { Err(fails("it has no cut")) };
        };
        let (bytes, path) = opened(&cut.bytes, &cut.proof).ok_or_else(|| fails("its cut does not read"))?;
        verify_inclusion(&leaf_hash(&bytes), cut.number, head.size, &path, &head.root)
            .map_err(|error| NoSample(format!("cut {}: {error}", cut.number)))?;
        if cut.number + 1 != head.size {
            return Err(fails("its cut is not the newest"));
        }
        let cut = Cut::decode(&bytes).map_err(|error| NoSample(format!("cut {}: {error}", cut.number)))?;
        let mut proved = BTreeSet::new();
        for ProvedEntry { shard, index, bytes, proof, .. } in &self.entries {
            let wrong = |why: &str| NoSample(format!("entry {index} of shard {shard}: {why}"));
            let (bytes, path) = opened(bytes, proof).ok_or_else(|| wrong("it does not read"))?;
            let log = cut.shard(*shard).ok_or_else(|| wrong("the cut has no such shard"))?;
            verify_inclusion(&leaf_hash(&bytes), *index, log.size, &path, &log.root)
                .map_err(|error| wrong(&error.to_string()))?;
            proved.insert((*shard, *index));
        }
        for sample in &self.samples {
            let of = &sample.of;
            if sample.drawn.len() as u64 != sample.entries.min(MOST) {
                return Err(NoSample(format!("the sample of {of} does not have as many entries as it says")));
            }
            if let Some(one) = sample.drawn.iter().find(|one| !proved.contains(&(one.shard, one.entry))) {
                let DrawnEntry { shard, entry, .. } = one;
                return Err(NoSample(format!(
                    "entry {entry} of shard {shard}, drawn for {of}, has no proof"
                )));
            }
        }
        Ok(HeldSamples { samples: self.samples.len() as u64, entries: proved.len() as u64 })
    }
}

/// The bytes and the hashes of a proof.
fn opened(bytes: &str, proof: &[String]) -> Option<(Vec<u8>, Vec<Hash>)> {
    let hash = |text: &String| Hash::try_from(STANDARD.decode(text).ok()?).ok();
    Some((STANDARD.decode(bytes).ok()?, proof.iter().map(hash).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use claviger_audit::verify::Objects;
    use claviger_audit::{Op, Outcome};
    use claviger_compliance::evaluation::Population;

    use super::*;

    fn key(number: u8) -> KeyId {
        KeyId::from_bytes([number; 16])
    }

    fn of_key(t: u64, number: u8) -> Entry<'static> {
        let mut entry = Entry::new(t, 1, Op::Encrypt, Outcome::Ok);
        (entry.key, entry.kv) = (Some([number; 16]), Some(1));
        entry
    }

    /// 300 entries of a shard, in turn of three keys, of which the first 50 were cut before the period.
    fn tally() -> Tally {
        let at = Timestamp::from_micros;
        let mut tally = Tally::new(Period { from: at(50), to: at(400) });
        let cut = |t: u64, size: u64| {
            let state = claviger_audit::ShardState::Active;
            let shards = vec![claviger_audit::ShardHead {
                shard: 1,
                state,
                incarnation: 1,
                size,
                root: [0; 32],
                epoch: 1,
            }];
            let (erase_generation, capsule_hash, row_tags, rows) = (None, None, None, None);
            Cut { t, cut_no: 0, epoch: 1, shards, erase_generation, capsule_hash, row_tags, rows }
        };
        tally.cut(&cut(49, 50));
        tally.cut(&cut(300, 300));
        let objects = Objects::default();
        for index in 0..300_u64 {
            let entry = of_key(index, u8::try_from(index % 3).unwrap());
            tally.entry(&SeenEntry { shard: 1, index, entry: &entry, facts: &[], objects: &objects });
        }
        tally
    }

    fn population(digest: &str) -> Population {
        Population { subjects: 2, digest: digest.to_owned() }
    }

    #[test]
    fn entries_of_the_period_are_counted_by_the_objects_that_they_name() {
        let tally = tally();
        // 50, 53 .. 299 are of the third key: 84 of them. The others have 83.
        let counts = [0, 1, 2, 7].map(|number| tally.count(&Object::Key(key(number))));
        assert_eq!(counts, [83, 83, 84, 0]);
        let version = Object::Version(KeyVersionId { key: key(2), number: 1 });
        assert_eq!(tally.count(&version), 84);
        assert_eq!(tally.place(&version, 9), Place::Naming(version, 9));
    }

    #[test]
    fn results_about_the_same_have_one_sample_and_others_their_own() {
        let tally = tally();
        let mut drawing = Drawing::new(&tally, [7; 32]);
        let objects = [0, 2].map(|number| Object::Key(key(number)));
        let control = "GEN-01".parse().unwrap();
        let (one, other) = (population("one"), population("other"));
        for (mode, population) in [(Mode::State, &one), (Mode::Period, &one), (Mode::Period, &other)] {
            drawing.take(&Told { control, mode, population, objects: &objects });
        }
        let drawn: Vec<_> = drawing.drawn.iter().map(|one| (one.of.as_str(), one.modes.len())).collect();
        assert_eq!(drawn, [("log", 0), ("GEN-01", 2), ("GEN-01", 1)]);
        assert!(drawing.drawn.iter().all(|one| one.places.len() == 25), "{:?}", drawing.drawn);
        let [log, first, second] = drawing.drawn.as_slice() else { panic!("three samples") };
        assert_eq!((log.entries, first.entries), (250, 167));
        assert_eq!(first.places, second.places, "it is the same control, and there are as many entries");
        assert!(log.places.iter().all(|(_, place)| matches!(place, Place::Entry(1, 50..300))));
    }

    #[test]
    fn nothing_is_drawn_from_what_has_no_entries() {
        let tally = tally();
        let mut drawing = Drawing::new(&tally, [7; 32]);
        let (control, mode) = ("GEN-01".parse().unwrap(), Mode::State);
        let (unused, empty) = (population("unused"), population("empty"));
        drawing.take(&Told { control, mode, population: &unused, objects: &[Object::Key(key(9))] });
        drawing.take(&Told { control, mode, population: &empty, objects: &[] });
        assert!(drawing.drawn.iter().skip(1).all(|one| one.places.is_empty() && one.entries == 0));
    }
}
