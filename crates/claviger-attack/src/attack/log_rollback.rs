//! The newest part of the log, cut off.
//!
//! **Attack.** Somebody who can write the stopped store lets a grant be revoked, and then puts everything but the log of cuts back
//! to how it was before: the batches since then are gone, and so is the revocation. The cuts that the root signed over them, and
//! whatever files are kept beside the store, stay.
//!
//! **Breaks.** The server starts on it, and honours the right that was revoked.
//!
//! **Holds.** It does not start, or the right stays revoked.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::client::{Answer, post};
use crate::site::{Lab, Plane, Site};
use crate::verdict::Verdict;

/// Time enough for a cut over what was done, which is made each second.
const CUT: Duration = Duration::from_millis(2500);
/// Files of the store: the database, and what SQLite keeps beside it.
const FILES: [&str; 3] = ["store.db", "store.db-wal", "store.db-shm"];

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    let grant = site.grant(&["app", "--key", "orders/main", "--operations", "encrypt"])?;
    let grant = grant.get("id").and_then(Value::as_str).context("a grant without an identifier")?.to_owned();
    ensure!(encrypt(&site)?.is_done(), "the grant gives nothing");
    std::thread::sleep(CUT);
    site.stop()?;
    keep(&site)?;
    site.serve()?;
    let revoke = ["grant", "revoke", &grant, "--reason", "attack"];
    site.done_by_any(&site.all("security_officer"), &revoke)?;
    ensure!(!encrypt(&site)?.is_done(), "the grant is not revoked");
    site.done("administrator", &["ring", "create", "later"])?;
    std::thread::sleep(CUT);
    site.stop()?;
    let batches = put_back(&site)?;
    if let Some(status) = site.try_serve()? {
        return Ok(Verdict::Held(format!(
            "without its {batches} newest batches the server does not start ({status})"
        )));
    }
    let used = encrypt(&site)?;
    if !used.is_done() {
        return Ok(Verdict::Held(format!(
            "without its {batches} newest batches the right stays revoked, {}",
            used.status
        )));
    }
    let what = format!(
        "without the {batches} newest batches under signed cuts the server starts, and a use by a revoked grant answers {}",
        used.status
    );
    Ok(Verdict::Broken(what))
}

fn encrypt(site: &Site) -> Result<Answer> {
    let octets = [("content-type", "application/octet-stream")];
    let request = post("/v1/keys/orders%2Fmain/encrypt", &octets, b"4111-1111");
    site.ask(Plane::Data, &site.identity("app")?, &request)
}

fn stored(site: &Site, file: &str) -> PathBuf {
    site.deployed("data").join(file)
}

/// Keeps the store as it is now.
fn keep(site: &Site) -> Result<()> {
    for file in FILES.iter().filter(|file| stored(site, file).exists()) {
        std::fs::copy(stored(site, file), site.path(file))?;
    }
    Ok(())
}

/// Puts the kept store in the place of the newer one, with the log of cuts of the newer. Gives how many batches are lost.
fn put_back(site: &Site) -> Result<u64> {
    let database = site.path("store.db");
    let kept = Connection::open(&database).context("the store cannot be opened")?;
    kept.execute("ATTACH ?1 AS newer", params![stored(site, "store.db").display().to_string()])?;
    let count = |table: &str| -> rusqlite::Result<i64> {
        kept.query_row(&format!("SELECT count(*) FROM {table}.audit_batch"), [], |row| row.get(0))
    };
    let lost = count("newer")? - count("main")?;
    kept.execute_batch(
        "BEGIN;
         DELETE FROM main.root_head; INSERT INTO main.root_head SELECT * FROM newer.root_head;
         DELETE FROM main.root_leaf; INSERT INTO main.root_leaf SELECT * FROM newer.root_leaf;
         DELETE FROM main.tile WHERE log = -1; INSERT INTO main.tile SELECT * FROM newer.tile WHERE log = -1;
         COMMIT;
         DETACH newer;
         PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    kept.close().map_err(|(_, error)| error)?;
    for file in FILES {
        let (from, to) = (site.path(file), stored(site, file));
        let _ = std::fs::remove_file(&to);
        if from.exists() {
            std::fs::copy(from, to)?;
        }
    }
    ensure!(lost >= 1, "there is nothing to cut off");
    Ok(lost.unsigned_abs())
}
