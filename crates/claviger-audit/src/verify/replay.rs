//! The states of keys that follow from the log, to be held against the live ones.

use std::collections::BTreeMap;

use claviger_core::key::{Event, State};
use claviger_core::{KeyId, KeyVersionId};

use super::finding::Finding;
use crate::{Entry, Op, Outcome};

/// A key as the log records it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    state: State,
    primary: u32,
    versions: BTreeMap<u32, Version>,
    /// When it may be destroyed, in microseconds since the Unix epoch; until then it is used for nothing.
    destroy_at: Option<u64>,
}

/// A version as the log records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    state: State,
    material: Material,
}

/// Where a version's material is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Material {
    /// To be imported. `suspended` says that its removal suspended the version.
    PendingImport {
        suspended: bool,
    },
    Here,
}

impl Version {
    const fn made(state: State) -> Self {
        Self { state, material: Material::Here }
    }
}

/// Replays what entries say of keys. Entries come in the order of the log.
#[derive(Debug, Default)]
pub struct Replay {
    keys: BTreeMap<KeyId, Key>,
}

/// State of a version and of its key.
pub type States = BTreeMap<KeyVersionId, (State, State)>;

impl Replay {
    /// Takes one entry. What cannot be is a finding; the replay goes on.
    pub fn take(&mut self, shard: u32, at: u64, entry: &Entry<'_>, findings: &mut Vec<Finding>) {
        if entry.out != Outcome::Ok {
            return;
        }
        let id = entry.key.map(KeyId::from_bytes);
        if let Some(step) = step_of(entry.op)
            && id.and_then(|id| self.apply(step, id, entry)).is_none()
        {
            findings.push(Finding::ImpossibleStep { shard, entry: at, op: entry.op, key: id });
        }
        if entry.op.uses_material()
            && let Some(id) = id
            && let Some(state) = self.forbids(id, entry)
        {
            findings.push(Finding::UseOfDeadKey { shard, entry: at, op: entry.op, key: id, state });
        }
    }

    /// The state that forbids what the entry records as done; `None` if nothing does. A key that the log
    /// does not know is in no state that allows anything.
    fn forbids(&self, id: KeyId, entry: &Entry<'_>) -> Option<Option<State>> {
        let Some(key) = self.keys.get(&id) else { return Some(None) };
        let version = match entry.kv {
            Some(number) => match key.versions.get(&number) {
                Some(version) => *version,
                None => return Some(None),
            },
            None => Version::made(key.state),
        };
        let state = key.state.stricter(version.state);
        if key.destroy_at.is_some() {
            return Some(Some(state));
        }
        let allowed = if protects(entry) { state.protects() } else { state.processes() };
        (!allowed || version.material != Material::Here).then_some(Some(state))
    }

    fn apply(&mut self, step: Step, id: KeyId, entry: &Entry<'_>) -> Option<()> {
        match step {
            Step::Create => {
                let version = created(*entry.reference.as_deref()?.first()?)?;
                let number = entry.kv?;
                let versions = BTreeMap::from([(number, version)]);
                let key = Key { state: version.state, primary: number, versions, destroy_at: None };
                self.keys.insert(id, key).is_none().then_some(())
            }
            Step::CancelDestroy => self.keys.get_mut(&id)?.destroy_at.take().map(drop),
            Step::Destroy => self.keys.get_mut(&id)?.destroy(entry.t),
            Step::ScheduleDestroy => {
                let at = entry.reference.as_deref()?.first_chunk::<8>()?;
                self.keys.get_mut(&id)?.schedule_destroy(u64::from_be_bytes(*at))
            }
            Step::Rotate => self.keys.get_mut(&id)?.rotate(entry.kv?),
            Step::Key(event) => self.keys.get_mut(&id)?.move_key(event),
            Step::Version(event) => self.keys.get_mut(&id)?.move_version(entry.kv?, event),
            Step::Import => self.keys.get_mut(&id)?.import(entry.kv?),
            Step::Remove => self.keys.get_mut(&id)?.remove_material(entry.kv?),
        }
    }

    /// The states that follow from the entries.
    #[must_use]
    pub fn finish(self) -> States {
        let versions = |(id, key): (KeyId, Key)| {
            key.versions
                .into_iter()
                .map(move |(number, version)| (KeyVersionId { key: id, number }, (version.state, key.state)))
        };
        self.keys.into_iter().flat_map(versions).collect()
    }
}

impl Key {
    fn rotate(&mut self, number: u32) -> Option<()> {
        if self.state != State::Active {
            return None;
        }
        // SP 800-57 part 1, 5.3.5: the originator-usage period of the old version ends when the new one takes over.
        let old = self.versions.get_mut(&self.primary)?;
        if old.state == State::Active {
            old.state = old.state.after(Event::Deactivate).ok()?;
        }
        // Made by the rotation, unless it waited for it with material that was imported.
        self.versions.entry(number).or_insert(Version::made(State::PreActive));
        self.primary = number;
        self.move_version(number, Event::Activate)
    }

    /// Material comes: the first, the same again, or new material that waits for rotation.
    fn import(&mut self, number: u32) -> Option<()> {
        if self.destroy_at.is_some()
            || !matches!(self.state, State::PreActive | State::Active | State::Suspended)
        {
            return None;
        }
        let Some(version) = self.versions.get_mut(&number) else {
            let next = self.versions.last_key_value()?.0.checked_add(1)?;
            self.versions.insert(number, Version::made(State::PreActive));
            return (number == next).then_some(());
        };
        let was = std::mem::replace(&mut version.material, Material::Here);
        match (version.state, was) {
            (State::PreActive, Material::PendingImport { .. }) if number == self.primary => {
                if self.state == State::PreActive {
                    self.state = self.state.after(Event::Activate).ok()?;
                }
                self.move_version(number, Event::Activate)
            }
            (State::Suspended, Material::PendingImport { suspended: true }) => {
                self.move_version(number, Event::Resume)
            }
            (State::Compromised | State::Destroyed | State::DestroyedCompromised, _) => None,
            _ => Some(()),
        }
    }

    /// Material is removed: what was in use is suspended.
    fn remove_material(&mut self, number: u32) -> Option<()> {
        let version = self.versions.get_mut(&number)?;
        if version.material != Material::Here {
            return Some(());
        }
        let suspended = version.state == State::Active;
        if suspended {
            version.state = version.state.after(Event::Suspend).ok()?;
        }
        version.material = Material::PendingImport { suspended };
        Some(())
    }

    /// What waits already is scheduled again by another approval, and its end stays.
    fn schedule_destroy(&mut self, at: u64) -> Option<()> {
        if self.destroy_at.is_some_and(|kept| kept != at) || self.state.is_destroyed() {
            return None;
        }
        self.destroy_at = Some(at);
        self.state = self.state.after(Event::Suspend).unwrap_or(self.state);
        Some(())
    }

    /// Not without a waiting period, and not before its end.
    fn destroy(&mut self, now: u64) -> Option<()> {
        self.destroy_at.take().filter(|at| *at <= now)?;
        self.state = self.state.destroyed().ok()?;
        for version in self.versions.values_mut().filter(|version| !version.state.is_destroyed()) {
            version.state = version.state.destroyed().ok()?;
        }
        Some(())
    }

    fn move_key(&mut self, event: Event) -> Option<()> {
        // What waits for its destruction does not come back into use but by the end of the wait.
        if self.destroy_at.is_some() && matches!(event, Event::Activate | Event::Resume) {
            return None;
        }
        self.state = self.state.after(event).ok()?;
        let waits = self.versions.get(&self.primary).is_some_and(|version| version.state == State::PreActive);
        if event == Event::Activate && waits {
            return self.move_version(self.primary, event);
        }
        Some(())
    }

    fn move_version(&mut self, number: u32, event: Event) -> Option<()> {
        let version = self.versions.get_mut(&number)?;
        let state = version.state.after(event).ok()?;
        // Nothing comes into use whose material is absent.
        if state == State::Active && version.material != Material::Here {
            return None;
        }
        version.state = state;
        Some(())
    }
}

/// The first version as the creation of its key records it.
fn created(reported: u8) -> Option<Version> {
    match reported {
        0 => Some(Version::made(State::PreActive)),
        1 => Some(Version::made(State::Active)),
        2 => {
            Some(Version { state: State::PreActive, material: Material::PendingImport { suspended: false } })
        }
        _ => None,
    }
}

/// Is it a use on new data? Re-encryption says with a 1 that it opened only, for another key to seal.
fn protects(entry: &Entry<'_>) -> bool {
    let opened_only = entry.op == Op::Reencrypt && entry.reference.as_deref() == Some(&[1]);
    entry.op.protects() && !opened_only
}

enum Step {
    CancelDestroy,
    Create,
    Destroy,
    Import,
    Key(Event),
    Remove,
    Rotate,
    ScheduleDestroy,
    Version(Event),
}

fn step_of(op: Op) -> Option<Step> {
    Some(match op {
        Op::CreateKey => Step::Create,
        Op::ImportMaterial => Step::Import,
        Op::RemoveImportedMaterial => Step::Remove,
        Op::RotateKey => Step::Rotate,
        Op::ScheduleDestroy => Step::ScheduleDestroy,
        Op::CancelDestroy => Step::CancelDestroy,
        Op::DestroyKey => Step::Destroy,
        Op::ActivateKey => Step::Key(Event::Activate),
        Op::SuspendKey => Step::Key(Event::Suspend),
        Op::ResumeKey => Step::Key(Event::Resume),
        Op::DeactivateKey => Step::Key(Event::Deactivate),
        Op::CompromiseKey => Step::Key(Event::Compromise),
        Op::SuspendVersion => Step::Version(Event::Suspend),
        Op::ResumeVersion => Step::Version(Event::Resume),
        Op::DeactivateVersion => Step::Version(Event::Deactivate),
        Op::CompromiseVersion => Step::Version(Event::Compromise),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn entry(op: Op, version: Option<u32>, outcome: Outcome) -> Entry<'static> {
        let mut entry = Entry::new(1, 1, op, outcome);
        entry.key = Some([7; 16]);
        entry.kv = version;
        if op == Op::CreateKey {
            entry.reference = Some(Cow::Borrowed(&[0]));
        }
        if op == Op::ScheduleDestroy {
            entry.reference = Some(Cow::Borrowed(&[0, 0, 0, 0, 0, 0, 0, 5]));
        }
        entry
    }

    fn replayed(steps: &[(Op, Option<u32>)]) -> (Vec<(u32, State, State)>, Vec<Finding>) {
        let (mut replay, mut findings) = (Replay::default(), Vec::new());
        for (at, (op, version)) in (0..).zip(steps) {
            // Each a microsecond after the other, so that a fifth entry is the first that may destroy.
            let entry = Entry { t: at + 1, ..entry(*op, *version, Outcome::Ok) };
            replay.take(0, at, &entry, &mut findings);
        }
        let states = replay.finish();
        (states.into_iter().map(|(id, (version, key))| (id.number, version, key)).collect(), findings)
    }

    #[test]
    fn a_life_is_replayed() {
        use State::{Active, Compromised, Deactivated, Suspended};
        let mut steps = vec![(Op::CreateKey, Some(1)), (Op::ActivateKey, Some(1)), (Op::RotateKey, Some(2))];
        assert_eq!(replayed(&steps), (vec![(1, Deactivated, Active), (2, Active, Active)], vec![]));
        steps.extend([(Op::SuspendKey, None), (Op::CompromiseVersion, Some(1))]);
        assert_eq!(replayed(&steps), (vec![(1, Compromised, Suspended), (2, Active, Suspended)], vec![]));
    }

    #[test]
    fn a_death_is_replayed_and_nobody_returns_from_it() {
        use State::{Active, Compromised, Destroyed, DestroyedCompromised, Suspended};
        let begun = vec![(Op::CreateKey, Some(1)), (Op::ActivateKey, Some(1))];
        let with = |steps: &[(Op, Option<u32>)]| replayed(&[&begun, steps].concat());
        let (schedule, cancel) = ((Op::ScheduleDestroy, None), (Op::CancelDestroy, None));
        assert_eq!(with(&[schedule]), (vec![(1, Active, Suspended)], vec![]));
        assert_eq!(with(&[schedule, cancel, (Op::ResumeKey, None)]), (vec![(1, Active, Active)], vec![]));
        let rotated = (Op::RotateKey, Some(2));
        let leaked = (Op::CompromiseVersion, Some(1));
        let died = [rotated, schedule, leaked, (Op::DestroyKey, None)];
        let states = vec![(1, DestroyedCompromised, Destroyed), (2, Destroyed, Destroyed)];
        assert_eq!(with(&died), (states.clone(), vec![]));
        for back in
            [schedule, cancel, (Op::ResumeKey, None), (Op::ActivateKey, Some(2)), (Op::RotateKey, Some(3))]
        {
            let (after, findings) = with(&[&died[..], &[back]].concat());
            assert_eq!((after, findings.len()), (states.clone(), 1), "{back:?}");
        }
        let known = with(&[&died[..], &[(Op::CompromiseKey, None)]].concat());
        assert_eq!(known.0[1], (2, Destroyed, DestroyedCompromised));
        assert_eq!(with(&[schedule, (Op::CompromiseKey, None)]).0, vec![(1, Active, Compromised)]);
    }

    #[test]
    fn refused_steps_change_nothing() {
        let (mut replay, mut findings) = (Replay::default(), Vec::new());
        replay.take(0, 0, &entry(Op::CreateKey, Some(1), Outcome::Ok), &mut findings);
        replay.take(0, 1, &entry(Op::ActivateKey, Some(1), Outcome::Denied), &mut findings);
        let states = replay.finish();
        assert_eq!(states.values().next(), Some(&(State::PreActive, State::PreActive)));
        assert!(findings.is_empty());
    }

    #[test]
    fn impossible_steps_are_findings() {
        for steps in [
            vec![(Op::RotateKey, Some(2))],
            vec![(Op::CreateKey, Some(1)), (Op::CreateKey, Some(1))],
            vec![(Op::CreateKey, Some(1)), (Op::ResumeKey, None)],
            vec![(Op::CreateKey, Some(1)), (Op::SuspendVersion, Some(9))],
            vec![(Op::CreateKey, Some(1)), (Op::RotateKey, Some(2))],
            vec![(Op::CreateKey, Some(1)), (Op::DestroyKey, None)],
            vec![(Op::CreateKey, Some(1)), (Op::CancelDestroy, None)],
            vec![(Op::CreateKey, Some(1)), (Op::ScheduleDestroy, None), (Op::ActivateKey, Some(1))],
            // Before its time.
            vec![(Op::CreateKey, Some(1)), (Op::ScheduleDestroy, None), (Op::DestroyKey, None)],
        ] {
            assert_eq!(replayed(&steps).1.len(), 1, "{steps:?}");
        }
    }

    #[test]
    fn what_waits_is_scheduled_again_for_the_same_end_alone() {
        for (end, wrong) in [(5_u64, 0), (4, 1), (6, 1)] {
            let (mut replay, mut findings) = (Replay::default(), Vec::new());
            let schedule = entry(Op::ScheduleDestroy, None, Outcome::Ok);
            let reference = Some(Cow::Owned(end.to_be_bytes().to_vec()));
            let again = Entry { reference, ..schedule.clone() };
            replay.take(0, 0, &entry(Op::CreateKey, Some(1), Outcome::Ok), &mut findings);
            replay.take(0, 1, &schedule, &mut findings);
            replay.take(0, 2, &again, &mut findings);
            assert_eq!(findings.len(), wrong, "{end}");
        }
    }

    #[test]
    fn use_that_the_state_forbids_is_a_finding() {
        use Op::{
            ActivateKey, CompromiseKey, CreateKey, DeactivateKey, Decrypt, Encrypt, ReadPublicKey, ResumeKey,
            RotateKey, SuspendKey, Verify,
        };
        let begun = [(CreateKey, Some(1)), (ActivateKey, Some(1))];
        for (steps, dead) in [
            (&[(Encrypt, Some(1)), (Decrypt, Some(1)), (Verify, None)][..], 0),
            (&[(SuspendKey, None), (Decrypt, Some(1)), (Encrypt, Some(1)), (ReadPublicKey, Some(1))], 2),
            (&[(SuspendKey, None), (ResumeKey, None), (Encrypt, Some(1))], 0),
            (&[(RotateKey, Some(2)), (Encrypt, Some(2)), (Decrypt, Some(1)), (Encrypt, Some(1))], 1),
            (&[(DeactivateKey, None), (Decrypt, Some(1)), (Encrypt, Some(1))], 1),
            (&[(CompromiseKey, None), (Decrypt, Some(1))], 1),
            (&[(Decrypt, Some(9))], 1),
            (&[(DeactivateKey, None), (Op::ScheduleDestroy, None), (Decrypt, Some(1))], 1),
            (
                &[
                    (Op::ScheduleDestroy, None),
                    (Op::CancelDestroy, None),
                    (ResumeKey, None),
                    (Encrypt, Some(1)),
                ],
                0,
            ),
        ] {
            let findings = replayed(&[&begun, steps].concat()).1;
            assert_eq!(findings.len(), dead, "{steps:?}: {findings:?}");
            assert!(findings.iter().all(|finding| finding.code() == "use-of-dead-key"), "{findings:?}");
        }
        assert_eq!(replayed(&[(Encrypt, Some(1))]).1.len(), 1, "a key that the log does not know");
    }

    /// As `replayed`, for a key whose material is imported.
    fn replayed_imported(steps: &[(Op, Option<u32>)]) -> (Vec<(u32, State, State)>, Vec<Finding>) {
        let (mut replay, mut findings) = (Replay::default(), Vec::new());
        let mut create = entry(Op::CreateKey, Some(1), Outcome::Ok);
        create.reference = Some(Cow::Borrowed(&[2]));
        replay.take(0, 0, &create, &mut findings);
        for (at, (op, version)) in (1..).zip(steps) {
            replay.take(0, at, &entry(*op, *version, Outcome::Ok), &mut findings);
        }
        let states = replay.finish();
        (states.into_iter().map(|(id, (version, key))| (id.number, version, key)).collect(), findings)
    }

    #[test]
    fn material_that_comes_and_goes_is_replayed() {
        use Op::{Encrypt, ImportMaterial, RemoveImportedMaterial, RotateKey, SuspendVersion};
        use State::{Active, Deactivated, PreActive, Suspended};
        let mut steps = vec![];
        assert_eq!(replayed_imported(&steps), (vec![(1, PreActive, PreActive)], vec![]));
        steps.extend([(ImportMaterial, Some(1)), (Encrypt, Some(1)), (ImportMaterial, Some(1))]);
        assert_eq!(replayed_imported(&steps), (vec![(1, Active, Active)], vec![]));
        let away = [steps.clone(), vec![(RemoveImportedMaterial, Some(1)); 2]].concat();
        assert_eq!(replayed_imported(&away), (vec![(1, Suspended, Active)], vec![]));
        let back = [away, vec![(ImportMaterial, Some(1))]].concat();
        assert_eq!(replayed_imported(&back), (vec![(1, Active, Active)], vec![]));
        let suspended_before = [
            steps.clone(),
            vec![(SuspendVersion, Some(1)), (RemoveImportedMaterial, Some(1)), (ImportMaterial, Some(1))],
        ];
        assert_eq!(replayed_imported(&suspended_before.concat()), (vec![(1, Suspended, Active)], vec![]));
        steps.push((ImportMaterial, Some(2)));
        assert_eq!(replayed_imported(&steps), (vec![(1, Active, Active), (2, PreActive, Active)], vec![]));
        steps.push((RotateKey, Some(2)));
        assert_eq!(replayed_imported(&steps), (vec![(1, Deactivated, Active), (2, Active, Active)], vec![]));
    }

    #[test]
    fn nothing_is_used_whose_material_is_pending_import() {
        use Op::{
            ActivateKey, Decrypt, Encrypt, ImportMaterial, RemoveImportedMaterial, ResumeVersion, RotateKey,
        };
        for steps in [
            vec![(Encrypt, Some(1))],
            vec![(ActivateKey, Some(1))],
            vec![(ImportMaterial, Some(1)), (RemoveImportedMaterial, Some(1)), (Decrypt, Some(1))],
            vec![(ImportMaterial, Some(1)), (RemoveImportedMaterial, Some(1)), (ResumeVersion, Some(1))],
            vec![(ImportMaterial, Some(1)), (ImportMaterial, Some(3))],
            vec![
                (ImportMaterial, Some(1)),
                (ImportMaterial, Some(2)),
                (RotateKey, Some(2)),
                (RemoveImportedMaterial, Some(1)),
                (Decrypt, Some(1)),
            ],
        ] {
            assert_eq!(replayed_imported(&steps).1.len(), 1, "{steps:?}");
        }
    }

    #[test]
    fn an_old_version_may_open_for_another_key_to_seal() {
        let steps = [(Op::CreateKey, Some(1)), (Op::ActivateKey, Some(1)), (Op::RotateKey, Some(2))];
        for (reported, findings) in [(Some(Cow::Borrowed(&[1][..])), 0), (None, 1)] {
            let (mut replay, mut found) = (Replay::default(), Vec::new());
            for (op, version) in steps {
                replay.take(0, 0, &entry(op, version, Outcome::Ok), &mut found);
            }
            let mut opened = entry(Op::Reencrypt, Some(1), Outcome::Ok);
            opened.reference = reported;
            replay.take(0, 3, &opened, &mut found);
            assert_eq!(found.len(), findings);
        }
    }
}
