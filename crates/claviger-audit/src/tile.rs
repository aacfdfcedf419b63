//! Paths and contents of a tiled log (C2SP tlog-tiles): tiles of 256 subtree hashes, and bundles of 256 entries.

use std::collections::BTreeMap;
use std::fmt;

use crate::hash::Hash;

/// Hashes of a full tile, entries of a full bundle.
pub const WIDTH: u64 = 256;
/// The longest entry that a bundle can hold, in bytes.
pub const MAX_BUNDLED: usize = u16::MAX as usize;

/// What a path of a tiled log leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `tile/<level>/<index>`: hashes of subtrees of height `8 * level`.
    Tile {
        /// Its level, 0 to 63 (this log's tiles end at 7, for a tree holds fewer than 2^64 leaves).
        level: u8,
        /// Its number within the level.
        index: u64,
        /// How many hashes it holds, 1 to 256.
        width: u16,
    },
    /// `tile/entries/<index>`: entries.
    Bundle {
        /// Its number.
        index: u64,
        /// How many entries it holds, 1 to 256.
        width: u16,
    },
    /// `tile/facts/<index>`: the facts of the entries of a bundle. Not of the specification.
    Facts {
        /// The number of the bundle.
        index: u64,
        /// How many entries that one holds, 1 to 256.
        width: u16,
    },
}

/// Why a path or a bundle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path of a tiled log, or not its canonical form.
    #[error("not the path of a tile or bundle")]
    Path,
    /// A bundle ends inside an entry.
    #[error("bundle ends inside an entry")]
    Truncated,
    /// A bundle holds more than 256 entries.
    #[error("bundle holds more than 256 entries")]
    TooMany,
    /// An entry is longer than its length field can say.
    #[error("entry is too long for a bundle")]
    TooLong,
    /// Facts do not lie in the order of their entries.
    #[error("facts are not in the order of their entries")]
    OutOfOrder,
}

impl Resource {
    /// Reads a path.
    ///
    /// # Errors
    /// [`TileError::Path`] for everything that [`fmt::Display`] would not have written.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError::Path)?;
        let (level, place) = rest.split_once('/').ok_or(TileError::Path)?;
        let (number, width) = match place.split_once(".p/") {
            Some((number, width)) => (number, decimal(width).filter(|width| (1..256).contains(width))),
            None => (place, Some(256)),
        };
        let index = parse_index(number).ok_or(TileError::Path)?;
        let width = width.ok_or(TileError::Path)?;
        match level {
            "entries" => return Ok(Self::Bundle { index, width }),
            "facts" => return Ok(Self::Facts { index, width }),
            _ => {}
        }
        let level = decimal(level).filter(|level| *level < 64).and_then(|level| u8::try_from(level).ok());
        Ok(Self::Tile { level: level.ok_or(TileError::Path)?, index, width })
    }

    /// The bundle `index` of a log of `size` entries, full or as far as it goes. `None` beyond the log.
    #[must_use]
    pub fn bundle(index: u64, size: u64) -> Option<Self> {
        width_at(index, size).map(|width| Self::Bundle { index, width })
    }

    /// The facts of the bundle `index` of a log of `size` entries. `None` beyond the log.
    #[must_use]
    pub fn facts(index: u64, size: u64) -> Option<Self> {
        width_at(index, size).map(|width| Self::Facts { index, width })
    }

    /// The tile `index` of `level` in a log of `size` entries, full or as far as it goes. `None` beyond the log.
    #[must_use]
    pub fn tile(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(level) * 8)?;
        width_at(index, hashes).map(|width| Self::Tile { level, index, width })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            Self::Tile { level, index, width } => {
                write!(f, "tile/{level}/")?;
                (index, width)
            }
            Self::Bundle { index, width } => {
                f.write_str("tile/entries/")?;
                (index, width)
            }
            Self::Facts { index, width } => {
                f.write_str("tile/facts/")?;
                (index, width)
            }
        };
        write_index(f, *index)?;
        if u64::from(*width) == WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
    }
}

fn width_at(index: u64, length: u64) -> Option<u16> {
    let left = length.checked_sub(index.checked_mul(WIDTH)?)?;
    u16::try_from(left.min(WIDTH)).ok().filter(|width| *width > 0)
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for (left, group) in groups.iter().enumerate().rev() {
        if left == 0 {
            write!(f, "{group:03}")?;
        } else {
            write!(f, "x{group:03}/")?;
        }
    }
    Ok(())
}

fn parse_index(text: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let digits = if last { group } else { group.strip_prefix('x')? };
        if digits.len() != 3
            || !digits.bytes().all(|c| c.is_ascii_digit())
            || (first && !last && digits == "000")
        {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    Some(index)
}

fn decimal(text: &str) -> Option<u16> {
    crate::hash::from_decimal(text).and_then(|number| u16::try_from(number).ok())
}

/// Appends an entry to a bundle: its length in two bytes, big-endian, and the entry.
///
/// # Errors
/// [`TileError::TooLong`] for more than [`MAX_BUNDLED`] bytes; the bundle is as it was.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::TooLong)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads a bundle.
///
/// # Errors
/// [`TileError::Truncated`] or [`TileError::TooMany`].
pub fn parse_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        if entries.len() as u64 == WIDTH {
            return Err(TileError::TooMany);
        }
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or(TileError::Truncated)?;
        entries.push(entry);
        rest = tail;
    }
    if rest.is_empty() { Ok(entries) } else { Err(TileError::Truncated) }
}

/// Appends the facts of an entry to those of its bundle: the place of the entry in the bundle (one byte), their length in four
/// bytes, big-endian, and the facts.
///
/// # Errors
/// [`TileError::TooLong`]; the bundle is as it was.
pub fn push_facts(bundle: &mut Vec<u8>, place: u8, facts: &[u8]) -> Result<(), TileError> {
    let length = u32::try_from(facts.len()).map_err(|_| TileError::TooLong)?;
    bundle.push(place);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(facts);
    Ok(())
}

/// Reads the facts of a bundle: places, which ascend, with what belongs to each.
///
/// # Errors
/// [`TileError::Truncated`] and [`TileError::OutOfOrder`].
pub fn parse_facts(bundle: &[u8]) -> Result<BTreeMap<u8, &[u8]>, TileError> {
    let mut facts = BTreeMap::new();
    let mut rest = bundle;
    while let Some(([place, length @ ..], tail)) = rest.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| TileError::Truncated)?;
        let (of_entry, tail) = tail.split_at_checked(length).ok_or(TileError::Truncated)?;
        if facts.last_key_value().is_some_and(|(last, _)| place <= last) {
            return Err(TileError::OutOfOrder);
        }
        facts.insert(*place, of_entry);
        rest = tail;
    }
    if rest.is_empty() { Ok(facts) } else { Err(TileError::Truncated) }
}

/// The root of the subtree that a full tile spans: what the level above holds of it. `None` unless there are 256 hashes.
#[must_use]
pub fn full_tile_root(hashes: &[Hash]) -> Option<Hash> {
    if hashes.len() as u64 != WIDTH {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .filter_map(|pair| Some(crate::tree::node_hash(pair.first()?, pair.last()?)))
            .collect();
    }
    row.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_specification() {
        let tile = Resource::Tile { level: 0, index: 1_234_067, width: 256 };
        assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
        // A log of 70,000 entries: one full tile at level 1, and a partial one of width 17.
        assert_eq!(Resource::tile(0, 273, 70_000).unwrap().to_string(), "tile/0/273.p/112");
        assert_eq!(Resource::tile(1, 0, 70_000).unwrap().to_string(), "tile/1/000");
        assert_eq!(Resource::tile(1, 1, 70_000).unwrap().to_string(), "tile/1/001.p/17");
        assert_eq!(Resource::tile(2, 0, 70_000).unwrap().to_string(), "tile/2/000.p/1");
        assert_eq!((Resource::tile(3, 0, 70_000), Resource::tile(8, 0, u64::MAX)), (None, None));
        assert_eq!(Resource::bundle(0, 256).unwrap().to_string(), "tile/entries/000");
        assert_eq!(Resource::bundle(1, 256), None);
        for size in [1, 255, 256, 257, 1_000_000 * 256, u64::MAX] {
            for index in [0, 1, 999, 1000, 999_999, (size - 1) / 256] {
                for resource in
                    [Resource::bundle(index, size), Resource::tile(0, index, size)].into_iter().flatten()
                {
                    assert_eq!(Resource::parse(&resource.to_string()), Ok(resource));
                }
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "tile/0/1",
            "tile/00/001",
            "tile/64/001",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p/",
            "tile/entries/",
            "tile/entry/001",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "/tile/0/001",
        ] {
            assert_eq!(Resource::parse(bad), Err(TileError::Path), "{bad}");
        }
    }

    #[test]
    fn bundles_read_back() {
        let mut bundle = Vec::new();
        for length in 0..256_usize {
            push_entry(&mut bundle, &vec![7; length]).unwrap();
        }
        let entries = parse_bundle(&bundle).unwrap();
        assert!(entries.iter().enumerate().all(|(at, entry)| entry.len() == at) && entries.len() == 256);
        for cut in 1..300 {
            assert!(parse_bundle(&bundle[..bundle.len() - cut]).map_or(true, |entries| entries.len() < 256));
        }
        push_entry(&mut bundle, b"").unwrap();
        assert_eq!(parse_bundle(&bundle), Err(TileError::TooMany));
        assert_eq!(parse_bundle(&[0, 1]), Err(TileError::Truncated));
        assert_eq!(push_entry(&mut bundle, &vec![0; MAX_BUNDLED + 1]), Err(TileError::TooLong));
    }

    #[test]
    fn facts_of_a_bundle_read_back() {
        let mut bundle = Vec::new();
        let facts = [(0, vec![1; 3]), (7, vec![2; 70_000]), (255, vec![3])];
        for (place, facts) in &facts {
            push_facts(&mut bundle, *place, facts).unwrap();
        }
        let read: Vec<_> =
            parse_facts(&bundle).unwrap().into_iter().map(|(at, of)| (at, of.to_vec())).collect();
        assert_eq!(read, facts);
        assert_eq!(parse_facts(&bundle[..bundle.len() - 1]), Err(TileError::Truncated));
        push_facts(&mut bundle, 255, b"").unwrap();
        assert_eq!(parse_facts(&bundle), Err(TileError::OutOfOrder));
        let path = Resource::facts(1, 300).unwrap();
        assert_eq!(
            (path.to_string().as_str(), Resource::parse(&path.to_string())),
            ("tile/facts/001.p/44", Ok(path))
        );
    }

    #[test]
    fn full_tile_is_a_subtree_of_height_eight() {
        let leaves: Vec<Hash> = (0..=255).map(|byte| [byte; 32]).collect();
        let mut frontier = crate::Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        assert_eq!(full_tile_root(&leaves), Some(frontier.root()));
        assert_eq!(full_tile_root(&leaves[1..]), None);
    }
}
