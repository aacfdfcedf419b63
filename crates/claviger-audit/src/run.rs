//! Runs of the evaluation: an entry says what the controls came to at a size of the root log.
//!
//! The entry has no results: whoever has the log makes them again and holds their digest against it.

use crate::Hash;

/// What an entry `record_evaluation` refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationRun {
    /// SHA-256 of the results in canonical JSON.
    pub digest: Hash,
    /// Over the log as of so many cuts.
    pub cuts: u64,
    /// How many results there are of each verdict: `FAIL`, `INDETERMINATE`, `NEEDS_ATTESTATION`, `PASS`, `NOT_APPLICABLE`.
    pub counts: [u16; 5],
    /// Names what came to it, checks and catalogue: others come to other results.
    pub evaluator: [u8; 8],
}

impl EvaluationRun {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 58;

    /// Digest, cuts, counts and evaluator, the numbers big-endian: the reference of the entry.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let counts = self.counts.map(u16::to_be_bytes);
        let parts =
            [self.digest.as_slice(), &self.cuts.to_be_bytes(), counts.as_flattened(), &self.evaluator];
        for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None` for bytes of another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (cuts, rest) = rest.split_first_chunk::<8>()?;
        let (counts, evaluator) = rest.split_first_chunk::<10>()?;
        let (mut of_verdicts, (pairs, _)) = ([0; 5], counts.as_chunks::<2>());
        for (to, from) in of_verdicts.iter_mut().zip(pairs) {
            *to = u16::from_be_bytes(*from);
        }
        Some(Self {
            digest: *digest,
            cuts: u64::from_be_bytes(*cuts),
            counts: of_verdicts,
            evaluator: evaluator.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_reads_back_and_fits_an_entry() {
        let run =
            EvaluationRun { digest: [7; 32], cuts: 1 << 40, counts: [1, 2, 300, 4, 5], evaluator: [9; 8] };
        let bytes = run.to_bytes();
        assert_eq!(EvaluationRun::from_bytes(&bytes), Some(run));
        assert_eq!(EvaluationRun::from_bytes(&bytes[1..]), None);
        assert_eq!(EvaluationRun::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let mut entry = crate::Entry::new(1, 1, crate::Op::RecordEvaluation, crate::Outcome::Ok);
        entry.reference = Some(bytes.to_vec().into());
        let mut encoded = Vec::new();
        entry.encode_into(&mut encoded).unwrap();
        assert_eq!(crate::Entry::decode(&encoded).unwrap().reference.as_deref(), Some(&bytes[..]));
    }
}
