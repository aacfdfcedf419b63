//! A data set to protect: invented cardholder and patient records in the forms in which such records live: CSV, JSON
//! lines, text and pictures. The same size gives the same bytes on every machine.

mod cards;
mod clinic;
mod people;
mod random;
mod scan;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use claviger_crypto::digest::Sha256;

use random::Dice;

/// What a mebibyte is.
const MEBIBYTE: u64 = 1024 * 1024;

/// Letters in a data set: small files, each of which fits into one direct call.
const LETTERS: u32 = 24;

const README: &str = "\
Invented data of `claviger demo data`. No person, card or patient in it exists: card numbers are of published test
ranges, telephone numbers of the range kept for fiction, mail addresses of a domain kept for examples.

cards/     cardholders and a year of card payments (CSV)
clinic/    patients and a year of visits (JSON lines), discharge letters (text)
imaging/   pictures (16-bit greyscale PGM)

`sha256sum -c SHA256SUMS` checks every file.
";

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Number of files, `SHA256SUMS` included.
    pub(crate) files: usize,
    /// Their bytes together.
    pub(crate) bytes: u64,
}

/// Writes at least `mebibytes` of data under `dir`, which is made; `tick` hears of every file's bytes.
///
/// # Errors
/// Those of the file system. What was written until then stays.
pub(crate) fn write(dir: &Path, mebibytes: u32, mut tick: impl FnMut(u64)) -> io::Result<Written> {
    let mut sums = String::new();
    let mut written = Written { files: 0, bytes: 0 };
    for piece in plan(mebibytes) {
        let (bytes, digest) = piece.write_to(&dir.join(&piece.name))?;
        sums.push_str(&format!("{}  {}\n", hex::encode(digest), piece.name));
        written = Written { files: written.files + 1, bytes: written.bytes + bytes };
        tick(bytes);
    }
    fs::write(dir.join("SHA256SUMS"), &sums)?;
    let bytes = written.bytes + u64::try_from(sums.len()).unwrap_or(0);
    Ok(Written { files: written.files + 1, bytes })
}

/// One file to come.
struct Piece {
    /// Its path under the directory, with `/`.
    name: String,
    what: What,
}

enum What {
    Cardholders { bytes: u64 },
    Letter { number: u32 },
    Patients { bytes: u64 },
    Readme,
    Scan,
    Transactions { bytes: u64, month: u32 },
    Visits { bytes: u64, month: u32 },
}

/// The files that make up `mebibytes`: four tenths cards, three tenths clinic, three tenths pictures. Each part is rounded up,
/// so that the whole is never smaller than asked.
fn plan(mebibytes: u32) -> Vec<Piece> {
    let whole = u64::from(mebibytes) * MEBIBYTE;
    let tenths = |n: u64| (whole * n).div_ceil(10);
    let mut pieces = vec![
        Piece { name: "README.txt".into(), what: What::Readme },
        Piece { name: "cards/cardholders.csv".into(), what: What::Cardholders { bytes: tenths(1) } },
        Piece { name: "clinic/patients.jsonl".into(), what: What::Patients { bytes: tenths(1) } },
    ];
    for month in 1..=12 {
        let payments = What::Transactions { bytes: tenths(3).div_ceil(12), month };
        let visits = What::Visits { bytes: tenths(2).div_ceil(12), month };
        pieces.push(Piece { name: format!("cards/transactions-2025-{month:02}.csv"), what: payments });
        pieces.push(Piece { name: format!("clinic/visits-2025-{month:02}.jsonl"), what: visits });
    }
    let letters = (1..=LETTERS).map(|number| Piece {
        name: format!("clinic/letters/letter-{number:05}.txt"),
        what: What::Letter { number },
    });
    let scans = (1..=tenths(3).div_ceil(scan::BYTES))
        .map(|number| Piece { name: format!("imaging/scan-{number:04}.pgm"), what: What::Scan });
    pieces.extend(letters);
    pieces.extend(scans);
    pieces.sort_by(|a, b| a.name.cmp(&b.name));
    pieces
}

impl Piece {
    fn write_to(&self, path: &Path) -> io::Result<(u64, [u8; 32])> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut out = Counted::new(BufWriter::new(File::create(path)?));
        let dice = &mut Dice::for_file(&self.name);
        match self.what {
            What::Cardholders { bytes } => cards::write_cardholders(&mut out, bytes, dice),
            What::Letter { number } => clinic::write_letter(&mut out, number, dice),
            What::Patients { bytes } => clinic::write_patients(&mut out, bytes, dice),
            What::Readme => out.write_all(README.as_bytes()),
            What::Scan => scan::write_scan(&mut out, dice),
            What::Transactions { bytes, month } => cards::write_transactions(&mut out, bytes, month, dice),
            What::Visits { bytes, month } => clinic::write_visits(&mut out, bytes, month, dice),
        }?;
        out.flush()?;
        Ok((out.written, out.digest.finish()))
    }
}

/// A writer that counts and digests what passes.
struct Counted<W> {
    inner: W,
    written: u64,
    digest: Sha256,
}

impl<W: Write> Counted<W> {
    fn new(inner: W) -> Self {
        Self { inner, written: 0, digest: Sha256::new() }
    }

    fn written(&self) -> u64 {
        self.written
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(data)?;
        self.digest.update(data.get(..taken).unwrap_or(data));
        self.written += u64::try_from(taken).unwrap_or(0);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mebibytes: u32) -> (tempfile::TempDir, Written) {
        let dir = tempfile::tempdir().unwrap();
        let written = write(dir.path(), mebibytes, |_| {}).unwrap();
        (dir, written)
    }

    #[test]
    fn data_set_is_as_large_as_asked_and_the_same_every_time() {
        let ((one, first), (two, second)) = (written(2), written(2));
        assert_eq!(first, second);
        assert!(first.bytes >= 2 * MEBIBYTE, "{first:?}");
        let sums = |dir: &tempfile::TempDir| fs::read_to_string(dir.path().join("SHA256SUMS")).unwrap();
        assert_eq!(sums(&one), sums(&two));
        assert_eq!(sums(&one).lines().count() + 1, first.files);
    }

    #[test]
    fn sums_are_those_of_the_files_and_every_line_of_json_is_json() {
        let (dir, _) = written(1);
        for line in fs::read_to_string(dir.path().join("SHA256SUMS")).unwrap().lines() {
            let (sum, name) = line.split_once("  ").unwrap();
            let content = fs::read(dir.path().join(name)).unwrap();
            assert_eq!(sum, hex::encode(claviger_crypto::digest::sha256(&content)), "{name}");
            if name.ends_with(".jsonl") {
                for line in String::from_utf8(content).unwrap().lines() {
                    serde_json::from_str::<serde_json::Value>(line).unwrap();
                }
            }
        }
    }

    #[test]
    fn letters_fit_into_a_direct_call_and_rows_of_cards_have_their_columns() {
        let (dir, _) = written(1);
        for number in 1..=LETTERS {
            let letter = dir.path().join(format!("clinic/letters/letter-{number:05}.txt"));
            assert!(fs::metadata(letter).unwrap().len() < 64 * 1024);
        }
        let rows = fs::read_to_string(dir.path().join("cards/transactions-2025-01.csv")).unwrap();
        assert!(rows.lines().all(|row| row.split(',').count() == 8));
    }
}
