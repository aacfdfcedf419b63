//! The fixed words of the report, and how texts are put into it.

use claviger_compliance::control::Area;
use claviger_compliance::{Coverage, Verdict};

/// A result as a mark: a word with a symbol and a border of its own, so that none depends on colour. It is HTML, of fixed words alone.
pub(super) const fn badge(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => r#"<span class="r fail"><i aria-hidden="true">&#215;</i>FAIL</span>"#,
        Verdict::Indeterminate => {
            r#"<span class="r unknown"><i aria-hidden="true">?</i>INDETERMINATE</span>"#
        }
        Verdict::NeedsAttestation => {
            r#"<span class="r needs"><i aria-hidden="true">&#9675;</i>NEEDS_ATTESTATION</span>"#
        }
        Verdict::Pass => r#"<span class="r pass"><i aria-hidden="true">&#10003;</i>PASS</span>"#,
        Verdict::NotApplicable => {
            r#"<span class="r none"><i aria-hidden="true">&#8211;</i>NOT_APPLICABLE</span>"#
        }
    }
}

/// The class by which a result is drawn.
pub(super) const fn style(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "fail",
        Verdict::Indeterminate => "unknown",
        Verdict::NeedsAttestation => "needs",
        Verdict::Pass => "pass",
        Verdict::NotApplicable => "none",
    }
}

/// What a result means.
pub(super) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => {
            "At least one subject in scope violated the control, at the instant or at some time in the period. A violation that was mended \
             within the period still reads FAIL in the result of the period."
        }
        Verdict::Indeterminate => {
            "A fact that decides is missing or cannot be trusted. It never counts as satisfied: the burden of proof lies with whoever \
             holds the keys."
        }
        Verdict::NeedsAttestation => {
            "The part that a machine decides holds, and a signed statement of a person is missing."
        }
        Verdict::Pass => {
            "Every subject in scope met the control, at the instant or over the whole period, and every fact that decides is there."
        }
        Verdict::NotApplicable => {
            "Nothing is in scope. That is computed and never chosen; it is counted apart from what is satisfied."
        }
    }
}

/// What a result means, in a few words.
pub(super) const fn short(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "something violated it",
        Verdict::Indeterminate => "a fact that decides is missing",
        Verdict::NeedsAttestation => "a signed statement is missing",
        Verdict::Pass => "it holds",
        Verdict::NotApplicable => "nothing is in scope",
    }
}

/// How far controls answer a clause.
pub(super) const fn coverage(coverage: Coverage) -> &'static str {
    match coverage {
        Coverage::Full => "decided by machine, for the keys and the log of this system",
        Coverage::Mixed => "decided by machine together with signed statements",
        Coverage::Attested => "decided by signed statements; the system collects, binds and expires them",
        Coverage::Supports => "evidence only; the larger part lies with the entity",
        Coverage::Outside => "all of it lies with the entity",
    }
}

/// The name of an area.
pub(super) const fn area(area: Area) -> &'static str {
    match area {
        Area::Generation => "Generation",
        Area::Distribution => "Distribution",
        Area::Storage => "Storage",
        Area::Use => "Use",
        Area::Rotation => "Rotation and cryptoperiods",
        Area::Revocation => "Revocation and compromise",
        Area::Destruction => "Retirement and destruction",
        Area::Audit => "Audit trail",
        Area::Governance => "Governance",
    }
}

/// A text as part of an anchor: letters, digits, hyphens and underscores.
pub(super) fn anchor(text: &str) -> String {
    text.chars().map(|one| if one.is_ascii_alphanumeric() || one == '_' { one } else { '-' }).collect()
}

/// A number of things.
pub(super) fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

/// `1 key`, `2 keys`.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A piece of a text: words, or what stands between backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The text.
    pub(super) text: String,
    /// Did it stand between backticks?
    pub(super) is_code: bool,
}

/// A text in pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    let pieces = parts.map(|(place, part)| Piece { text: part.to_owned(), is_code: place % 2 == 1 });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        let piece = |text: &str, is_code| Piece { text: text.to_owned(), is_code };
        assert_eq!(pieces("`a` of b, `c`"), [piece("a", true), piece(" of b, ", false), piece("c", true)]);
        assert_eq!(pieces("plain"), [piece("plain", false)]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn results_differ_in_word_and_in_border() {
        for one in Verdict::ALL {
            assert!(badge(one).contains(&format!("</i>{one}</span>")), "{one}");
            assert!(badge(one).contains(&format!("\"r {}\"", style(one))), "{one}");
            let mut others = Verdict::ALL.into_iter().filter(|other| *other != one);
            assert!(others.all(|other| style(other) != style(one)), "{one}");
        }
    }

    #[test]
    fn an_anchor_has_no_character_that_an_address_would_change() {
        assert_eq!(anchor("entries_of a<b>"), "entries_of-a-b-");
    }
}
