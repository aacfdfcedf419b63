//! The states of keys that follow from the log, to be held against the live ones.

use std::collections::BTreeMap;

use claviger_core::key::{Event, State};
use claviger_core::{KeyId, KeyVersionId};

use super::finding::Finding;
use crate::{Entry, Op, Outcome};

/// A key as the log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    state: State,
    primary: u32,
    versions: BTreeMap<u32, State>,
    /// When it may be destroyed, in microseconds since the Unix epoch; until then it is used for nothing.
    destroy_at: Option<u64>,
}

/// Replays what entries say of keys. Entries come in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Replay {
    keys: BTreeMap<KeyId, Key>,
}

/// State of a version and of its key.
pub type States = BTreeMap<KeyVersionId, (State, State)>;

impl Replay {
    /// Takes one entry. What cannot be is a finding; the replay goes on.
    pub(super) fn take(&mut self, shard: u32, at: u64, entry: &Entry<'_>, findings: &mut Vec<Finding>) {
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

    /// The state that forbids what the entry tells as done (mechanisms, INV-13); `None` if nothing does. A key that the log
    /// does not know is in no state that allows anything.
    fn forbids(&self, id: KeyId, entry: &Entry<'_>) -> Option<Option<State>> {
        let Some(key) = self.keys.get(&id) else { return Some(None) };
        let version = match entry.kv {
            Some(number) => match key.versions.get(&number) {
                Some(state) => *state,
                None => return Some(None),
            },
            None => key.state,
        };
        let state = key.state.stricter(version);
        if key.destroy_at.is_some() {
            return Some(Some(state));
        }
        let allowed = if entry.op.protects() { state.protects() } else { state.processes() };
        (!allowed).then_some(Some(state))
    }

    fn apply(&mut self, step: Step, id: KeyId, entry: &Entry<'_>) -> Option<()> {
        match step {
            Step::Create => {
                let state =
                    if entry.reference.as_deref()?.first()? == &1 { State::Active } else { State::PreActive };
                let number = entry.kv?;
                let key = Key {
                    state,
                    primary: number,
                    versions: BTreeMap::from([(number, state)]),
                    destroy_at: None,
                };
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
        }
    }

    /// What follows.
    pub(super) fn finish(self) -> States {
        let versions = |(id, key): (KeyId, Key)| {
            key.versions
                .into_iter()
                .map(move |(number, state)| (KeyVersionId { key: id, number }, (state, key.state)))
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
        if *old == State::Active {
            *old = old.after(Event::Deactivate).ok()?;
        }
        let fresh = State::PreActive.after(Event::Activate).ok()?;
        self.primary = number;
        self.versions.insert(number, fresh).is_none().then_some(())
    }

    fn schedule_destroy(&mut self, at: u64) -> Option<()> {
        if self.destroy_at.is_some() || self.state.is_destroyed() {
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
        for state in self.versions.values_mut() {
            *state = if state.is_destroyed() { *state } else { state.destroyed().ok()? };
        }
        Some(())
    }

    fn move_key(&mut self, event: Event) -> Option<()> {
        // What waits for its destruction does not come back into use but by the end of the wait.
        if self.destroy_at.is_some() && matches!(event, Event::Activate | Event::Resume) {
            return None;
        }
        self.state = self.state.after(event).ok()?;
        if event == Event::Activate && self.versions.get(&self.primary) == Some(&State::PreActive) {
            return self.move_version(self.primary, event);
        }
        Some(())
    }

    fn move_version(&mut self, number: u32, event: Event) -> Option<()> {
        let state = self.versions.get_mut(&number)?;
        *state = state.after(event).ok()?;
        Some(())
    }
}

enum Step {
    CancelDestroy,
    Create,
    Destroy,
    Key(Event),
    Rotate,
    ScheduleDestroy,
    Version(Event),
}

fn step_of(op: Op) -> Option<Step> {
    Some(match op {
        Op::CreateKey => Step::Create,
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

/// The differences between what the log yields and what is live, a line each.
#[must_use]
pub fn differences(logged: &States, live: &States) -> Vec<String> {
    let words = |states: Option<&(State, State)>| {
        states.map_or_else(|| "nothing".to_owned(), |(version, key)| format!("{version}, its key {key}"))
    };
    let all: std::collections::BTreeSet<_> = logged.keys().chain(live.keys()).collect();
    all.into_iter()
        .filter(|id| logged.get(id) != live.get(id))
        .map(|id| {
            format!("version {id}: the log yields {}; live is {}", words(logged.get(id)), words(live.get(id)))
        })
        .collect()
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
            vec![(Op::CreateKey, Some(1)), (Op::ScheduleDestroy, None), (Op::ScheduleDestroy, None)],
            vec![(Op::CreateKey, Some(1)), (Op::ScheduleDestroy, None), (Op::ActivateKey, Some(1))],
            // Before its time.
            vec![(Op::CreateKey, Some(1)), (Op::ScheduleDestroy, None), (Op::DestroyKey, None)],
        ] {
            assert_eq!(replayed(&steps).1.len(), 1, "{steps:?}");
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

    #[test]
    fn differences_name_what_is_missing_on_either_side() {
        let id = KeyVersionId { key: KeyId::from_bytes([7; 16]), number: 1 };
        let one = States::from([(id, (State::Active, State::Active))]);
        assert!(differences(&one, &one).is_empty());
        assert!(differences(&one, &States::new())[0].contains("live is nothing"));
        let other = States::from([(id, (State::Active, State::Suspended))]);
        assert!(differences(&one, &other)[0].contains("live is active, its key suspended"));
    }
}
