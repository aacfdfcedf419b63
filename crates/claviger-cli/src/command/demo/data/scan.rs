//! Pictures as a scanner makes them: 16-bit greyscale (Netpbm PGM, `P5`), an outline with organs in it, and noise.

use std::io::{self, Write};

use super::random::Dice;

/// Pixels on each side.
const SIDE: u32 = 1024;

/// Bytes of one picture, near enough to plan with.
pub(super) const BYTES: u64 = 2 * 1024 * 1024;

/// An ellipse: where, how wide and high, how bright.
struct Ellipse {
    x: i64,
    y: i64,
    half_width: i64,
    half_height: i64,
    brightness: u16,
}

impl Ellipse {
    fn organ(dice: &mut Dice) -> Self {
        Self {
            x: i64::from(dice.between(300, 724)),
            y: i64::from(dice.between(300, 724)),
            half_width: i64::from(dice.between(30, 140)),
            half_height: i64::from(dice.between(30, 140)),
            brightness: u16::try_from(dice.between(9_000, 30_000)).unwrap_or(9_000),
        }
    }

    fn covers(&self, x: i64, y: i64) -> bool {
        let (dx, dy) = ((x - self.x) * self.half_height, (y - self.y) * self.half_width);
        let edge = self.half_width * self.half_height;
        dx * dx + dy * dy <= edge * edge
    }
}

/// One picture.
pub(super) fn write_scan(out: &mut impl Write, dice: &mut Dice) -> io::Result<()> {
    let body = Ellipse { x: 512, y: 512, half_width: 430, half_height: 480, brightness: 6_000 };
    let organs: Vec<_> = (0..6).map(|_| Ellipse::organ(dice)).collect();
    write!(out, "P5\n{SIDE} {SIDE}\n65535\n")?;
    let mut row = Vec::with_capacity(2048);
    for y in 0..i64::from(SIDE) {
        row.clear();
        for x in 0..i64::from(SIDE) {
            let lit = |part: &&Ellipse| part.covers(x, y);
            let inside: u16 =
                organs.iter().filter(lit).fold(0, |sum, organ| sum.saturating_add(organ.brightness));
            let tissue = if body.covers(x, y) { body.brightness.saturating_add(inside) } else { 0 };
            let noise = u16::try_from(dice.below(512)).unwrap_or(0);
            row.extend_from_slice(&tissue.saturating_add(noise).to_be_bytes());
        }
        out.write_all(&row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_is_complete_and_not_flat() {
        let mut out = Vec::new();
        write_scan(&mut out, &mut Dice::for_file("scan")).unwrap();
        let pixels = out.strip_prefix(b"P5\n1024 1024\n65535\n").unwrap();
        assert_eq!(pixels.len() as u64, BYTES);
        let corner = u16::from_be_bytes([pixels[0], pixels[1]]);
        let middle = pixels.len() / 2 + 1024;
        let centre = u16::from_be_bytes([pixels[middle], pixels[middle + 1]]);
        assert!(corner < 512 && centre >= 6_000, "{corner} {centre}");
    }
}
