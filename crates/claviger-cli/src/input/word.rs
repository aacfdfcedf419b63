//! Words of closed lists: help shows them, completions complete them, and what is none of them is refused with the list.

use std::error::Error;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// One of these words. One with `_` is understood with `-` too.
pub(crate) fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>> + 'static> + Clone + Send + Sync + 'static,
{
    let values = words.into_iter().map(|word| PossibleValue::new(word).alias(word.replace('_', "-")));
    PossibleValuesParser::new(values).try_map(|word| {
        // As it is, for words that have a `-` of their own.
        word.parse::<T>().or_else(|_| word.replace('-', "_").parse())
    })
}

#[cfg(test)]
mod tests {
    use claviger_core::key::{DataClass, Protection};
    use claviger_core::{Purpose, Spec};

    use super::*;

    fn read<T>(words: impl IntoIterator<Item = &'static str>, text: &str) -> Result<T, String>
    where
        T: FromStr<Err: Into<Box<dyn Error + Send + Sync>> + 'static> + Clone + Send + Sync + 'static,
    {
        let line = clap::Command::new("x").arg(clap::Arg::new("word").value_parser(one_of::<T>(words)));
        let mut matches = line.try_get_matches_from(["x", text]).map_err(|error| error.to_string())?;
        matches.remove_one("word").ok_or_else(|| "no word".to_owned())
    }

    #[test]
    fn words_are_those_of_the_list_in_either_spelling() {
        for class in ["personal_special", "personal-special"] {
            assert_eq!(read(DataClass::ALL.map(|word| word.name()), class), Ok(DataClass::PersonalSpecial));
        }
        assert_eq!(read(Spec::ALL.map(Spec::name), "aes-256-gcm"), Ok(Spec::Aes256Gcm));
        assert_eq!(read(Purpose::ALL.map(Purpose::name), "wrap"), Ok(Purpose::Wrap));
        let refused = read::<Protection>(Protection::ALL.map(|word| word.name()), "vault").unwrap_err();
        assert!(refused.contains("hsm") && refused.contains("software"), "{refused}");
    }
}
