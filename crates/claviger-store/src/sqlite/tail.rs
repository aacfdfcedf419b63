//! SQLite's write-ahead log as a process that did not end in order left it: is the newest part of the store still in it?
//!
//! SQLite opens what it can of a log and says nothing of the rest: behind a frame that is broken, and without the file, it goes
//! on with what came before. This looks at the file before SQLite does.
//!
//! What a crash itself leaves is not named: a last transaction that was not written to its end, or stale frames of a log that was
//! begun anew. Two commits behind a broken frame cannot come from a crash, since each is on the disk before the next begins.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use claviger_core::port::StoreError;

use super::error::translate_io;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic of a log whose checksums are over big-endian words; that of little-endian ones is one less.
const MAGIC: u32 = 0x377f_0683;

/// What is wrong with the log of a store that was not closed in order; `None` for what a crash leaves.
pub(super) fn lost(database: &Path) -> Result<Option<String>, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let name = Path::new(&path);
    let shown = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = match File::open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Some(format!("the write-ahead log `{shown}` is absent")));
        }
        Err(error) => return Err(translate_io(&error, &shown)),
    };
    let examined = examine(BufReader::with_capacity(1 << 16, file));
    let examined = examined.map_err(|error| translate_io(&error, &shown))?;
    Ok(match examined {
        Log::Broken { frame, commits } => Some(format!(
            "the write-ahead log `{shown}` is broken at frame {frame}, and {commits} commits lie behind that"
        )),
        Log::Empty => Some(format!("the write-ahead log `{shown}` is empty")),
        Log::Headless => Some(format!("the write-ahead log `{shown}` has no valid beginning")),
        Log::Whole => None,
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Log {
    /// Behind this frame, counted from 1, so many commits cannot be read.
    Broken { frame: u64, commits: u64 },
    /// It holds no frame.
    Empty,
    /// Its header is not one.
    Headless,
    /// It reads up to its end, or to where a crash stopped it.
    Whole,
}

/// The running checksum of the file format (SQLite, "WAL-Index Format", 4.2).
struct Sum {
    big_endian: bool,
    state: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut a, mut b) = self.state;
        for [first, second] in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            let word = |bytes: &[u8; 4]| {
                if self.big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
            };
            a = a.wrapping_add(word(first)).wrapping_add(b);
            b = b.wrapping_add(word(second)).wrapping_add(a);
        }
        self.state = (a, b);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

/// Fills `room`; whether there was enough.
fn fill(log: &mut impl Read, room: &mut [u8]) -> std::io::Result<bool> {
    match log.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn examine(mut log: impl Read) -> std::io::Result<Log> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(Log::Empty);
    }
    let magic = word(&header, 0);
    let mut sum = Sum { big_endian: magic == MAGIC, state: (0, 0) };
    let (summed, stated) = header.split_at(24);
    sum.add(summed);
    let page = usize::try_from(word(&header, 8)).unwrap_or(0);
    let valid = magic & !1 == MAGIC & !1
        && page.is_power_of_two()
        && (512..=65536).contains(&page)
        && (word(stated, 0), word(stated, 4)) == sum.state;
    if !valid {
        return Ok(Log::Headless);
    }
    let salts = (word(&header, 16), word(&header, 20));
    let mut frame = vec![0; FRAME_HEADER + page];
    let (mut number, mut broken, mut commits) = (0_u64, None, 0_u64);
    while fill(&mut log, &mut frame)? {
        number += 1;
        let (head, content) = frame.split_at(FRAME_HEADER);
        let of_this_log = (word(head, 8), word(head, 12)) == salts;
        if broken.is_none() {
            sum.add(head.get(..8).unwrap_or_default());
            sum.add(content);
            if !of_this_log || (word(head, 16), word(head, 20)) != sum.state {
                broken = Some(number);
            }
        }
        if broken.is_some() && of_this_log && word(head, 4) != 0 {
            commits += 1;
        }
    }
    Ok(match broken {
        _ if number == 0 => Log::Empty,
        Some(frame) if commits > 1 => Log::Broken { frame, commits },
        _ => Log::Whole,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use rusqlite::config::DbConfig;

    use super::*;

    /// The write-ahead log of a database with that many commits of one row each, begun anew in between if said so.
    fn log_of(commits: u32, begun_anew: bool) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER, b BLOB)").unwrap();
        let insert = |n: u32| connection.execute("INSERT INTO t VALUES (?1, randomblob(5000))", [n]).unwrap();
        if begun_anew {
            for n in 0..2 * commits {
                insert(n);
            }
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        }
        for n in 0..commits {
            insert(n);
        }
        std::fs::read(dir.path().join("x.db-wal")).unwrap()
    }

    const FRAME: usize = FRAME_HEADER + 4096;

    fn frames(log: &[u8]) -> usize {
        (log.len() - HEADER) / FRAME
    }

    #[test]
    fn what_a_crash_leaves_is_whole() {
        for begun_anew in [false, true] {
            let log = log_of(6, begun_anew);
            assert_eq!(examine(log.as_slice()).unwrap(), Log::Whole, "{begun_anew}");
            // Cut off at any place behind the first frame: what the last write did not get to.
            for at in (HEADER + FRAME..log.len()).step_by(509) {
                assert_eq!(examine(&log[..at]).unwrap(), Log::Whole, "{at}");
            }
        }
        // The last frame's header was written, its page was not.
        let mut log = log_of(6, false);
        let last = log.len() - 4096;
        log[last..].fill(0);
        assert_eq!(examine(log.as_slice()).unwrap(), Log::Whole);
    }

    #[test]
    fn what_no_crash_leaves_is_named() {
        let log = log_of(6, false);
        for at in (HEADER..log.len() - 3 * 2 * FRAME).step_by(997) {
            let mut changed = log.clone();
            changed[at] ^= 0x10;
            let found = examine(changed.as_slice()).unwrap();
            let frame = u64::try_from((at - HEADER) / FRAME + 1).unwrap();
            assert!(matches!(found, Log::Broken { frame: at, .. } if at == frame), "{at}: {found:?}");
        }
        assert!(frames(&log) > 12);
        assert_eq!(examine(&log[..0]).unwrap(), Log::Empty);
        assert_eq!(examine(&log[..HEADER]).unwrap(), Log::Empty);
        assert_eq!(examine(&log[..HEADER + 100]).unwrap(), Log::Empty);
        for at in [0, 9, 17, 25] {
            let mut changed = log.clone();
            changed[at] ^= 1;
            assert_eq!(examine(changed.as_slice()).unwrap(), Log::Headless, "{at}");
        }
    }

    #[test]
    fn a_log_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("store.db");
        assert!(lost(&database).unwrap().unwrap().contains("absent"));
        std::fs::write(dir.path().join("store.db-wal"), b"").unwrap();
        assert!(lost(&database).unwrap().unwrap().contains("empty"));
        std::fs::write(dir.path().join("store.db-wal"), log_of(3, false)).unwrap();
        assert_eq!(lost(&database).unwrap(), None);
    }
}
