//! A store that was put back, cut off, edited, or lost its newest part, by somebody who has the files of a stopped server and not
//! its root: the start and `doctor` refuse it, and what cannot be seen at the start, verification names.

use std::path::PathBuf;
use std::process::Command;

use claviger_audit::Op;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::runtime::Runtime;

use crate::evidence::Evidence;
use crate::instance::claviger;
use crate::load::{Load, Worker};
use crate::serving::{Ended, Site};

const STORE: [&str; 3] = ["store.db", "store.db-wal", "store.db-shm"];
const KEPT: &str = "newest-shard-checkpoint";

fn data(site: &Site, name: &str) -> PathBuf {
    site.deployed("data").join(name)
}

/// Copies the files of the store aside, as they are.
fn copy_store(site: &Site, name: &str) {
    std::fs::create_dir_all(site.path(name)).unwrap();
    for file in STORE.iter().filter(|file| data(site, file).exists()) {
        std::fs::copy(data(site, file), site.path(name).join(file)).unwrap();
    }
}

/// Puts that copy in place of the store. What is beside the store stays.
fn put_store_back(site: &Site, name: &str) {
    for file in STORE {
        let _ = std::fs::remove_file(data(site, file));
        if site.path(name).join(file).exists() {
            std::fs::copy(site.path(name).join(file), data(site, file)).unwrap();
        }
    }
}

/// Asserts that neither a start nor `doctor` takes the store, and that both say so; gives what was said.
fn assert_refused(site: &Site, why: &str) -> String {
    let Err(Ended { status, said }) = site.try_serve(&[]) else { panic!("it serves: {why}") };
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(why), "{why}: {said}");
    let examined = doctor(site);
    assert!(!examined.0 && examined.1.contains(why), "{why}: {}", examined.1);
    said
}

/// Whether `doctor` is content, and what it says.
fn doctor(site: &Site) -> (bool, String) {
    let mut command = claviger();
    command.arg("doctor").arg("--config").arg(site.deployed("claviger.toml"));
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Opens the database of a stopped server as any program would.
fn database(site: &Site) -> Connection {
    let connection = Connection::open(data(site, "store.db")).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON").unwrap();
    connection
}

fn suspend(site: &Site) {
    site.done("administrator", &["key", "suspend", "orders/main", "--reason", "incident"], b"");
}

fn may_encrypt(site: &Site) -> bool {
    site.run("app", &["encrypt", "--key", "orders/main"], b"data").status.success()
}

/// Encrypts so many times at least.
fn encrypt(site: &Site, times: u32) {
    let work = |worker: Worker| async move { worker.encrypt("orders/toggled").await };
    Runtime::new().unwrap().block_on(async {
        let mut load = Load::alone(site, 9, work);
        for _ in 0..times {
            load.until_done(&[Op::Encrypt]).await;
        }
    });
}

/// How many entries record that a lost tail was accepted.
fn acceptances(site: &Site) -> usize {
    let found = site.done("auditor", &["-o", "json", "audit", "search", "--op", "accept_lost_tail"], b"");
    String::from_utf8_lossy(&found).matches("accept_lost_tail").count()
}

#[test]
fn an_older_store_beside_a_newer_checkpoint_is_served_by_choice_alone() {
    let site = Site::set_up();
    let serving = site.serve();
    copy_store(&site, "before");
    suspend(&site);
    // Not a second later: what was answered is protected by then.
    serving.kill();
    copy_store(&site, "newest");
    put_store_back(&site, "before");
    let said = assert_refused(&site, "the store is older than");
    assert!(said.contains("--accept-lost-tail"), "{said}");

    // The newest state is still there: nobody had to choose anything.
    put_store_back(&site, "newest");
    let serving = site.serve();
    assert!(!may_encrypt(&site));
    serving.kill();
    // It is not: the choice is made once, and recorded.
    put_store_back(&site, "before");
    let serving = site.serve_without_the_newest_part().unwrap();
    assert!(may_encrypt(&site), "the suspension is lost, and who chose to serve knows");
    assert_eq!(acceptances(&site), 1);
    site.done("auditor", &["audit", "verify"], b"");
    suspend(&site);
    serving.kill();
    let ended = site.serve_without_the_newest_part().err().unwrap();
    assert!(ended.said.contains("nothing of the store is lost"), "{ended:?}");
    let serving = site.serve();
    assert!(!may_encrypt(&site));
    assert_eq!(acceptances(&site), 1);
    assert!(serving.stop().status.success());
    assert!(doctor(&site).0);
}

/// Cuts the newest batches off, and makes the rows agree with each other as the program would have left them.
const CUT_OFF: &str = "
    DELETE FROM audit_batch WHERE id IN (SELECT id FROM audit_batch ORDER BY id DESC LIMIT 3);
    DELETE FROM fence_delta WHERE epoch > (SELECT epoch FROM audit_batch ORDER BY id DESC LIMIT 1);
    UPDATE fence SET epoch = (SELECT coalesce(max(epoch), 0) FROM fence_delta);
    UPDATE shard_head SET epoch = (SELECT epoch FROM fence),
        size = (SELECT (id & 281474976710655) + n FROM audit_batch ORDER BY id DESC LIMIT 1),
        root = (SELECT root FROM audit_batch ORDER BY id DESC LIMIT 1);
    UPDATE key SET state = 'active' WHERE name = 'main';";

#[test]
fn batches_cut_off_under_a_signed_cut_are_found_by_the_start_and_by_doctor() {
    let site = Site::set_up();
    let serving = site.serve();
    suspend(&site);
    assert!(serving.stop().status.success());
    copy_store(&site, "honest");
    database(&site).execute_batch(CUT_OFF).unwrap();
    assert_refused(&site, "was cut off");
    // Nor does it help to take the checkpoint beside the store away.
    std::fs::rename(data(&site, KEPT), site.path("away")).unwrap();
    assert_refused(&site, "was cut off");
    let ended = site.serve_without_the_newest_part().err().unwrap();
    assert!(ended.said.contains("was cut off"), "a store that contradicts itself is never served: {ended:?}");

    // A whole store without that checkpoint was robbed of it.
    put_store_back(&site, "honest");
    assert_refused(&site, "is gone");
    std::fs::rename(site.path("away"), data(&site, KEPT)).unwrap();
    let _serving = site.serve();
    assert!(!may_encrypt(&site));
}

#[test]
fn another_history_and_another_word_are_refused_for_good() {
    let site = Site::set_up();
    let serving = site.serve();
    assert!(serving.stop().status.success());
    copy_store(&site, "common");
    let kept = std::fs::read(data(&site, KEPT)).unwrap();
    let (note, own) =
        (data(&site, "newest-checkpoint"), std::fs::read(data(&site, "newest-checkpoint")).unwrap());
    // One history, and then another from the same beginning, longer than the first.
    let serving = site.serve();
    suspend(&site);
    assert!(serving.stop().status.success());
    let first = std::fs::read(data(&site, KEPT)).unwrap();
    put_store_back(&site, "common");
    std::fs::write(data(&site, KEPT), &kept).unwrap();
    std::fs::write(&note, &own).unwrap();
    let serving = site.serve();
    encrypt(&site, 40);
    assert!(serving.stop().status.success());
    copy_store(&site, "second");
    let second = std::fs::read(data(&site, KEPT)).unwrap();
    std::fs::write(data(&site, KEPT), &first).unwrap();
    assert_refused(&site, "(`newest-shard-checkpoint`)");
    assert!(site.serve_without_the_newest_part().is_err(), "a fork is never served");

    // What is kept is signed: nothing of it can be changed, by whoever repairs the digests.
    let mut changed = second.clone();
    // In both places: which of them is the newer depends on how often it was kept.
    for slot in changed.chunks_mut(4096) {
        let (body, digest) = slot.split_at_mut(4064);
        let epoch = body.windows(6).position(|text| text == b"\nepoch");
        if let Some(at) = epoch {
            body[at + 7] ^= 1;
        }
        digest.copy_from_slice(&claviger_crypto::digest::sha256(body));
    }
    std::fs::write(data(&site, KEPT), &changed).unwrap();
    let _ = site.try_serve(&[]).map(|_| panic!("it serves"));
    std::fs::write(data(&site, KEPT), &second).unwrap();
    assert!(site.serve().stop().status.success());
}

#[test]
fn a_log_that_grew_after_its_orderly_end_is_refused() {
    let site = Site::set_up();
    assert!(site.serve().stop().status.success());
    let connection = database(&site);
    // One entry more, with the root that the tree then has, is what anybody can compute.
    let size: i64 = connection.query_row("SELECT size FROM shard_head", [], |row| row.get(0)).unwrap();
    let (id, n, body): (i64, i64, Vec<u8>) = connection
        .query_row("SELECT id, n, body FROM audit_batch ORDER BY id DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!((id & ((1 << 48) - 1)) + n, size);
    assert_eq!((n, body[0]), (1, 0), "the entry of the stop is alone, and not packed");
    let leaves: Vec<Vec<u8>> = connection
        .prepare("SELECT body FROM audit_batch ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut tree = claviger_audit::Frontier::new();
    for batch in leaves.iter().chain([&body]) {
        let mut plain = match batch.split_first().unwrap() {
            (0, plain) => plain.to_vec(),
            _ => return println!("a batch is packed on this machine: not tested"),
        };
        while !plain.is_empty() {
            let rest = plain.split_off(2);
            let length = usize::from(u16::from_be_bytes([plain[0], plain[1]]));
            tree.push(claviger_audit::tree::leaf_hash(&rest[..length]));
            plain = rest[length..].to_vec();
        }
    }
    assert_eq!(tree.size(), u64::try_from(size).unwrap() + 1);
    connection
        .execute(
            "INSERT INTO audit_batch SELECT id + n, 1, epoch, incarnation, ?1, body FROM audit_batch ORDER BY id DESC LIMIT 1",
            [tree.root()],
        )
        .unwrap();
    connection.execute("UPDATE shard_head SET size = size + 1, root = ?1", [tree.root()]).unwrap();
    drop(connection);
    assert_refused(&site, "somebody added to it since");
}

#[test]
fn a_write_ahead_log_that_is_lost_after_a_crash_is_named() {
    let site = Site::set_up();
    let mut serving = site.serve();
    for _ in 0..2 {
        encrypt(&site, 20);
        serving.kill();
        serving = site.serve();
    }
    encrypt(&site, 20);
    serving.kill();
    copy_store(&site, "crashed");
    let log = std::fs::read(site.path("crashed").join("store.db-wal")).unwrap();
    let damages: [(&str, &dyn Fn()); 4] = [
        ("`store.db-wal` is absent", &|| std::fs::remove_file(data(&site, "store.db-wal")).unwrap()),
        ("`store.db-wal` is empty", &|| std::fs::write(data(&site, "store.db-wal"), b"").unwrap()),
        ("`store.db-wal` has no valid beginning", &|| {
            let mut log = log.clone();
            log[17] ^= 1;
            std::fs::write(data(&site, "store.db-wal"), log).unwrap();
        }),
        ("`store.db-wal` is broken at frame 2", &|| {
            let mut log = log.clone();
            log[32 + 4120 + 100] ^= 1;
            std::fs::write(data(&site, "store.db-wal"), log).unwrap();
        }),
    ];
    for (named, damage) in damages {
        put_store_back(&site, "crashed");
        damage();
        assert_refused(&site, named);
        // Refusing it left it as it was.
        assert_refused(&site, named);
    }
    let serving = site.serve_without_the_newest_part().unwrap();
    assert_eq!(acceptances(&site), 1);
    serving.kill();
    put_store_back(&site, "crashed");
    // By now there are two histories, of which one is kept.
    assert!(site.try_serve(&[]).is_err());

    // A crash by itself is nothing of that.
    let site = Site::set_up();
    site.serve().kill();
    let serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    encrypt(&site, 5);
    serving.kill();
    let _serving = site.serve();
    evidence.hold(&site, &[]);
}

#[test]
fn a_deleted_batch_is_reported_as_missing_entries() {
    let site = Site::set_up();
    let serving = site.serve();
    encrypt(&site, 600);
    // While it is served: a start would look at entries as new as these.
    let deleted = database(&site)
        .execute(
            "DELETE FROM audit_batch WHERE id = (SELECT max(id) FROM audit_batch WHERE (id & 281474976710655) < 100)",
            [],
        )
        .unwrap();
    assert_eq!(deleted, 1);
    let dir = site.path("export");
    let dir = dir.to_str().unwrap();
    let online = site.run("auditor", &["audit", "verify", "--dir", dir], b"");
    let said = String::from_utf8_lossy(&online.stderr);
    assert_eq!(online.status.code(), Some(4), "{said}");
    assert!(said.contains("entries-missing") && said.contains("entries 0 to 255 of shard 1"), "{said}");

    let offline = site.run("auditor", &["audit", "verify", "--offline", "--dir", dir], b"");
    let said = String::from_utf8_lossy(&offline.stderr);
    assert_eq!(offline.status.code(), Some(4), "{said}");
    assert!(said.contains("entries-missing: entries 0 to 255 of shard 1 are missing"), "{said}");

    assert!(serving.stop().status.success());
    assert_refused(&site, "of the log is missing");
}

#[test]
fn a_damaged_index_is_found_by_doctor_and_by_verify() {
    let site = Site::set_up();
    assert!(doctor(&site).0, "{}", doctor(&site).1);
    // The index is out of the schema while its table changes: the grant stays active by index, whatever its row says.
    database(&site)
        .execute_batch(
            "CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE name = 'grants_on_ring';
             DELETE FROM sqlite_schema WHERE name = 'grants_on_ring'",
        )
        .unwrap();
    database(&site)
        .execute_batch(
            "UPDATE grants SET standing = 'revoked'; INSERT INTO sqlite_schema SELECT * FROM aside",
        )
        .unwrap();
    database(&site).execute_batch("DROP TABLE aside").unwrap();
    let (content, said) = doctor(&site);
    assert!(!content && said.contains("grants_on_ring"), "{said}");
    let _serving = site.serve();
    let verified = site.run("auditor", &["audit", "verify"], b"");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert_eq!(verified.status.code(), Some(4), "{said}");
    assert!(said.contains("index-damaged") && said.contains("grants_on_ring"), "{said}");
}

#[test]
fn an_edited_row_is_named_by_doctor_and_a_server_at_work_says_that_there_is_one() {
    let site = Site::set_up();
    let (content, said) = doctor(&site);
    assert!(content && said.contains("all rows are as they were written"), "{said}");
    database(&site).execute_batch("UPDATE key SET data_class = 'internal' WHERE name = 'main'").unwrap();
    let (content, said) = doctor(&site);
    assert!(!content && said.contains("1 rows are not as they were written: key "), "{said}");
    let _serving = site.serve();
    assert!(!may_encrypt(&site));
    let (status, _) = (0..100)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let found = site.done("auditor", &["-o", "json", "audit", "search", "--op", "row_altered"], b"");
            let found = String::from_utf8_lossy(&found).matches("row_altered").count();
            let status = site.done("auditor", &["status"], b"");
            (found, String::from_utf8_lossy(&status).into_owned())
        })
        .find(|(found, status)| *found == 1 && status.contains("ALTERED: "))
        .expect("neither the log nor the status says so");
    assert_eq!(status, 1);
}

#[test]
fn help_names_the_option() {
    let output = Command::new(crate::instance::CLAVIGER).args(["serve", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("--accept-lost-tail"));
}
