//! Reads licence expressions (SPDX, annex D), with the `/` of old manifests, and asks whether a set of licences
//! satisfies them.
//!
//! Whatever cannot be read satisfies nothing: an odd expression is a question to a person, not a pass.

use std::collections::BTreeSet;

/// The expression as SPDX writes it today: `/` is an old word for `OR`.
pub(crate) fn normal(expression: &str) -> String {
    tokens(expression).join(" ").replace("( ", "(").replace(" )", ")")
}

/// Whether the allowed licences alone suffice to use what carries the expression.
pub(crate) fn is_satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let tokens = tokens(expression);
    let mut reader = Reader { tokens: &tokens, allowed };
    reader.any().is_some_and(|satisfied| satisfied && reader.tokens.is_empty())
}

fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// Reads from the left. `None` means that the expression is none.
struct Reader<'a> {
    tokens: &'a [String],
    allowed: &'a BTreeSet<String>,
}

impl Reader<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut satisfied = self.all()?;
        while self.take("OR") {
            satisfied |= self.all()?;
        }
        Some(satisfied)
    }

    fn all(&mut self) -> Option<bool> {
        let mut satisfied = self.one()?;
        while self.take("AND") {
            satisfied &= self.one()?;
        }
        Some(satisfied)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let satisfied = self.any()?;
            return self.take(")").then_some(satisfied);
        }
        let mut license = self.word()?;
        if self.take("WITH") {
            license = format!("{license} WITH {}", self.word()?);
        }
        Some(self.allowed.contains(&license))
    }

    fn word(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        if ["AND", "OR", "WITH", "(", ")"].contains(&first.as_str()) {
            return None;
        }
        self.tokens = rest;
        Some(first.clone())
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(expression: &str) -> bool {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        is_satisfied(expression, &allowed.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn and_binds_tighter_than_or_and_brackets_bind_tightest() {
        for passing in ["MIT", "MIT/Unlicense", "GPL-3.0 OR MIT", "MIT AND ISC", "GPL-3.0 AND ISC OR MIT"] {
            assert!(passes(passing), "{passing}");
        }
        for failing in ["GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR Zlib)", "Apache-2.0"] {
            assert!(!passes(failing), "{failing}");
        }
        assert!(passes("Apache-2.0 WITH LLVM-exception OR Apache-2.0"));
    }

    #[test]
    fn what_is_no_expression_satisfies_nothing() {
        for odd in ["", "MIT MIT", "MIT OR", "(MIT", "MIT)", "OR MIT", "MIT WITH", "AND", "mit"] {
            assert!(!passes(odd), "{odd}");
        }
    }

    #[test]
    fn the_old_stroke_becomes_an_or() {
        assert_eq!(normal("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(normal("(MIT OR ISC) AND Zlib"), "(MIT OR ISC) AND Zlib");
    }
}
