//! Reads requests, and says everything that is wrong with one at once, in the words of AWS.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use super::{Blob, Pairs, grant_token};
use crate::error::{AwsError, code};

/// The input of an operation.
///
/// # Errors
/// `SerializationException` for what is no JSON object, or has a member of another type.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    // Some clients send nothing where there is nothing to say.
    let body = if body.is_empty() { b"{}" } else { body };
    // A list of members without their names would be read too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(AwsError::new(code::SERIALIZATION, "the request is no JSON object"));
    }
    // As text: what stands in members that nobody asks for is to be text too.
    let body = std::str::from_utf8(body)
        .map_err(|_| AwsError::new(code::SERIALIZATION, "the request is not in UTF-8"))?;
    serde_json::from_str(body).map_err(|error| {
        // Where, not what: the text may be a secret.
        let place = format!("line {}, column {}", error.line(), error.column());
        AwsError::new(code::SERIALIZATION, format!("the request cannot be read at {place}"))
    })
}

/// Longest value that is repeated to the caller, in bytes.
const SHOWN: usize = 512;

/// What of a request breaks the constraints of the service model.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    fn add(&mut self, value: Option<&str>, member: &str, constraint: &str) {
        let value = match value {
            Some(value) if value.len() <= SHOWN => format!("Value '{value}'"),
            Some(_) | None => "Value".to_owned(),
        };
        self.0.push(format!("{value} at '{member}' failed to satisfy constraint: Member must {constraint}"));
    }

    /// A member that must be there; a default when it is not, which is never used, since [`Violations::done`] comes first.
    pub(crate) fn required<T: Default>(&mut self, member: &str, value: Option<T>) -> T {
        if value.is_none() {
            self.0.push(format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value.unwrap_or_default()
    }

    /// Text within a length.
    pub(crate) fn text(&mut self, member: &str, value: &str, length: RangeInclusive<usize>) {
        let characters = value.chars().count();
        if characters > *length.end() {
            let constraint = format!("have length less than or equal to {}", length.end());
            self.add(Some(value), member, &constraint);
        } else if characters < *length.start() {
            let constraint = format!("have length greater than or equal to {}", length.start());
            self.add(Some(value), member, &constraint);
        }
    }

    /// Text of certain characters only.
    pub(crate) fn pattern(&mut self, member: &str, value: &str, pattern: &str, fits: impl Fn(char) -> bool) {
        if value.is_empty() || !value.chars().all(fits) {
            let constraint = format!("satisfy regular expression pattern: {pattern}");
            self.add(Some(value), member, &constraint);
        }
    }

    /// One of a set of words.
    pub(crate) fn word<'a>(
        &mut self,
        member: &str,
        value: &str,
        words: impl IntoIterator<Item = &'a str> + Clone,
    ) {
        if words.clone().into_iter().all(|word| word != value) {
            let words: Vec<_> = words.into_iter().collect();
            let constraint = format!("satisfy enum value set: [{}]", words.join(", "));
            self.add(Some(value), member, &constraint);
        }
    }

    /// Bytes within a length. They are not repeated.
    pub(crate) fn blob(&mut self, member: &str, value: &Blob, length: RangeInclusive<usize>) {
        if value.len() > *length.end() {
            let constraint = format!("have length less than or equal to {}", length.end());
            self.add(None, member, &constraint);
        } else if value.len() < *length.start() {
            let constraint = format!("have length greater than or equal to {}", length.start());
            self.add(None, member, &constraint);
        }
    }

    /// A number within bounds; the least one when it is not.
    pub(crate) fn number(&mut self, member: &str, value: i64, bounds: RangeInclusive<u32>) -> u32 {
        let text = value.to_string();
        if value > i64::from(*bounds.end()) {
            let constraint = format!("have value less than or equal to {}", bounds.end());
            self.add(Some(&text), member, &constraint);
        } else if value < i64::from(*bounds.start()) {
            let constraint = format!("have value greater than or equal to {}", bounds.start());
            self.add(Some(&text), member, &constraint);
        }
        u32::try_from(value).unwrap_or(*bounds.start()).clamp(*bounds.start(), *bounds.end())
    }

    /// A `KeyId` that must be there.
    pub(crate) fn key_id(&mut self, value: Option<String>) -> String {
        self.key_id_at("keyId", value)
    }

    /// A `KeyId` under another name, that must be there.
    pub(crate) fn key_id_at(&mut self, member: &str, value: Option<String>) -> String {
        let given = value.is_some();
        let value = self.required(member, value);
        if given {
            self.text(member, &value, 1..=2048);
        }
        value
    }

    /// Bytes that must be there, within a length.
    pub(crate) fn required_blob(
        &mut self,
        member: &str,
        value: Option<Blob>,
        length: RangeInclusive<usize>,
    ) -> Blob {
        let given = value.is_some();
        let value = self.required(member, value);
        if given {
            self.blob(member, &value, length);
        }
        value
    }

    /// A word that must be there.
    pub(crate) fn required_word<'a>(
        &mut self,
        member: &str,
        value: Option<String>,
        words: impl IntoIterator<Item = &'a str> + Clone,
    ) -> String {
        let given = value.is_some();
        let value = self.required(member, value);
        if given {
            self.word(member, &value, words);
        }
        value
    }

    /// `Limit`: 1 to 1000, or what the operation gives when it is not said.
    pub(crate) fn limit(&mut self, value: Option<i64>, default: u32) -> u32 {
        value.map_or(default, |value| self.number("limit", value, 1..=1000))
    }

    /// `Marker`, where it is said.
    pub(crate) fn marker(&mut self, value: Option<&str>) {
        if let Some(value) = value {
            self.text("marker", value, 1..=1024);
            if !value.is_empty() {
                let fits = |c: char| ('\u{20}'..='\u{ff}').contains(&c);
                self.pattern("marker", value, "[\\u0020-\\u00FF]*", fits);
            }
        }
    }

    /// The ARN or name of a principal, where it is said.
    pub(crate) fn principal(&mut self, member: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(member, value, 1..=256);
            let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
            self.pattern(member, value, "^[\\w+=,.@:/-]+$", fits);
        }
    }

    /// The name of a service of AWS, where it is said.
    pub(crate) fn service_principal(&mut self, member: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.text(member, value, 1..=128);
        let part =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let is_service = value.contains('.') && value.split('.').all(part);
        if !is_service {
            let pattern = "^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$";
            self.pattern(member, value, pattern, |_| false);
        }
    }

    /// Refuses, if there is anything to refuse.
    ///
    /// # Errors
    /// `ValidationException` with all of them.
    pub(crate) fn done(self) -> Result<(), AwsError> {
        let Self(found) = self;
        if found.is_empty() {
            return Ok(());
        }
        let errors = if found.len() == 1 { "error" } else { "errors" };
        let message = format!("{} validation {errors} detected: {}", found.len(), found.join("; "));
        Err(AwsError::validation(message))
    }
}

/// Refuses what only an enclave of AWS can take.
///
/// # Errors
/// `UnsupportedOperationException` when there is a recipient.
pub(crate) fn no_recipient(recipient: Option<&serde_json::Value>) -> Result<(), AwsError> {
    match recipient {
        None => Ok(()),
        Some(_) => Err(AwsError::unsupported(
            "Recipient names an enclave of AWS Nitro, whose attestation is not verified here",
        )),
    }
}

/// Checks `GrantTokens`: grants count at once here, so that tokens have nothing to do; what is none is refused all the same.
///
/// # Errors
/// `InvalidGrantTokenException` for a token that no grant has.
pub(crate) fn grant_tokens(
    tokens: Option<&Vec<String>>,
    violations: &mut Violations,
) -> Result<(), AwsError> {
    let tokens = tokens.map(Vec::as_slice).unwrap_or_default();
    if tokens.len() > 10 {
        violations.0.push(
            "Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10"
                .to_owned(),
        );
    }
    match tokens.iter().find(|token| grant_token::read(token).is_none()) {
        None => Ok(()),
        Some(_) => {
            Err(AwsError::new(code::INVALID_GRANT_TOKEN, "a grant token is not one that a grant gave"))
        }
    }
}

/// `EncryptionContext`, where one was said.
pub(crate) fn context(pairs: Option<&Pairs>) -> Result<claviger_crypto::envelope::Context, AwsError> {
    pairs.map_or(Ok(claviger_crypto::envelope::Context::EMPTY), Pairs::to_context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_said_at_once_in_the_words_of_the_model() {
        let mut violations = Violations::default();
        violations.text("tags.1.member.tagKey", &"a".repeat(129), 1..=128);
        let message = violations.done().unwrap_err().message().to_owned();
        let expected = format!(
            "1 validation error detected: Value '{}' at 'tags.1.member.tagKey' failed to satisfy constraint: \
             Member must have length less than or equal to 128",
            "a".repeat(129)
        );
        assert_eq!(message, expected);
        let mut violations = Violations::default();
        assert_eq!(violations.key_id(None), "");
        violations.word("keySpec", "AES", ["AES_256", "AES_128"]);
        assert_eq!(violations.number("numberOfBytes", 0, 1..=1024), 1);
        let message = violations.done().unwrap_err().message().to_owned();
        assert!(message.starts_with("3 validation errors detected: Value null at 'keyId'"), "{message}");
        assert!(message.contains("satisfy enum value set: [AES_256, AES_128]"), "{message}");
        assert!(message.contains("'0' at 'numberOfBytes'"), "{message}");
    }

    #[test]
    fn bytes_are_never_repeated() {
        let mut violations = Violations::default();
        let secret: Blob = serde_json::from_str("\"c2VjcmV0\"").unwrap();
        violations.blob("plaintext", &secret, 1..=3);
        let message = violations.done().unwrap_err().message().to_owned();
        assert!(!message.contains("secret") && !message.contains("c2VjcmV0"), "{message}");
        let error = parse::<Blob>(b"\"c2VjcmV0!\"").unwrap_err();
        assert!(!error.message().contains("c2V"), "{}", error.message());
    }
}
