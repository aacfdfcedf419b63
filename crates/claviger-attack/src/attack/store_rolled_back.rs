//! A store that is older or shorter than what was answered.
//!
//! **Attack.** Somebody has the files of a stopped server, and neither its root nor its token. They cut the three newest batches off
//! the log, a suspension among them, and make every row agree, under a root log that is signed and untouched. Or they put a copy of
//! the database from before the suspension back, within the second in which no checkpoint of the root was kept yet. Or they take
//! the write-ahead log of a killed server away. Or they delete one batch from the middle.
//!
//! **Breaks.** The server starts and honours the suspended right, or `doctor` is content; verification does not report the
//! deleted batch.
//!
//! **Holds.** The start is refused and `doctor` says why; verification names the missing entries and ends with 4.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;

use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

const STORE: [&str; 3] = ["store.db", "store.db-wal", "store.db-shm"];

/// What somebody does who knows the tables.
const CUT_OFF: &str = "
    DELETE FROM audit_batch WHERE id IN (SELECT id FROM audit_batch ORDER BY id DESC LIMIT 3);
    DELETE FROM fence_delta WHERE epoch > (SELECT epoch FROM audit_batch ORDER BY id DESC LIMIT 1);
    UPDATE fence SET epoch = (SELECT coalesce(max(epoch), 0) FROM fence_delta);
    UPDATE shard_head SET epoch = (SELECT epoch FROM fence),
        size = (SELECT (id & 281474976710655) + n FROM audit_batch ORDER BY id DESC LIMIT 1),
        root = (SELECT root FROM audit_batch ORDER BY id DESC LIMIT 1);
    UPDATE key SET state = 'active' WHERE name = 'main';";

/// An entry of the first tile, which no start reads.
const DELETE_ONE: &str = "DELETE FROM audit_batch WHERE id = \
    (SELECT max(id) FROM audit_batch WHERE (id & 281474976710655) < 40)";

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let mut findings = Findings::default();
    cut_off(lab, &mut findings)?;
    put_back(lab, &mut findings)?;
    without_the_write_ahead_log(lab, &mut findings)?;
    deleted(lab, &mut findings)?;
    Ok(findings.verdict())
}

/// A deployment with a key that the application may encrypt with.
fn site(lab: &Lab) -> Result<Site> {
    let site = Site::set_up(lab)?;
    site.done("administrator", &["ring", "create", "orders"])?;
    site.done("administrator", &["key", "create", "orders/main"])?;
    site.grant(&["app", "--key", "orders/main", "--operations", "encrypt"])?;
    ensure!(may_encrypt(&site)?, "the application may not encrypt");
    Ok(site)
}

fn may_encrypt(site: &Site) -> Result<bool> {
    fs::write(site.path("plain"), "4111")?;
    Ok(site.run("app", &["encrypt", "--key", "orders/main", "plain"])?.is_done())
}

fn suspend(site: &Site) -> Result<()> {
    site.done("administrator", &["key", "suspend", "orders/main", "--reason", "attack"]).map(drop)
}

fn edit(site: &Site, sql: &str) -> Result<()> {
    let connection = Connection::open(site.deployed("data/store.db"))?;
    connection.execute_batch("PRAGMA foreign_keys = OFF")?;
    Ok(connection.execute_batch(sql)?)
}

fn doctor(lab: &Lab, site: &Site) -> Result<bool> {
    let mut command = lab.command();
    let output = command.arg("doctor").arg("--config").arg(site.deployed("claviger.toml")).output()?;
    Ok(output.status.success())
}

/// Whether a start serves, and honours the suspended right.
fn judge(lab: &Lab, site: &mut Site, what: &str, findings: &mut Findings) -> Result<()> {
    let content = doctor(lab, site)?;
    findings.add(!content, format!("{what}: doctor {}", if content { "is content" } else { "says so" }));
    if site.try_serve()?.is_some() {
        findings.held(format!("{what}: the start is refused"));
        return Ok(());
    }
    let honoured = may_encrypt(site)?;
    site.kill()?;
    let right = if honoured { "a suspended right is honoured" } else { "it is served" };
    findings.broken(format!("{what}: {right}"));
    Ok(())
}

fn cut_off(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = site(lab)?;
    suspend(&site)?;
    site.stop()?;
    edit(&site, CUT_OFF)?;
    judge(lab, &mut site, "three batches cut off under a signed cut", findings)
}

fn put_back(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = site(lab)?;
    for file in STORE {
        fs::copy(site.deployed("data").join(file), site.path(file))?;
    }
    suspend(&site)?;
    site.kill()?;
    for file in STORE {
        fs::copy(site.path(file), site.deployed("data").join(file))?;
    }
    judge(lab, &mut site, "the database of a moment before the suspension", findings)
}

fn without_the_write_ahead_log(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = site(lab)?;
    site.stop()?;
    site.serve()?;
    // The root's checkpoint beside the store is written each five seconds; nothing newer is there yet.
    suspend(&site)?;
    site.kill()?;
    fs::remove_file(site.deployed("data/store.db-wal")).context("no write-ahead log")?;
    judge(lab, &mut site, "a killed server without its write-ahead log", findings)
}

fn deleted(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let mut site = site(lab)?;
    // Enough for a full tile.
    for _ in 0..3 {
        for _ in 0..90 {
            site.run("auditor", &["key", "show", "orders/main"])?;
        }
    }
    site.stop()?;
    edit(&site, DELETE_ONE)?;
    if site.try_serve()?.is_some() {
        findings.held("a deleted batch: the start is refused");
        return Ok(());
    }
    let verified = site.run("auditor", &["audit", "verify"])?;
    let named = verified.status.code() == Some(4) && verified.complaint.contains("missing");
    findings.add(
        named,
        format!("a deleted batch: verify ends with {:?}: {}", verified.status.code(), verified.reason()),
    );
    site.kill()
}
