//! The process ends itself exactly at each crash point of the commit path, and is started again: state and
//! log agree, what was answered is there, and what was not answered is there or not as the point has it.

use std::os::unix::process::ExitStatusExt as _;

use claviger_audit::{Op, Outcome};
use claviger_core::key::State;
use claviger_testkit::older::{OLDER, WITHOUT_FACTS};
use rusqlite::Connection;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::approvals::{CUSTODIANS, approve, ask};
use crate::evidence::Evidence;
use crate::load::{Answered, Load};
use crate::serving::{Serving, Site};

const SIGABRT: i32 = 6;

/// A deployment that is crashed, restarted and examined.
struct Bench {
    site: Site,
    evidence: Evidence,
    runtime: Runtime,
    round: u32,
}

impl Bench {
    fn new() -> Self {
        let site = Site::set_up();
        let serving = site.serve();
        let evidence = Evidence::begin(&site);
        serving.stop();
        Self { site, evidence, runtime: Runtime::new().unwrap(), round: 0 }
    }

    /// Serves until the point is reached under that load; gives what was answered, and a server that was started again.
    fn crash_at(&mut self, point: &str, load: impl Fn(&Site, u32) -> Load) -> (Vec<Answered>, Serving) {
        self.round += 1;
        let serving = self.site.try_serve(&[("CLAVIGER_FAILPOINT", point)]).unwrap();
        let answered = self.runtime.block_on(async { load(&self.site, self.round).end().await });
        let ended = serving.wait();
        assert_eq!(ended.status.signal(), Some(SIGABRT), "{point}: {}", ended.said);
        (answered, self.site.serve())
    }

    /// Makes of the store what an older release leaves: no tags, no facts, and nothing kept beside it. Its root log begins anew, and
    /// with it what was exported.
    fn make_older(&self) {
        let data = self.site.deployed("data");
        let database = Connection::open(data.join("store.db")).unwrap();
        database.pragma_update(None, "foreign_keys", false).unwrap();
        let since = "DELETE FROM document WHERE name = 'newest-shard-checkpoint/since';";
        database.execute_batch(&format!("{OLDER} {WITHOUT_FACTS} {since}")).unwrap();
        for kept in ["newest-shard-checkpoint", "newest-checkpoint"] {
            std::fs::remove_file(data.join(kept)).unwrap();
        }
        std::fs::remove_dir_all(&self.evidence.dir).unwrap();
    }

    fn key(&self, name: &str) -> Value {
        let shown = self.site.done("administrator", &["-o", "json", "key", "show", name], b"");
        serde_json::from_slice(&shown).unwrap()
    }

    fn primary(&self) -> u64 {
        self.key("orders/main")["primary"].as_u64().unwrap()
    }

    fn state(&self) -> State {
        self.key("orders/toggled")["state"].as_str().unwrap().parse().unwrap()
    }
}

fn rotating(site: &Site, round: u32) -> Load {
    Load::alone(site, round, |worker| async move { worker.rotate("orders/main").await })
}

/// Out of use and back, in turns. The key must be in use at the start.
fn toggling(site: &Site, round: u32) -> Load {
    Load::alone(site, round, |worker| async move {
        worker.suspend("orders/toggled").await?;
        worker.resume("orders/toggled").await
    })
}

fn done(answered: &[Answered]) -> u64 {
    assert!(answered.iter().all(|answer| answer.outcome == Outcome::Ok), "{answered:?}");
    answered.len() as u64
}

#[test]
fn crash_before_the_commit_leaves_nothing() {
    let mut bench = Bench::new();
    let (answered, _serving) = bench.crash_at("commit-before:9", rotating);
    // C1: the rotation in work is not there, neither as a version nor as an entry.
    assert_eq!(bench.primary(), 1 + done(&answered));
    let verified = bench.evidence.hold(&bench.site, &answered);
    let main = answered.first().unwrap().key.unwrap();
    let versions = verified.states.keys().filter(|version| *version.key.as_bytes() == main).count();
    assert_eq!(versions as u64, 1 + done(&answered));
}

#[test]
fn crash_behind_the_commit_leaves_the_change_and_its_entry() {
    let mut bench = Bench::new();
    let (answered, _serving) = bench.crash_at("commit-after:9", rotating);
    // C2 and C3: nobody got an answer to the last rotation, and it is done: recorded, not delivered.
    assert_eq!(bench.primary(), 2 + done(&answered));
    let verified = bench.evidence.hold(&bench.site, &answered);
    let main = answered.first().unwrap().key.unwrap();
    let versions = verified.states.keys().filter(|version| *version.key.as_bytes() == main).count();
    assert_eq!(versions as u64, 2 + done(&answered));
}

#[test]
fn crash_around_a_snapshot_leaves_the_whole_of_it_or_nothing() {
    let mut bench = Bench::new();
    let mut kept = 0;
    for (point, unanswered) in [("commit-before:9", 0), ("commit-after:9", 1), ("cut-after-cas:3", 1)] {
        let (answered, _serving) = bench.crash_at(point, |site, round| {
            Load::alone(site, round, |worker| async move {
                worker.rotate("orders/main").await?;
                worker.snapshot().await
            })
        });
        // Each that was answered is there, holds, and is one entry; so does one that was committed and not answered.
        let snapshots = answered.iter().filter(|answer| answer.op == Op::Snapshot).count() as u64;
        let verified = bench.evidence.hold(&bench.site, &answered);
        let found = verified.snapshots - kept;
        assert!(found - snapshots <= unanswered, "{point}: {found} of {snapshots}");
        kept = verified.snapshots;
    }
    assert!(kept > 3, "{kept}");
}

#[test]
fn crash_inside_a_restriction_rolls_it_back() {
    let mut bench = Bench::new();
    let (answered, _serving) = bench.crash_at("restrict-inside:3", toggling);
    // C5, first half: twice out of use and back, and the third time never was.
    assert_eq!(done(&answered), 4);
    assert_eq!(bench.state(), State::Active);
    bench.evidence.hold(&bench.site, &answered);
    bench.site.done("app", &["encrypt", "--key", "orders/toggled"], b"data");
    // The caller, who does not know, asks again; then it counts at once.
    bench.site.done("administrator", &["key", "suspend", "orders/toggled", "--reason", "incident"], b"");
    assert!(!bench.site.run("app", &["encrypt", "--key", "orders/toggled"], b"data").status.success());
}

#[test]
fn crash_behind_a_restriction_or_a_loosening_leaves_it_in_force() {
    let mut bench = Bench::new();
    let mut cut_off = Vec::new();
    // Two visits, one behind the other: one is a restriction, one a loosening.
    for visit in ["commit-after:9", "commit-after:10"] {
        let (answered, _serving) = bench.crash_at(visit, toggling);
        assert!(done(&answered) > 0);
        // C5, second half: committed without a reply.
        let (unanswered, state) = match answered.last().unwrap().op {
            Op::ResumeKey => (Op::SuspendKey, State::Suspended),
            _ => (Op::ResumeKey, State::Active),
        };
        assert_eq!(bench.state(), state);
        bench.evidence.hold(&bench.site, &answered);
        let encrypted = bench.site.run("app", &["encrypt", "--key", "orders/toggled"], b"data");
        assert_eq!(encrypted.status.success(), state == State::Active);
        if state == State::Suspended {
            bench.site.done("administrator", &["key", "resume", "orders/toggled"], b"");
        }
        cut_off.push(unanswered);
    }
    cut_off.sort_unstable();
    assert_eq!(cut_off, [Op::SuspendKey, Op::ResumeKey]);
}

/// What custodians approved is done once, wherever its execution is cut off.
#[test]
fn crash_between_approval_and_execution_does_what_was_approved_once() {
    let mut bench = Bench::new();
    // A start has commits of its own, and does not say how many: one of these visits is that of the call.
    let behind = (2..=7).map(|visit| format!("commit-after:{visit}"));
    let (mut executed, mut open) = (0, 0);
    let mut serving = bench.site.serve();
    for (number, point) in std::iter::once("restrict-inside:1".to_owned()).chain(behind).enumerate() {
        let key = format!("orders/spent-{number}");
        let destroy = ["key", "destroy", &key, "--reason", "moved"];
        bench.site.done("administrator", &["key", "create", &key], b"");
        let approval = ask(&bench.site, "administrator", &destroy);
        for custodian in CUSTODIANS {
            approve(&bench.site, custodian, &approval);
        }
        serving.stop();
        if let Ok(crashing) = bench.site.try_serve(&[("CLAVIGER_FAILPOINT", &point)]) {
            // Nobody may hear of it.
            let _ = bench.site.run("administrator", &destroy, b"");
            crashing.kill();
        }
        serving = bench.site.serve();
        let shown = bench.site.done("auditor", &["-o", "json", "approval", "show", &approval], b"");
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        // Either both are there or neither.
        let waits = bench.key(&key)["destroy_at"].is_string();
        let state = if waits { "executed" } else { "ready" };
        assert_eq!(shown["state"], state, "{point}: {shown}");
        if waits {
            executed += 1;
        } else {
            open += 1;
            bench.site.done("administrator", &destroy, b"");
        }
        let again = bench.site.run("administrator", &destroy, b"");
        assert_eq!(again.status.code(), Some(1), "{point}: {}", String::from_utf8_lossy(&again.stderr));
        let search =
            ["-o", "json", "audit", "search", "--key", &key, "--op", "schedule_destroy", "--page-all"];
        let found: Value = serde_json::from_slice(&bench.site.done("auditor", &search, b"")).unwrap();
        let done = found["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "ok");
        assert_eq!(done.count(), 1, "{point}: {found}");
    }
    assert!(executed > 0 && open > 0, "{executed} were executed, {open} were not");
    bench.evidence.hold(&bench.site, &[]);
    serving.stop();
}

/// What custodians approved as one plan goes on with the step behind the last that was done, wherever it is cut off.
#[test]
fn crash_between_two_steps_of_a_plan_goes_on_with_the_next() {
    let mut bench = Bench::new();
    let files = bench.site.path("policy");
    std::fs::create_dir(&files).unwrap();
    let apply = ["apply", "-f", "policy", "--reason", "a shift", "--yes"];
    let given = |site: &Site| {
        let search = ["-o", "json", "audit", "search", "--op", "assign_role", "--page-all"];
        let found: Value = serde_json::from_slice(&site.done("auditor", &search, b"")).unwrap();
        found["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "ok").count()
    };
    let mut cut_off = Vec::new();
    let mut serving = bench.site.serve();
    // As above; a step is a commit of its own.
    for visit in 2..=9 {
        let point = format!("commit-after:{visit}");
        let names = [1, 2, 3].map(|number| format!("shift-{visit}-{number}"));
        let mut text = String::new();
        for name in &names {
            let create = ["principal", "create", name, "--kind", "human"];
            bench.site.done("security_officer-2", &create, b"");
            text += &format!("[[principal]]\nname = \"{name}\"\nkind = \"human\"\nroles = [\"operator\"]\n");
        }
        std::fs::write(files.join("people.toml"), text).unwrap();
        let before = given(&bench.site);
        let approval = ask(&bench.site, "security_officer", &apply);
        for custodian in CUSTODIANS {
            approve(&bench.site, custodian, &approval);
        }
        serving.stop();
        if let Ok(crashing) = bench.site.try_serve(&[("CLAVIGER_FAILPOINT", &point)]) {
            // Nobody may hear of it.
            let _ = bench.site.run("security_officer", &["approval", "execute", &approval], b"");
            crashing.kill();
        }
        serving = bench.site.serve();
        let show = ["-o", "json", "approval", "show", &approval];
        let shown = || -> Value { serde_json::from_slice(&bench.site.done("auditor", &show, b"")).unwrap() };
        let found = shown();
        let done = found["done"].as_array().map_or(0, Vec::len);
        assert_eq!(
            found["state"],
            if done == names.len() { "executed" } else { "ready" },
            "{point}: {found}"
        );
        // What the plan says is done is what was done.
        for (at, name) in names.iter().enumerate() {
            let show = ["-o", "json", "principal", "show", name];
            let principal: Value = serde_json::from_slice(&bench.site.done("auditor", &show, b"")).unwrap();
            assert_eq!(!principal["roles"].as_array().unwrap().is_empty(), at < done, "{point}: {principal}");
        }
        cut_off.push(done);
        bench.site.done("security_officer", &apply, b"");
        assert_eq!(shown()["state"], "executed", "{point}");
        assert_eq!(given(&bench.site), before + names.len(), "{point}: each once");
    }
    assert!(cut_off.iter().any(|done| [1, 2].contains(done)), "{cut_off:?}");
    bench.evidence.hold(&bench.site, &[]);
    serving.stop();
}

#[test]
fn crash_around_the_kept_checkpoint_leaves_a_store_that_reaches_it() {
    let mut bench = Bench::new();
    for point in ["keep-before", "keep-torn", "keep-written", "keep-after"] {
        // The first visit is that of the start; what is kept each second visits too.
        let (answered, _serving) = bench.crash_at(&format!("{point}:5"), toggling);
        assert!(done(&answered) > 0, "{point}");
        // C6: in force whether it was kept or not, and content at the start: the file is never ahead of the store.
        let state = bench.state();
        if answered.last().unwrap().op == Op::SuspendKey {
            assert!([State::Suspended, State::Active].contains(&state));
        }
        let encrypted = bench.site.run("app", &["encrypt", "--key", "orders/toggled"], b"data");
        assert_eq!(encrypted.status.success(), state == State::Active, "{point}");
        bench.evidence.hold(&bench.site, &answered);
        if state == State::Suspended {
            bench.site.done("administrator", &["key", "resume", "orders/toggled"], b"");
        }
    }
}

#[test]
fn crash_while_the_log_is_packed_changes_no_entry() {
    let mut bench = Bench::new();
    for point in ["pack-inside", "pack-after"] {
        // Lone uses, for as long as it takes until they are packed.
        let (answered, _serving) = bench.crash_at(point, |site, round| {
            Load::alone(site, round, |worker| async move { worker.encrypt("orders/main").await })
        });
        assert!(done(&answered) > 256, "{point}");
        bench.evidence.hold(&bench.site, &answered);
    }
}

/// An upgrade is ended at pages of tags, at the record of rows, and at the first entries behind them: the next start goes on.
#[test]
fn crash_while_a_store_is_upgraded_loses_nothing_and_the_next_start_goes_on() {
    let bench = Bench::new();
    let points = [("upgrade-inside", 1), ("upgrade-inside", 7), ("upgrade-after", 1), ("upgrade-after", 7)];
    let behind = [("commit-before", 1), ("commit-before", 3), ("commit-after", 2), ("commit-after", 5)];
    for (point, visit) in points.into_iter().chain(behind) {
        bench.make_older();
        let point = format!("{point}:{visit}");
        let ended = bench.site.try_serve(&[("CLAVIGER_FAILPOINT", &point)]).unwrap_err();
        assert_eq!(ended.status.signal(), Some(SIGABRT), "{point}: {}", ended.said);
        let serving = bench.site.serve();
        let mut evidence = Evidence::begin(&bench.site);
        bench.site.done("administrator", &["key", "rotate", "orders/main"], b"");
        evidence.hold(&bench.site, &[]);
        serving.stop();
    }
}

#[test]
fn crash_at_any_point_under_load_loses_nothing_that_was_answered() {
    let mut bench = Bench::new();
    let mut all = Vec::new();
    for point in
        ["commit-before:60", "commit-after:60", "restrict-inside:6", "cut-after-cas:2", "keep-torn:6"]
    {
        let (answered, _serving) = bench.crash_at(point, Load::start);
        assert!(!answered.is_empty(), "{point}");
        bench.evidence.hold(&bench.site, &answered);
        all.extend(answered);
    }
    let _serving = bench.site.serve();
    bench.evidence.hold(&bench.site, &all);
}
