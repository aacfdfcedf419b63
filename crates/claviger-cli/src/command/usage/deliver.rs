//! What a use gives, handed to the caller in the form asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_client::Answer;
use claviger_crypto::SecretBytes;
use serde_json::{Map, Value};

use super::OutputArgs;
use crate::failure::Failure;
use crate::file::placed::Privacy;
use crate::output::{Format, Released, note, release, stdout_is_terminal, warn};

/// Key, version and log entry of a use, with what else there is to say of it.
#[derive(Debug, Default)]
pub(super) struct Summary {
    members: Map<String, Value>,
    /// What the caller called the key.
    called: Option<String>,
}

impl Summary {
    /// What the answer of a use says beside its bytes.
    pub(super) fn of<T>(answer: &Answer<T>, key: impl ToString, version: Option<u32>) -> Self {
        let summary = Self::default().with("key", key.to_string()).maybe("version", version);
        summary.maybe("entry", answer.entry).maybe("receipt", answer.receipt.clone())
    }

    /// For people, the key is what they called it.
    pub(super) fn called(self, name: Option<&str>) -> Self {
        Self { called: name.map(str::to_owned), ..self }
    }

    /// One member more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn maybe<V: Into<Value>>(self, name: &str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The members as one document.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }

    /// In one line for people.
    pub(super) fn line(&self) -> String {
        let text = |name: &str| {
            self.members.get(name).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        let version = text("version").map_or_else(String::new, |version| format!(" version {version}"));
        let entry = text("entry").map_or_else(String::new, |entry| format!(", log entry {entry}"));
        let key = self.called.clone().or_else(|| text("key")).unwrap_or_default();
        format!("key {key}{version}{entry}")
    }
}

/// Bytes that a use gave.
pub(super) struct Produced<'a> {
    /// Their name as a member of a document.
    pub(super) member: &'a str,
    /// What they are, in words.
    pub(super) what: &'a str,
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// Who may see them.
    pub(super) privacy: Privacy,
}

impl Produced<'_> {
    /// To the file, or to stdout; programs get a document, in which the bytes are only when no file takes them.
    ///
    /// # Errors
    /// When file or stdout cannot be written.
    pub(super) fn deliver(&self, format: Format, to: &OutputArgs, summary: Summary) -> Result<(), Failure> {
        if !format.is_for_programs() {
            let summary = summary.line();
            self.write(to)?;
            if let Some(out) = &to.out {
                note(&format!("{} in `{}`: {summary}", self.what, out.display()));
            }
            return Ok(());
        }
        let document = self.to_document(to, summary)?;
        format.print(&document.into_value(), Value::to_string)
    }

    /// Writes the file if there is one, and adds to `summary` where the bytes are.
    pub(super) fn to_document(&self, to: &OutputArgs, summary: Summary) -> Result<Summary, Failure> {
        let Some(path) = &to.out else {
            if self.privacy == Privacy::Owner && stdout_is_terminal() {
                warn(&format!(
                    "{} is shown on the terminal; name a file to keep it off the screen",
                    self.what
                ));
            }
            return Ok(summary.with(self.member, STANDARD.encode(self.bytes)));
        };
        self.write(to)?;
        Ok(summary
            .with(&format!("{}_file", self.member), path.display().to_string())
            .with("bytes", self.bytes.len()))
    }

    /// The bytes themselves.
    pub(super) fn write(&self, to: &OutputArgs) -> Result<(), Failure> {
        let out = to.out.as_deref().map(|out| (out, to.force.existing()));
        release(Released { bytes: self.bytes, privacy: self.privacy, what: self.what }, out, to.encoding)
    }
}

/// Hands a secret over.
pub(super) fn secret(
    (member, what): (&str, &str),
    bytes: SecretBytes,
    format: Format,
    to: &OutputArgs,
    summary: Summary,
) -> Result<(), Failure> {
    let body = bytes.into_body();
    Produced { member, what, bytes: body.as_ref(), privacy: Privacy::Owner }.deliver(format, to, summary)
}

/// Hands over what is no secret.
pub(super) fn public(
    (member, what): (&str, &str),
    bytes: &[u8],
    format: Format,
    to: &OutputArgs,
    summary: Summary,
) -> Result<(), Failure> {
    Produced { member, what, bytes, privacy: Privacy::Others }.deliver(format, to, summary)
}

/// Says whether a signature or code is right, and fails with exit code 4 when it is not.
pub(super) fn verdict(what: &str, valid: bool, format: Format, summary: Summary) -> Result<(), Failure> {
    let line = summary.line();
    if valid {
        return format
            .print(&summary.with("valid", true).into_value(), |_| format!("{what} is right: {line}"));
    }
    Err(Failure::unverified(format!("{what} is wrong: {line}"))
        .advise("check message, key and version; a message that was changed in any byte does not verify"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::file::placed::ForceArgs;
    use crate::output::Encoding;

    fn summary() -> Summary {
        let answer = Answer { value: (), entry: Some(12), receipt: None };
        Summary::of(&answer, "k", Some(3))
    }

    #[test]
    fn document_holds_the_bytes_or_their_file_but_not_both() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        let produced =
            Produced { member: "signature", what: "signature", bytes: b"abc", privacy: Privacy::Others };
        let to = |out, encoding| OutputArgs { out, encoding, force: ForceArgs::default() };
        let inline = produced.to_document(&to(None, None), summary()).unwrap().into_value();
        assert_eq!(inline, json!({"key": "k", "version": 3, "entry": 12, "signature": "YWJj"}));
        let filed = to(Some(file.clone()), Some(Encoding::Hex));
        let filed = produced.to_document(&filed, summary()).unwrap().into_value();
        assert_eq!(filed.get("signature"), None);
        assert_eq!(filed["bytes"], 3);
        assert_eq!(std::fs::read(&file).unwrap(), b"616263");
    }

    #[test]
    fn wrong_signature_is_exit_code_four() {
        let failure = verdict("the signature", false, Format::Json, summary()).unwrap_err();
        assert_eq!(failure.exit(), crate::failure::Exit::Unverified);
        assert_eq!(summary().line(), "key k version 3, log entry 12");
        assert_eq!(summary().called(Some("orders/main")).line(), "key orders/main version 3, log entry 12");
    }
}
