//! Repeatable dice. Not random in any sense that matters for security: the same seed throws the same data for ever.

/// `SplitMix64`: 64 bits of state, one multiplication chain per throw.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for the file of this name.
    pub(super) fn for_file(name: &str) -> Self {
        // FNV-1a over the name: two files throw differently, one file always the same.
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `0` up to, and without, `end`; zero when `end` is zero.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let thrown = self.next() >> 32;
        u32::try_from((thrown * u64::from(end)) >> 32).unwrap_or(0)
    }

    /// A number from `first` to `last`, both included.
    pub(super) fn between(&mut self, first: u32, last: u32) -> u32 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True once in `n` throws.
    pub(super) fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// One of `words`; the empty word when there is none.
    pub(super) fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        let end = u32::try_from(words.len()).unwrap_or(0);
        let at = self.below(end);
        usize::try_from(at).ok().and_then(|at| words.get(at)).copied().unwrap_or("")
    }

    /// `count` decimal digits.
    pub(super) fn digits(&mut self, count: usize) -> String {
        (0..count).filter_map(|_| char::from_digit(self.below(10), 10)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_name_throws_the_same_and_another_does_not() {
        let throw = |name| Dice::for_file(name).digits(40);
        assert_eq!(throw("a.csv"), throw("a.csv"));
        assert_ne!(throw("a.csv"), throw("b.csv"));
    }

    #[test]
    fn throws_stay_in_range_and_reach_both_ends() {
        let mut dice = Dice::for_file("range");
        let thrown: Vec<_> = (0..2000).map(|_| dice.between(3, 9)).collect();
        assert_eq!((thrown.iter().min(), thrown.iter().max()), (Some(&3), Some(&9)));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.one_of(&[]), "");
    }
}
