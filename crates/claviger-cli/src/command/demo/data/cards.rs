//! Cardholder data as a payment service keeps it: card numbers that pass the Luhn check, all of test ranges.

use std::io::{self, Write};

use super::Counted;
use super::people;
use super::random::Dice;

/// Issuer prefixes of published test numbers, with the length of the whole number.
const TEST_RANGES: &[(&str, usize)] = &[("411111", 16), ("555555", 16), ("378282", 15), ("601111", 16)];

const MERCHANTS: &[&str] = &[
    "Aurora Books",
    "Bluebird Coffee",
    "Cedar Pharmacy",
    "Delta Rail",
    "Evergreen Grocers",
    "Falcon Fuel",
    "Granite Hotel",
    "Horizon Air",
    "Iris Opticians",
    "Juniper Garden",
    "Kestrel Telecom",
    "Lagoon Cinema",
];
const CURRENCIES: &[&str] = &["EUR", "GBP", "PLN", "SEK", "USD"];

/// Cardholders, one row each, until `bytes` are written.
pub(super) fn write_cardholders(
    out: &mut Counted<impl Write>,
    bytes: u64,
    dice: &mut Dice,
) -> io::Result<()> {
    writeln!(out, "cardholder_id,name,pan,expires,address,email")?;
    let mut number = 0;
    while out.written() < bytes {
        number += 1;
        let name = people::name(dice);
        let email = people::email(&name, number);
        let (pan, address) = (pan(dice), people::address(dice));
        let (month, year) = (dice.between(1, 12), dice.between(2027, 2032));
        writeln!(out, "C{number:08},{name},{pan},{year}-{month:02},\"{address}\",{email}")?;
    }
    Ok(())
}

/// Card payments of one month of 2025, one row each, until `bytes` are written.
pub(super) fn write_transactions(
    out: &mut Counted<impl Write>,
    bytes: u64,
    month: u32,
    dice: &mut Dice,
) -> io::Result<()> {
    writeln!(out, "transaction_id,at,cardholder_id,pan,amount,currency,merchant,authorization")?;
    let mut number = 0;
    while out.written() < bytes {
        number += 1;
        let at = people::instant_of(dice, 2025, month);
        let (pan, holder) = (pan(dice), dice.between(1, 40_000));
        let (whole, cents) = (dice.below(900), dice.below(100));
        let (currency, merchant, code) = (dice.one_of(CURRENCIES), dice.one_of(MERCHANTS), dice.digits(6));
        writeln!(
            out,
            "T2025{month:02}{number:08},{at},C{holder:08},{pan},{whole}.{cents:02},{currency},{merchant},{code}"
        )?;
    }
    Ok(())
}

/// A primary account number of a test range with its check digit (ISO/IEC 7812-1, annex B).
pub(super) fn pan(dice: &mut Dice) -> String {
    let at = usize::try_from(dice.below(4)).unwrap_or(0);
    let (prefix, length) = TEST_RANGES.get(at).copied().unwrap_or(("411111", 16));
    let payload = format!("{prefix}{}", dice.digits(length - prefix.len() - 1));
    let check = (10 - luhn_sum(&payload, true) % 10) % 10;
    format!("{payload}{check}")
}

/// The sum of the Luhn formula. `double_last` says whether the last digit given is doubled: it is when the check digit
/// is still to come.
pub(super) fn luhn_sum(digits: &str, double_last: bool) -> u32 {
    let values = digits.chars().rev().filter_map(|digit| digit.to_digit(10));
    values
        .zip(0_usize..)
        .map(|(digit, at)| if (at % 2 == 0) == double_last { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_numbers_pass_the_luhn_check() {
        for known in ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"] {
            assert_eq!(luhn_sum(known, false) % 10, 0, "{known}");
        }
        assert_ne!(luhn_sum("4111111111111112", false) % 10, 0);
    }

    #[test]
    fn every_card_number_is_of_a_test_range_and_passes() {
        let mut dice = Dice::for_file("pan");
        for _ in 0..500 {
            let pan = pan(&mut dice);
            assert_eq!(luhn_sum(&pan, false) % 10, 0, "{pan}");
            assert!(
                TEST_RANGES.iter().any(|(prefix, len)| pan.starts_with(prefix) && pan.len() == *len),
                "{pan}"
            );
        }
    }
}
