//! Tables `grant_index` and `grant_count`: the active grants, to be found by what a call says of itself.
//!
//! Each active grant has one row under its principal and its target, the key or ring that it is on. Its place there has five
//! parts, so that what a call can meet is found by seeking and never by trying one grant after the other:
//!
//! | part | of a grant without conditions on the context | with an exact context | with pairs that it must contain |
//! |---|---|---|---|
//! | bucket | zero | the whole context | one of the pairs |
//! | names | zero | zero | the names of all pairs |
//! | set | zero | zero | all pairs |
//! | era | about when it has ended, by its own time or that of what it rests on: later ends first | the same | the same |
//! | shape | all else that a decision looks at: what it gives, networks, what it rests on and who passed it on | the same | the same |
//!
//! A call looks into the bucket of each of its own pairs, for each set of names there takes its own values for these names, and
//! seeks that set. Within a set it takes of each era that is not over and each shape the grant that ends last: the others of
//! that place are met and honoured when it is, for they rest on the same.
//!
//! What keeps that quick is bounded when a grant is written: sets of names in a bucket, places of a set that are not over. Of its
//! pairs a grant goes to the one whose bucket has the fewest sets of names, so that a pair that all grants ask for costs nothing.
//!
//! Grants that have ended stay here until they are revoked. Those that time ended lie in eras that are over, and come back should a
//! clock that ran ahead be set right. Those that ended with what they rested on, by an act, are set aside in a bucket of their own
//! when a set is crowded: nothing brings them back. So neither keeps a new grant out.

use claviger_core::grant::{Basis, Grant, MAX_ACTIVE, MAX_ALIKE, MAX_NAME_SETS, Selector};
use claviger_core::lineage::{self, Wanted};
use claviger_core::port::StoreError;
use claviger_core::port::store::{GrantQuery, GrantRoom};
use claviger_core::principal::Status;
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};
use claviger_crypto::digest::sha256;
use rusqlite::params;

use super::super::columns::{Columns, find, join, list};
use super::super::error::{damaged, translate};
use super::super::tag::Guarded;
use super::grant;

const TABLE: &str = "grant_index";
/// Bytes of a part of a place.
const PART: usize = 16;
/// Parts of a place.
const PARTS: usize = 5;
/// The part with the end.
const ERA: usize = 3;
/// Most places of a set that are not over, with those that ended by an act and are not set aside yet: these are looked for only
/// when there are so many, so that it is not done for each grant.
const CROWD: usize = MAX_ALIKE + 64;
/// Rows that are set aside at once. A crowd on a full key has a place with fewer that can go.
const SET_ASIDE: usize = 1_024;
/// Grants whose chains are read at once.
const JUDGED_AT_ONCE: usize = 16;
/// Grants on one target that are looked at to say why not, and whether the target may be known.
const WITNESSES: usize = 64;

/// The part of a place that says nothing.
const NONE: [u8; PART] = [0; PART];
/// The bucket of what was set aside, behind all others.
const ASIDE: [u8; PART] = [u8::MAX; PART];

type Pairs = [(String, String)];

/// Where a grant lies under its principal and target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place([u8; PARTS * PART]);

impl Place {
    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; PARTS * PART]) -> Self {
        Self(bytes)
    }

    /// These parts, and zeros behind them.
    fn of(parts: &[[u8; PART]]) -> Self {
        let mut place = [0; PARTS * PART];
        for (to, from) in place.chunks_exact_mut(PART).zip(parts) {
            to.copy_from_slice(from);
        }
        Self(place)
    }

    /// The last place with the same first parts.
    fn last_with(mut self, parts: usize) -> Self {
        for byte in self.0.iter_mut().skip(parts * PART) {
            *byte = u8::MAX;
        }
        self
    }

    /// Where what was set aside lies.
    fn aside() -> Self {
        Self::of(&[ASIDE, ASIDE])
    }

    /// The last place of this set whose era is not over at `now`.
    fn last_at(self, now: Timestamp) -> Self {
        let mut last = self;
        let era = era_part(now.as_micros());
        for (to, from) in last.0.iter_mut().skip(ERA * PART).zip(era) {
            *to = from;
        }
        last.last_with(ERA + 1)
    }

    fn starts_with(&self, other: &Self, parts: usize) -> bool {
        self.0.iter().zip(&other.0).take(parts * PART).all(|(one, other)| one == other)
    }
}

/// The first half of SHA-256 over parts, each behind its length, under a label.
fn digest<'a>(label: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; PART] {
    let mut bytes = format!("claviger/grant-index/{label}\0").into_bytes();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    let mut half = [0; PART];
    for (to, from) in half.iter_mut().zip(sha256(&bytes)) {
        *to = from;
    }
    half
}

fn of_pair((name, value): &(String, String)) -> [u8; PART] {
    digest("pair", [name.as_bytes(), value.as_bytes()])
}

fn of_set(label: &str, pairs: &Pairs) -> [u8; PART] {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_unstable();
    digest(label, sorted.into_iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
}

fn of_names(pairs: &Pairs) -> [u8; PART] {
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name.as_bytes()).collect();
    names.sort_unstable();
    digest("names", names)
}

/// All that a decision looks at beside the context and the end of the grant.
fn of_shape(grant: &Grant) -> [u8; PART] {
    let conditions = &grant.conditions;
    let operations = join(&grant.operations);
    let networks = join(&conditions.source_networks);
    let basis = of_basis(grant);
    // Of a grant with an exact context, the bucket says nothing of pairs that it asks for besides.
    let besides = conditions.context_exactly.as_ref().map_or(&[][..], |_| &conditions.context_equals);
    let besides = besides.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    digest("shape", [operations.as_bytes(), networks.as_bytes(), &basis].into_iter().chain(besides))
}

/// What it depends on: a grant given under a role on nothing but itself.
fn of_basis(grant: &Grant) -> [u8; PART] {
    let Basis::Grants(basis) = &grant.basis else { return NONE };
    let basis = basis.iter().map(|id| &id.as_bytes()[..]);
    digest(
        "basis",
        [&grant.created_by.as_bytes()[..], grant.origin.name().as_bytes()].into_iter().chain(basis),
    )
}

/// What it rests on and gives. Those given under a role come first.
pub(in crate::sqlite) fn kin(grant: &Grant) -> [u8; PART] {
    let operations = join(&grant.operations);
    let mut kin = digest("kin", [operations.as_bytes(), &of_basis(grant)]);
    if let Some(first) = kin.first_mut() {
        *first = u8::from(grant.basis.is_delegated());
    }
    kin
}

/// The part for an era that ends at that instant: later ones come first.
fn era_part(end: u64) -> [u8; PART] {
    let mut part = NONE;
    for (to, from) in part.iter_mut().zip((u64::MAX - end).to_be_bytes()) {
        *to = from;
    }
    part
}

/// The end of the era of a grant that has ended by then: not before that, and by a sixteenth of its time later at most, so that
/// grants that are given again and again for the same time share few eras.
fn era(grant: &Grant, ends_by: Option<Timestamp>) -> u64 {
    let Some(end) = ends_by.map(Timestamp::as_micros) else { return u64::MAX };
    let lasts = end.saturating_sub(grant.created_at.as_micros());
    let step = 1_u64 << (lasts / 16).max(1).ilog2();
    end.div_ceil(step).saturating_mul(step)
}

fn target(selector: Selector) -> [u8; 16] {
    match selector {
        Selector::Key(key) => *key.as_bytes(),
        Selector::Ring(ring) => *ring.as_bytes(),
    }
}

fn end(grant: &Grant) -> i64 {
    kept(grant.conditions.until)
}

/// The grants of one principal on one target.
struct Shelf<'c> {
    connection: Guarded<'c>,
    principal: PrincipalId,
    target: [u8; 16],
}

impl<'c> Shelf<'c> {
    fn of(connection: Guarded<'c>, grant: &Grant) -> Self {
        Self { connection, principal: grant.principal, target: target(grant.selector) }
    }

    /// The first grant behind `after` and up to `last`, and where it lies. Of one place, the one that ends last.
    fn next(&self, after: Place, last: Place) -> Result<Option<(Place, GrantId)>, StoreError> {
        let sql = "SELECT place, id FROM grant_index WHERE principal = ?1 AND target = ?2 AND place > ?3 AND place <= ?4 \
                   ORDER BY place, ends DESC, id LIMIT 1";
        let (after, last) = (after.bytes(), last.bytes());
        find(self.connection, sql, params![self.principal.as_bytes(), self.target, after, last], |row| {
            let mut columns = Columns::new(TABLE, row);
            Ok((Place(columns.array()?), GrantId::from_bytes(columns.array()?)))
        })
    }

    fn load(&self, id: GrantId) -> Result<Grant, StoreError> {
        let found = grant::find_by_id(self.connection, id)?;
        let grant = found.ok_or_else(|| damaged(TABLE, "its grant is missing"))?;
        // The index has no tags: it says where to look, and the grant whether it is what was looked for.
        let is_of_shelf = grant.principal == self.principal && target(grant.selector) == self.target;
        if is_of_shelf && grant.status == Status::Active {
            Ok(grant)
        } else {
            Err(damaged(TABLE, "a grant lies among others than its own"))
        }
    }

    /// One step for each way in which places differ in their part behind the first `parts`, from `within` up to `last`.
    fn each(
        &self,
        within: Place,
        last: Place,
        parts: usize,
        mut step: impl FnMut(Place, GrantId) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = within;
        while let Some((place, id)) = self.next(after, last)? {
            if !step(place, id)? {
                break;
            }
            after = place.last_with(parts + 1);
        }
        Ok(())
    }

    /// How many sets of names a bucket has, up to the most that it may have.
    fn count_names(&self, bucket: Place) -> Result<usize, StoreError> {
        let mut count = 0;
        self.each(bucket, bucket.last_with(1), 1, |_, _| {
            count += 1;
            Ok(count < MAX_NAME_SETS)
        })?;
        Ok(count)
    }

    /// The places of a set that are not over, up to [`CROWD`], each with the grant that ends last.
    fn places(&self, set: Place, now: Timestamp) -> Result<Vec<(Place, GrantId)>, StoreError> {
        let mut places = Vec::new();
        self.each(set, set.last_at(now), ERA + 1, |place, id| {
            places.push((place, id));
            Ok(places.len() < CROWD)
        })?;
        Ok(places)
    }

    fn has(&self, within: Place, parts: usize) -> Result<bool, StoreError> {
        Ok(self.next(within, within.last_with(parts))?.is_some())
    }

    /// The place for a grant, and what is in its way.
    fn place_for(&self, grant: &Grant, ends_by: Option<Timestamp>) -> Result<Placing, StoreError> {
        let (parts, room) = self.set_for(grant)?;
        let [bucket, names, set] = parts;
        let place = Place::of(&[bucket, names, set, era_part(era(grant, ends_by)), of_shape(grant)]);
        let is_new = self.next(before(place), place)?.is_none();
        let others = if is_new { self.places(Place::of(&parts), grant.created_at)? } else { Vec::new() };
        Ok(Placing { place, room, others })
    }

    /// Which of these places have ended by an act: all that lies there has.
    fn ended_for_good(&self, places: &[(Place, GrantId)]) -> Result<Vec<Place>, StoreError> {
        let mut ended = Vec::new();
        for some in places.chunks(JUDGED_AT_ONCE) {
            let grants = some.iter().map(|(_, id)| self.load(*id)).collect::<Result<Vec<_>, _>>()?;
            let Some(wanted) = Wanted::of(&grants) else { continue };
            let for_good = grant::lineage(self.connection, wanted)?.ended_for_good(&grants);
            ended.extend(some.iter().zip(for_good).filter(|(_, ended)| *ended).map(|((place, _), _)| *place));
        }
        Ok(ended)
    }

    /// Sets aside what has ended by an act, as much as is done at once; gives how many places became free.
    fn set_aside(&self, places: &[(Place, GrantId)]) -> Result<usize, StoreError> {
        let (aside, mut rows, mut free) = (Place::aside(), 0, 0);
        for place in self.ended_for_good(places)? {
            let here = self.ids_at(place, SET_ASIDE + 1)?;
            rows += here.len();
            if rows > SET_ASIDE {
                rows -= here.len();
                continue;
            }
            free += 1;
            run(
                self.connection,
                "UPDATE grant_index SET place = ?4, kin = ?5 WHERE principal = ?1 AND target = ?2 AND place = ?3",
                params![self.principal.as_bytes(), self.target, place.bytes(), aside.bytes(), ASIDE],
            )?;
            for id in here {
                grant::put_place(self.connection, id, &aside)?;
            }
        }
        Ok(free)
    }

    fn ids_at(&self, place: Place, most: usize) -> Result<Vec<GrantId>, StoreError> {
        let sql = "SELECT id FROM grant_index WHERE principal = ?1 AND target = ?2 AND place = ?3 LIMIT ?4";
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let params = params![self.principal.as_bytes(), self.target, place.bytes(), most];
        list(self.connection, sql, params, |row| Columns::new(TABLE, row).array().map(GrantId::from_bytes))
    }

    /// The parts of its place before the era, and whether a new set of names is one too many.
    fn set_for(&self, grant: &Grant) -> Result<([[u8; PART]; 3], GrantRoom), StoreError> {
        let conditions = &grant.conditions;
        if let Some(exactly) = &conditions.context_exactly {
            return Ok(([of_set("exactly", exactly), NONE, NONE], GrantRoom::Yes));
        }
        let pairs = &conditions.context_equals;
        if pairs.is_empty() {
            return Ok(([NONE, NONE, NONE], GrantRoom::Yes));
        }
        let (names, set) = (of_names(pairs), of_set("set", pairs));
        let mut fewest = (usize::MAX, NONE);
        for pair in pairs {
            let bucket = of_pair(pair);
            if self.has(Place::of(&[bucket, names]), 2)? {
                return Ok(([bucket, names, set], GrantRoom::Yes));
            }
            fewest = fewest.min((self.count_names(Place::of(&[bucket]))?, bucket));
        }
        let room = if fewest.0 < MAX_NAME_SETS { GrantRoom::Yes } else { GrantRoom::TooManyNameSets };
        Ok(([fewest.1, names, set], room))
    }

    /// The grants that a call with this context can rest on.
    fn by_context(
        &self,
        context: &Pairs,
        query: &GrantQuery,
        found: &mut Vec<Grant>,
    ) -> Result<(), StoreError> {
        let mut sets = vec![Place::of(&[NONE])];
        // Where no grant looks at contexts, nothing of them is looked up.
        if self.next(Place::of(&[NONE]).last_with(1), Place::of(&[ASIDE]))?.is_some() {
            sets.push(Place::of(&[of_set("exactly", context)]));
            for pair in context {
                let bucket = of_pair(pair);
                let within = Place::of(&[bucket]);
                self.each(within, within.last_with(1), 1, |place, id| {
                    let wanted = self.load(id)?.conditions.context_equals;
                    let said: Option<Vec<_>> = wanted
                        .iter()
                        .map(|(name, _)| context.iter().find(|pair| pair.0 == *name).cloned())
                        .collect();
                    let names = of_names(&wanted);
                    if !place.starts_with(&Place::of(&[bucket, names]), 2) {
                        return Err(damaged(TABLE, "a grant lies among others than its own"));
                    }
                    sets.extend(said.map(|said| Place::of(&[bucket, names, of_set("set", &said)])));
                    Ok(true)
                })?;
            }
        }
        for set in sets {
            self.each(set, set.last_at(query.now), ERA + 1, |_, id| {
                let grant = self.load(id)?;
                if grant.operations.iter().any(|action| query.actions.contains(action)) {
                    found.push(grant);
                }
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Of those that rest on and give the same, the one that ends last.
    fn each_kin(&self, most: usize, mut take: impl FnMut(Grant)) -> Result<(), StoreError> {
        let sql = "SELECT kin, id FROM grant_index INDEXED BY grant_index_by_kin \
                   WHERE principal = ?1 AND target = ?2 AND kin > ?3 ORDER BY kin, ends DESC LIMIT 1";
        let mut after = Vec::new();
        for _ in 0..most {
            let of = params![self.principal.as_bytes(), self.target, after];
            let next = find(self.connection, sql, of, |row| {
                let mut columns = Columns::new(TABLE, row);
                Ok((columns.bytes()?.to_vec(), GrantId::from_bytes(columns.array()?)))
            })?;
            let Some((kin, id)) = next else { break };
            take(self.load(id)?);
            after = kin;
        }
        Ok(())
    }
}

/// Where a grant comes to lie.
struct Placing {
    place: Place,
    /// Whether it makes a new set of names where there are too many.
    room: GrantRoom,
    /// The other places of its set, if this one is new.
    others: Vec<(Place, GrantId)>,
}

/// The last place before `place`.
fn before(mut place: Place) -> Place {
    for byte in place.0.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            break;
        }
    }
    place
}

/// Where the grants of a query lie: on the key, and on the ring.
fn shelves<'c>(
    connection: Guarded<'c>,
    principal: PrincipalId,
    key: Option<KeyId>,
    ring: KeyRingId,
) -> impl Iterator<Item = Shelf<'c>> {
    let targets = key.map(Selector::Key).into_iter().chain([Selector::Ring(ring)]);
    targets.map(move |selector| Shelf { connection, principal, target: target(selector) })
}

/// What a decision reads, for each context.
pub(in crate::sqlite) fn list_candidates(
    connection: Guarded<'_>,
    query: &GrantQuery,
) -> Result<Vec<Vec<Grant>>, StoreError> {
    let candidates = |context: &Vec<(String, String)>| {
        let mut found = Vec::new();
        for shelf in shelves(connection, query.principal, query.key, query.ring) {
            shelf.by_context(context, query, &mut found)?;
        }
        found.sort_unstable_by_key(|grant| grant.id);
        found.dedup_by_key(|grant| grant.id);
        Ok(found)
    };
    query.contexts.iter().map(candidates).collect()
}

/// Some that show why not.
pub(in crate::sqlite) fn list_witnesses(
    connection: Guarded<'_>,
    principal: PrincipalId,
    key: Option<KeyId>,
    ring: KeyRingId,
) -> Result<Vec<Grant>, StoreError> {
    let mut found = Vec::new();
    for shelf in shelves(connection, principal, key, ring) {
        shelf.each_kin(WITNESSES, |grant| found.push(grant))?;
    }
    Ok(found)
}

/// On what the principal has active grants: on each target, one for each way in which they rest on and give something.
pub(in crate::sqlite) fn list_granted(
    connection: Guarded<'_>,
    principal: PrincipalId,
) -> Result<Vec<Grant>, StoreError> {
    let next = "SELECT target FROM grant_index WHERE principal = ?1 AND target > ?2 ORDER BY target LIMIT 1";
    let (mut granted, mut after) = (Vec::new(), Vec::new());
    loop {
        let target = find(connection, next, params![principal.as_bytes(), after], |row| {
            Columns::new(TABLE, row).array()
        })?;
        let Some(target) = target else { return Ok(granted) };
        Shelf { connection, principal, target }.each_kin(usize::MAX, |grant| granted.push(grant))?;
        after = target.to_vec();
    }
}

/// Is there room for one more?
pub(in crate::sqlite) fn room(connection: Guarded<'_>, grant: &Grant) -> Result<GrantRoom, StoreError> {
    if active_on(connection, grant.selector)? >= MAX_ACTIVE {
        return Ok(GrantRoom::TooManyOnTarget);
    }
    let shelf = Shelf::of(connection, grant);
    let Placing { room, others, .. } = shelf.place_for(grant, ends_by(connection, grant)?)?;
    if room == GrantRoom::Yes
        && others.len() >= MAX_ALIKE
        && others.len() - shelf.ended_for_good(&others)?.len() >= MAX_ALIKE
    {
        return Ok(GrantRoom::TooManyAlike);
    }
    Ok(room)
}

/// By when the grant has ended, by its own time or that of what it rests on.
pub(super) fn ends_by(connection: Guarded<'_>, grant: &Grant) -> Result<Option<Timestamp>, StoreError> {
    let bearing = |id: &GrantId| grant::find_bearing(connection, *id);
    let basis = grant.basis.grants().iter().map(bearing).collect::<Result<Vec<_>, _>>()?;
    let basis: Vec<_> = basis.into_iter().flatten().collect();
    Ok(lineage::ends_by(grant, &basis))
}

/// An end as it is kept: later ends are greater, and no end is the greatest.
pub(super) fn kept(end: Option<Timestamp>) -> i64 {
    end.map_or(i64::MAX, |end| i64::try_from(end.as_micros()).unwrap_or(i64::MAX))
}

pub(super) fn instant(kept: u64) -> Option<Timestamp> {
    (kept < i64::MAX.unsigned_abs()).then(|| Timestamp::from_micros(kept))
}

fn active_on(connection: Guarded<'_>, selector: Selector) -> Result<u64, StoreError> {
    let sql = "SELECT active FROM grant_count WHERE target = ?1";
    let count = find(connection, sql, [target(selector)], |row| Columns::new("grant_count", row).count())?;
    Ok(count.unwrap_or_default())
}

/// Adds an active grant, and gives its place; `None` when there is no room. Where a set is crowded by what has ended by an act, that
/// is set aside.
pub(super) fn add(
    connection: Guarded<'_>,
    grant: &Grant,
    ends_by: Option<Timestamp>,
) -> Result<Option<Place>, StoreError> {
    let shelf = Shelf::of(connection, grant);
    let Placing { place, room, others } = shelf.place_for(grant, ends_by)?;
    let crowded = others.len() >= CROWD && shelf.set_aside(&others)? == 0;
    if crowded || room != GrantRoom::Yes || active_on(connection, grant.selector)? >= MAX_ACTIVE {
        return Ok(None);
    }
    insert(connection, grant, place)?;
    Ok(Some(place))
}

/// Adds an active grant of an earlier schema, which knew no bounds.
pub(super) fn adopt(
    connection: Guarded<'_>,
    grant: &Grant,
    ends_by: Option<Timestamp>,
) -> Result<Place, StoreError> {
    let place = Shelf::of(connection, grant).place_for(grant, ends_by)?.place;
    insert(connection, grant, place)?;
    Ok(place)
}

fn insert(connection: Guarded<'_>, grant: &Grant, place: Place) -> Result<(), StoreError> {
    let target = target(grant.selector);
    run(
        connection,
        "INSERT INTO grant_index (principal, target, place, ends, id, kin) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            grant.principal.as_bytes(),
            target,
            place.bytes(),
            end(grant),
            grant.id.as_bytes(),
            kin(grant)
        ],
    )?;
    run(
        connection,
        "INSERT INTO grant_count (target, active) VALUES (?1, 1) \
         ON CONFLICT (target) DO UPDATE SET active = active + 1",
        [target],
    )?;
    Ok(())
}

/// Takes away a grant that was active, as it was written.
pub(super) fn remove(connection: Guarded<'_>, grant: &Grant, place: Place) -> Result<(), StoreError> {
    let target = target(grant.selector);
    let gone = run(
        connection,
        "DELETE FROM grant_index WHERE principal = ?1 AND target = ?2 AND place = ?3 AND ends = ?4 AND id = ?5",
        params![grant.principal.as_bytes(), target, place.bytes(), end(grant), grant.id.as_bytes()],
    )?;
    let counted = run(connection, "UPDATE grant_count SET active = active - 1 WHERE target = ?1", [target])?;
    if (gone, counted) == (1, 1) { Ok(()) } else { Err(damaged(TABLE, "an active grant is missing in it")) }
}

/// How many entries say another end, or other kin, than their grants have.
pub(in crate::sqlite) fn count_differing(connection: Guarded<'_>) -> Result<u64, StoreError> {
    let mut select = connection.prepare("SELECT id, ends, kin FROM grant_index").map_err(translate)?;
    let mut rows = select.query([]).map_err(translate)?;
    let mut differing = 0;
    while let Some(row) = rows.next().map_err(translate)? {
        let entry =
            row.get(0).and_then(|id: [u8; 16]| Ok((id, row.get::<_, i64>(1)?, row.get::<_, [u8; PART]>(2)?)));
        let agrees = match entry {
            Ok((id, ends, kept)) => grant::find_by_id(connection, GrantId::from_bytes(id))?
                .is_some_and(|grant| (end(&grant), kin(&grant)) == (ends, kept)),
            Err(_) => false,
        };
        differing += u64::from(!agrees);
    }
    Ok(differing)
}

fn run(connection: Guarded<'_>, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(translate)
}

/// A digest of what the same grant has, for one that has a name.
pub(super) fn terms(grant: &Grant, conditions: &[u8]) -> Option<[u8; PART]> {
    let name = grant.name.as_deref()?;
    let retiring = grant.retiring.as_ref().map_or(&[][..], |retiring| retiring.as_bytes());
    let operations = join(&grant.operations);
    Some(digest("terms", [name.as_bytes(), retiring, operations.as_bytes(), conditions, &of_basis(grant)]))
}
