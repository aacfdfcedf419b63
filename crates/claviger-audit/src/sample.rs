//! Which of many are looked at: drawn by the root of the log, so that whoever picks cannot choose, and whoever doubts draws the same.
//!
//! ```text
//! tag(n) = HMAC-SHA-256(root of the log, name of what is drawn from || 0x00 || n (8 bytes, big-endian)), n = 0, 1, 2 ..
//! number = first 8 bytes of the tag, big-endian; passed over where it is not below the greatest multiple of the population
//! drawn  = numbers modulo the population, each once, until there are enough
//! ```

use std::collections::BTreeSet;

use crate::hash::{Hash, HmacKey};

/// Draws so many numbers below `population`, each as likely as any other; all of them where there are no more.
#[must_use]
pub fn draw(root: &Hash, of: &str, population: u64, most: u64) -> BTreeSet<u64> {
    if population <= most {
        return (0..population).collect();
    }
    let (key, end) = (HmacKey::new(root), u64::MAX - u64::MAX % population);
    let mut drawn = BTreeSet::new();
    let mut counter = 0_u64;
    while (drawn.len() as u64) < most {
        let [a, b, c, d, e, f, g, h, ..] = key.tag(&[of.as_bytes(), &[0], &counter.to_be_bytes()]);
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if number < end {
            drawn.insert(number % population);
        }
        counter = counter.wrapping_add(1);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(root: u8, of: &str, population: u64, most: u64) -> Vec<u64> {
        draw(&[root; 32], of, population, most).into_iter().collect()
    }

    /// Known answers of another implementation (Python's `hmac`).
    #[test]
    fn numbers_follow_from_root_and_name_alone() {
        assert_eq!(drawn(7, "GEN-01", 1000, 5), [49, 365, 693, 716, 941]);
        assert_eq!(drawn(7, "GEN-02", 1000, 5), [144, 256, 495, 812, 951]);
        assert_eq!(drawn(8, "GEN-01", 1000, 5), [181, 304, 363, 507, 712]);
        let far = [1_246_717_763_803_782_541, 3_648_541_361_546_116_872, 3_729_568_090_953_583_546];
        assert_eq!(drawn(7, "log", 1 << 63, 3), far);
    }

    #[test]
    fn of_few_all_are_drawn_and_of_many_as_many_as_are_asked_for() {
        assert_eq!(drawn(7, "log", 0, 25), [0; 0]);
        assert_eq!(drawn(7, "log", 3, 25), [0, 1, 2]);
        assert_eq!(drawn(7, "log", 25, 25), (0..25).collect::<Vec<_>>());
        for population in [26, 27, 100, u64::MAX] {
            let drawn = drawn(7, "log", population, 25);
            assert!(drawn.len() == 25 && drawn.iter().all(|number| *number < population), "{drawn:?}");
        }
        assert!(drawn(7, "log", u64::MAX, 0).is_empty());
    }
}
