//! SHAKE128 (FIPS 202), which the module does not offer: the XAES accumulator vectors are drawn from it.

const ROTATIONS: [u32; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const LANES: [usize; 24] =
    [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];
const RATE: usize = 168;

/// An endless stream of output, or a growing input, of SHAKE128.
pub(crate) struct Shake128 {
    state: [u64; 25],
    offset: usize,
    squeezing: bool,
}

impl Shake128 {
    pub(crate) fn new() -> Self {
        Self { state: [0; 25], offset: 0, squeezing: false }
    }

    fn xor(&mut self, position: usize, byte: u8) {
        self.state[position / 8] ^= u64::from(byte) << (8 * (position % 8));
    }

    pub(crate) fn absorb(&mut self, data: &[u8]) {
        assert!(!self.squeezing, "absorb comes before squeeze");
        for byte in data {
            self.xor(self.offset, *byte);
            self.offset += 1;
            if self.offset == RATE {
                permute(&mut self.state);
                self.offset = 0;
            }
        }
    }

    pub(crate) fn squeeze(&mut self, out: &mut [u8]) {
        if !self.squeezing {
            self.xor(self.offset, 0x1f);
            self.xor(RATE - 1, 0x80);
            permute(&mut self.state);
            self.offset = 0;
            self.squeezing = true;
        }
        for byte in out {
            if self.offset == RATE {
                permute(&mut self.state);
                self.offset = 0;
            }
            *byte = self.state[self.offset / 8].to_le_bytes()[self.offset % 8];
            self.offset += 1;
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.squeeze(&mut out);
        out
    }
}

fn permute(state: &mut [u64; 25]) {
    // The round constants come from the LFSR of FIPS 202, algorithm 5.
    let mut lfsr = 1_u8;
    for _ in 0..24 {
        let mut columns = [0; 5];
        for x in 0..5 {
            columns[x] = (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]);
        }
        for x in 0..5 {
            let mix = columns[(x + 4) % 5] ^ columns[(x + 1) % 5].rotate_left(1);
            for y in 0..5 {
                state[x + 5 * y] ^= mix;
            }
        }
        let mut last = state[1];
        for (lane, rotation) in LANES.into_iter().zip(ROTATIONS) {
            let next = state[lane];
            state[lane] = last.rotate_left(rotation);
            last = next;
        }
        for y in 0..5 {
            let row: [u64; 5] = core::array::from_fn(|x| state[5 * y + x]);
            for x in 0..5 {
                state[5 * y + x] = row[x] ^ (!row[(x + 1) % 5] & row[(x + 2) % 5]);
            }
        }
        for j in 0..7 {
            if lfsr & 1 == 1 {
                state[0] ^= 1 << ((1 << j) - 1);
            }
            lfsr = (lfsr << 1) ^ (if lfsr & 0x80 != 0 { 0x71 } else { 0 });
        }
    }
}

#[test]
fn shake128_of_nothing() {
    assert_eq!(
        hex::encode(Shake128::new().bytes(32)),
        "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
    );
}

#[test]
fn output_longer_than_the_rate_goes_on() {
    let mut whole = Shake128::new();
    whole.absorb(&[0xa3; 200]);
    let mut pieces = Shake128::new();
    pieces.absorb(&[0xa3; 100]);
    pieces.absorb(&[0xa3; 100]);
    let whole = whole.bytes(400);
    assert_eq!(whole, [pieces.bytes(170), pieces.bytes(230)].concat());
    // FIPS 202 sample, SHAKE128 of 1600 bits.
    assert!(
        hex::encode(&whole).starts_with("131ab8d2b594946b9c81333f9bb6e0ce75c3b93104fa3469d3917457385da037")
    );
}
