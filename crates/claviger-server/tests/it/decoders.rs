//! Every decoder of foreign bytes, held to its word: its seeds as they are, and mutated at random.
//!
//! The checks and the seeds are those of the fuzz targets. A fuzzer goes deeper; this goes with every test run. With
//! `UPDATE_SEEDS` set it writes the seeds into `fuzz/seeds/`, where a campaign begins.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::{checks, seeds};

/// One change to some bytes. Places and lengths are taken modulo what there is.
#[derive(Clone, Debug)]
enum Edit {
    Cut(Index),
    Drop(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8),
    Splice(Index, Index, Index),
    Write(Index, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    // What lengths, counts and terminators are made of.
    let boundary =
        prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), Just(b'\n'), any::<u8>()];
    let place = any::<Index>;
    let edit = prop_oneof![
        1 => place().prop_map(Edit::Cut),
        2 => (place(), 1..16_u8).prop_map(|(at, length)| Edit::Drop(at, length)),
        4 => (place(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => (place(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (place(), 1..64_u8).prop_map(|(at, length)| Edit::Repeat(at, length)),
        1 => (place(), place(), place()).prop_map(|(other, head, tail)| Edit::Splice(other, head, tail)),
        4 => (place(), boundary).prop_map(|(at, byte)| Edit::Write(at, byte)),
    ];
    prop::collection::vec(edit, 0..5)
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let end = |at: usize, length: u8| (at + usize::from(length)).min(bytes.len());
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Drop(at, length) => {
                let at = at.index(bytes.len() + 1);
                bytes.drain(at..end(at, *length));
            }
            Self::Flip(at, bit) => change(bytes, *at, |byte| byte ^ (1 << bit)),
            Self::Insert(at, new) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(at, length) => {
                let at = at.index(bytes.len() + 1);
                bytes.extend_from_within(at..end(at, *length));
            }
            Self::Splice(other, head, tail) => {
                let other = other.get(seeds);
                bytes.truncate(head.index(bytes.len() + 1));
                bytes.extend_from_slice(&other[tail.index(other.len() + 1)..]);
            }
            Self::Write(at, new) => change(bytes, *at, |_| *new),
        }
    }
}

fn change(bytes: &mut [u8], at: Index, to: impl FnOnce(u8) -> u8) {
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] = to(bytes[at]);
    }
}

#[test]
fn every_seed_is_taken() {
    for (name, check) in checks::ALL {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "`{name}` has no seeds");
        for seed in &seeds {
            assert!(check(seed), "`{name}` refuses {}", String::from_utf8_lossy(seed));
        }
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            write(name, &seeds);
        }
    }
}

fn write(name: &str, seeds: &[Vec<u8>]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:02}")), seed).unwrap();
    }
}

#[test]
fn mutated_seeds_break_no_decoder() {
    for (name, check) in checks::ALL {
        let seeds = seeds::of(name);
        let strategy = (any::<Index>(), edits());
        let config = Config {
            cases: Config::default().cases.max(1024),
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&strategy, |(seed, edits)| {
            let mut bytes = seed.get(&seeds).clone();
            edits.iter().for_each(|edit| edit.apply(&mut bytes, &seeds));
            std::panic::catch_unwind(|| check(&bytes))
                .map(|_| ())
                .map_err(|_| TestCaseError::fail(format!("`{name}` is broken by {}", bytes.escape_ascii())))
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }
}
