//! The attacks, from those of a thief of files to those of who holds every key of the deployment.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use claviger_audit::cut::{Cut, ShardState};
use claviger_audit::verify::{CHECKPOINT, ROOT_VKEY, node_vkey};
use claviger_audit::{Checkpoint, Entry, Op, Outcome, SigningKey};

use crate::log::{KEY, Log, ORIGIN, bytes_of, node_key, put, root_key, write_bundles};
use crate::program::{Held, found, found_in};

const NOTHING: [&str; 0] = [];

/// An honest export after something was done to its files.
fn after(attack: impl FnOnce(&Path, &Log)) -> Vec<String> {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::honest());
    log.write(dir.path());
    attack(dir.path(), &log);
    found_in(dir.path(), &Held::default())
}

/// What is found when entries of shard 0 are others than those that were cut.
fn with_entries(attack: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<String> {
    after(|dir, log| {
        let mut entries = log.shards[&0].clone();
        attack(&mut entries);
        fs::remove_dir_all(dir.join("0/tile")).unwrap();
        write_bundles(dir, "0", &entries);
    })
}

/// What is found when who holds all keys makes a log to their liking.
fn forged(attack: impl FnOnce(&mut Log)) -> Vec<String> {
    let mut log = Log::honest();
    attack(&mut log);
    found(&log, &Held::default())
}

fn edited(entry: &[u8], edit: impl FnOnce(&mut Entry<'_>)) -> Vec<u8> {
    let mut entry = Entry::decode(entry).unwrap();
    edit(&mut entry);
    bytes_of(&entry)
}

#[test]
fn honest_log_holds() {
    let log = Log::honest();
    let receipts = vec![log.receipt(0, 5), log.receipt(0, 299), log.receipt(3, 59)];
    let held = Held {
        receipts,
        known_checkpoint: Some(log.checkpoint()),
        max_age: Some("5000w"),
        ..Held::default()
    };
    assert_eq!(found(&log, &held), NOTHING);
    let mut grown = log;
    grown.work(0, KEY, 100);
    assert_eq!(found(&grown, &held), NOTHING);
}

#[test]
fn entry_edited() {
    let edit = |entries: &mut Vec<Vec<u8>>| {
        entries[120] = edited(&entries[120], |entry| entry.act = Some([0xEE; 16]));
    };
    assert_eq!(with_entries(edit), ["entries-altered"]);
}

#[test]
fn entry_deleted() {
    let hide = |entries: &mut Vec<Vec<u8>>| {
        let last = entries.last().unwrap().clone();
        entries.remove(120);
        entries.push(last);
    };
    assert_eq!(with_entries(hide), ["entries-altered"]);
    assert_eq!(with_entries(|entries| drop(entries.remove(299))), ["entries-missing"], "a shorter bundle");
    let shorter_inside = after(|dir, log| {
        let shorter = &log.shards[&0][..255];
        let bundle = dir.join("0/tile/entries/000");
        write_bundles(dir, "0", shorter);
        fs::rename(dir.join("0/tile/entries/000.p/255"), bundle).unwrap();
    });
    assert_eq!(shorter_inside, ["file-malformed"]);
}

#[test]
fn entry_inserted() {
    let insert = |entries: &mut Vec<Vec<u8>>| {
        let copy = entries[120].clone();
        entries.insert(121, copy);
        entries.pop();
    };
    assert_eq!(with_entries(insert), ["entries-altered"]);
}

#[test]
fn entries_reordered() {
    assert_eq!(with_entries(|entries| entries.swap(120, 121)), ["entries-altered"]);
}

#[test]
fn log_truncated() {
    let truncated = after(|dir, _| fs::remove_file(dir.join("0/tile/entries/001.p/44")).unwrap());
    assert_eq!(truncated, ["entries-missing"]);
    let cuts_truncated = after(|dir, log| {
        fs::remove_file(dir.join("root/tile/entries/000.p/7")).unwrap();
        write_bundles(dir, "root", &log.cuts[..6]);
    });
    assert_eq!(cuts_truncated, ["file-missing"]);
}

#[test]
fn database_rolled_back() {
    let old = Log::honest();
    let mut log = old.clone();
    log.work(0, KEY, 100);
    assert_eq!(found(&old, &Held::checkpoint(log.checkpoint())), ["rolled-back"]);
    assert_eq!(found(&old, &Held::receipt(log.receipt(0, 350))), ["receipt-beyond-log"]);
    assert_eq!(found(&old, &Held { max_age: Some("5m"), ..Held::default() }), ["checkpoint-stale"]);
    // Rolled back, and gone on: the sizes are there again, with other entries.
    let mut again = old;
    again.clock += 7;
    again.work(0, KEY, 100);
    assert_eq!(found(&again, &Held::checkpoint(log.checkpoint())), ["forked"]);
    assert_eq!(found(&again, &Held::receipt(log.receipt(0, 350))), ["receipt-of-another-history"]);
}

#[test]
fn two_copies_forked() {
    let (mut one, mut other) = (Log::honest(), Log::honest());
    one.work(0, KEY, 50);
    other.clock += 7;
    other.work(0, KEY, 100);
    assert_eq!(found(&other, &Held::checkpoint(one.checkpoint())), ["forked"]);
    // Both cut into one root log, as a node that was copied with its directory would.
    let mut both = one.clone();
    both.cut_as(|cut| {
        cut.shards = one.cuts().pop().unwrap().shards;
        cut.shards[0].root[0] ^= 1;
    });
    assert!(found(&both, &Held::default()).contains(&"shard-forked".to_owned()));
}

#[test]
fn shards_swapped() {
    let swapped = after(|dir, log| {
        write_bundles(dir, "0", &log.shards[&3]);
        write_bundles(dir, "3", &log.shards[&0][..60]);
        for name in ["000", "001.p/44"] {
            fs::copy(dir.join("3/tile/entries/000.p/60"), dir.join("0/tile/entries").join(name)).unwrap();
        }
    });
    assert!(swapped.contains(&"entries-altered".to_owned()), "{swapped:?}");
}

#[test]
fn shard_dropped_from_cuts() {
    let dropped = forged(|log| {
        log.cut_as(|_| {});
        log.cut();
    });
    assert_eq!(dropped, ["shard-dropped"]);
    let retired = forged(|log| {
        log.cut();
        let mut cut = log.cuts().pop().unwrap();
        cut.shards[1].state = ShardState::Retired;
        let kept = cut.shards[0];
        log.cuts.pop();
        log.cut_as(|last| last.shards = cut.shards);
        log.cut_as(|last| last.shards = vec![kept]);
    });
    assert_eq!(retired, NOTHING, "a shard may retire");
}

#[test]
fn shard_taken_back() {
    let taken_back: [fn(&mut Cut); 3] = [
        |cut| cut.shards[0].incarnation = 0,
        |cut| cut.shards[0].epoch = 0,
        |cut| (cut.shards[0].size, cut.shards[0].root) = (0, claviger_audit::tree::empty_root()),
    ];
    for attack in taken_back {
        let found = forged(|log| {
            let shards = log.cuts().pop().unwrap().shards;
            log.cut_as(|cut| {
                cut.shards = shards;
                attack(cut);
            });
        });
        assert_eq!(found, ["shard-went-back"]);
    }
}

#[test]
fn receipt_forged() {
    let log = Log::honest();
    let foreign = SigningKey::from_seed("d/audit/0", &[0xAA; 32]).unwrap();
    assert_eq!(found(&log, &Held::receipt(log.receipt_by(&foreign, 0, 7))), ["receipt-of-unknown-node"]);
    assert_eq!(found(&log, &Held::receipt("v1;no;receipt".into())), ["receipt-forged"]);
    let elsewhere = log.receipt(0, 7).replace("d/audit/0", "e/audit/0");
    assert_eq!(found(&log, &Held::receipt(elsewhere)), ["receipt-forged"]);
    let absent_shard = log.receipt(0, 7).replace("d/audit/0", "d/audit/9");
    assert_eq!(found(&log, &Held::receipt(absent_shard)), ["receipt-of-unknown-node"]);
    // The signature is over the head alone: what else a receipt says must be what the log holds under that head.
    let receipt = log.receipt(0, 7);
    let parts: Vec<_> = receipt.split(';').collect();
    let moved = receipt.replacen(&format!(";{};", parts[2]), ";8;", 1);
    assert_eq!(found(&log, &Held::receipt(moved)), ["receipt-broken"]);
}

#[test]
fn receipt_of_a_node_whose_start_was_rolled_back() {
    let log = Log::honest();
    let gone = SigningKey::from_seed("d/audit/0", &[0xAB; 32]).unwrap();
    let receipt = log.receipt_by(&gone, 0, 7);
    assert_eq!(found(&log, &Held::receipt(receipt.clone())), ["receipt-of-unknown-node"]);
    // Whoever kept the node's key can verify that it is genuine.
    let known = Held { node_key: Some(gone.verifier_key().to_string()), ..Held::receipt(receipt) };
    assert_eq!(found(&log, &known), ["receipt-of-another-history"]);
    // Its name alone makes no receipt genuine.
    let other = SigningKey::from_seed("d/audit/0", &[0xAC; 32]).unwrap();
    let unknown = Held { receipts: vec![log.receipt_by(&other, 0, 7)], ..known };
    assert_eq!(found(&log, &unknown), ["receipt-of-unknown-node"]);
}

#[test]
fn signed_with_a_stolen_node_key() {
    // The thief promises what never was in the log.
    let (log, mut never) = (Log::honest(), Log::honest());
    never.shards.get_mut(&0).unwrap()[7] = bytes_of(&Entry::new(1, 1, Op::Decrypt, Outcome::Ok));
    assert_eq!(
        found(&log, &Held::receipt(never.receipt_by(&node_key(0), 0, 7))),
        ["receipt-of-another-history"]
    );
    // A checkpoint of the root log is not the node's to sign: its key, under the root's name.
    let resigned = after(|dir, log| {
        let head = Checkpoint::open(log.checkpoint().as_bytes(), root_key().verifier_key()).unwrap();
        let thief = SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap();
        put(dir, CHECKPOINT, head.sign(&thief).unwrap().as_bytes());
    });
    assert_eq!(resigned, ["checkpoint-invalid"]);
}

#[test]
fn keys_replaced() {
    let other_node = after(|dir, _| {
        let name = node_vkey(0, &node_key(0).verifier_key().digest());
        put(dir, &name, node_key(3).verifier_key().to_string().as_bytes());
    });
    assert_eq!(other_node, ["file-malformed"]);
    let other_root = after(|dir, _| put(dir, ROOT_VKEY, node_key(3).verifier_key().to_string().as_bytes()));
    assert_eq!(other_root, ["file-malformed"]);
}

#[test]
fn root_log_rewritten_under_an_old_checkpoint() {
    let rewritten = after(|dir, log| {
        let mut cuts = log.cuts.clone();
        cuts.swap(2, 3);
        write_bundles(dir, "root", &cuts);
    });
    assert!(rewritten.contains(&"root-log-altered".to_owned()), "{rewritten:?}");
}

#[test]
fn cuts_out_of_order_or_no_cuts() {
    assert!(forged(|log| log.cuts.swap(5, 6)).contains(&"cut-out-of-order".to_owned()));
    assert_eq!(forged(|log| log.cuts.insert(7, vec![0xFF; 20])), ["cut-malformed"]);
}

#[test]
fn entry_that_is_not_in_its_one_form() {
    let padded = forged(|log| {
        log.shards.get_mut(&0).unwrap()[120].push(0);
        log.cut_anew();
    });
    assert_eq!(padded, ["entry-malformed"]);
}

#[test]
fn entry_out_of_its_epoch_or_without_its_session() {
    let back = forged(|log| {
        let entry = &mut log.shards.get_mut(&0).unwrap()[120];
        *entry = edited(entry, |entry| entry.e = 0);
        log.cut_anew();
    });
    assert_eq!(back, ["entry-out-of-order"]);
    let unknown = forged(|log| {
        let entry = &mut log.shards.get_mut(&0).unwrap()[120];
        *entry = edited(entry, |entry| entry.ses = Some(2));
        log.cut_anew();
    });
    assert_eq!(unknown, ["session-unknown"]);
}

#[test]
fn key_used_after_its_revocation() {
    for (op, found) in [
        (Op::SuspendKey, &["use-of-dead-key"][..]),
        (Op::CompromiseKey, &["use-of-dead-key"]),
        (Op::Session, &[]),
    ] {
        let after = forged(|log| {
            log.push(0, op, |entry| entry.key = Some(KEY));
            log.encrypt(0, KEY);
            log.cut();
        });
        assert_eq!(after, found, "{op}");
    }
}

#[test]
fn key_comes_back_from_where_none_comes_back() {
    let zombie = forged(|log| {
        log.push(0, Op::CompromiseKey, |entry| entry.key = Some(KEY));
        log.push(0, Op::ResumeKey, |entry| entry.key = Some(KEY));
        log.cut();
    });
    assert_eq!(zombie, ["impossible-step"]);
    let twice = forged(|log| {
        log.push(3, Op::CreateKey, |entry| {
            (entry.key, entry.kv) = (Some(KEY), Some(1));
            entry.reference = Some(Cow::Borrowed(&[1]));
        });
        log.cut();
    });
    assert_eq!(twice, ["impossible-step"]);
}

#[test]
fn any_byte_of_any_file_flipped() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::honest());
    log.write(dir.path());
    // Without a receipt nothing depends on the keys of nodes.
    let held = Held::receipt(log.receipt(0, 299));
    let mut flips = 0_usize;
    for path in files(dir.path()) {
        let whole = fs::read(&path).unwrap();
        let step = whole.len().div_ceil(24);
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (flips % 8);
            fs::write(&path, &bytes).unwrap();
            let found = found_in(dir.path(), &held);
            assert!(!found.is_empty(), "bit {} of byte {at} of {}", flips % 8, path.display());
            flips += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(flips > 100, "{flips}");
    assert_eq!(found_in(dir.path(), &held), NOTHING);
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}
