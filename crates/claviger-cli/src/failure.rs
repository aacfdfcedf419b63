//! How a command ends when it does not end well: an exit code, a message, and what to do next.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use claviger_core::ApprovalId;
use serde::Serialize;

use crate::hints::{Call, hint};

/// The exit codes of the command line. They are stable: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Refused by the service, or failed.
    Failed = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// Others must approve it first: it was asked for, and not done.
    Pending = 3,
    /// Something that was checked does not hold.
    Unverified = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Pending => Self::from(3),
            Exit::Unverified => Self::from(4),
        }
    }
}

/// Why a command did not do what it was asked to. Its JSON is a problem document (RFC 9457) with three members more: `advice`, `entry`, the
/// index in the audit log of the entry that records the refusal, and `approval`, the identifier of the approval that it waits for.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    #[serde(skip)]
    exit: Exit,
    #[serde(flatten)]
    report: Box<Report>,
}

#[derive(Debug, Clone, Serialize)]
struct Report {
    title: &'static str,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
}

impl Failure {
    fn new(exit: Exit, title: &'static str, code: &str, detail: impl Into<String>) -> Self {
        let (code, detail) = (code.to_owned(), detail.into());
        let (status, entry, approval, advice) = (None, None, None, None);
        let report = Report { title, code, status, detail, entry, approval, advice, findings: Vec::new() };
        Self { exit, report: Box::new(report) }
    }

    /// The command line is wrong.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "wrong command line", "usage", detail)
    }

    /// Something on this side failed.
    pub(crate) fn failed(detail: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", "failed", detail)
    }

    /// A file could not be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, "failed", "file", format!("`{}`: {error}", path.display()))
    }

    /// Something on this side is larger than what the deployment takes.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", "too-large", detail)
    }

    /// What was checked does not hold.
    pub(crate) fn unverified(detail: impl Into<String>) -> Self {
        Self::new(Exit::Unverified, "verification failed", "unverified", detail)
    }

    /// The service refused, with this stable code and HTTP status.
    pub(crate) fn refused(code: &str, status: u16, detail: impl Into<String>) -> Self {
        let mut failure = Self::new(Exit::Failed, "refused", code, detail);
        failure.report.status = Some(status);
        failure
    }

    /// It was asked for, and others must approve it before it is done.
    pub(crate) fn pending(code: &str, status: u16, detail: impl Into<String>, approval: ApprovalId) -> Self {
        let mut failure = Self::new(Exit::Pending, "approval pending", code, detail).of_approval(approval);
        failure.report.status = Some(status);
        failure.advise(format!(
            "others look at it and approve it: `claviger approval approve {approval}`; then `claviger approval execute {approval}` does it"
        ))
    }

    /// The same, with the approval that it is about.
    pub(crate) fn of_approval(mut self, approval: ApprovalId) -> Self {
        self.report.approval = Some(approval.to_string());
        self
    }

    /// The same, with a word on what to do next.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.report.advice = Some(advice.into());
        self
    }

    /// The same, with a word on what to do next where it has none.
    pub(crate) fn advise_if_none(self, advice: impl Into<String>) -> Self {
        if self.report.advice.is_none() { self.advise(advice) } else { self }
    }

    /// The same, with the hint for its code where it has no word of its own on what to do next.
    pub(crate) fn hinted(self, call: Call) -> Self {
        match hint(call, self.code()) {
            Some(hint) => self.advise_if_none(hint),
            None => self,
        }
    }

    /// The same, with the log entry that records it.
    pub(crate) fn at_entry(mut self, entry: Option<u64>) -> Self {
        self.report.entry = entry;
        self
    }

    /// The same, with the single things that do not hold.
    pub(crate) fn with_findings(mut self, findings: Vec<String>) -> Self {
        self.report.findings = findings;
        self
    }

    /// The same, after the words that say what was being done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.report.detail = format!("{what}: {}", self.report.detail);
        self
    }

    /// With which code the process ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.report.code
    }

    /// The approval that it waits for, or that it is about.
    #[must_use]
    pub fn approval(&self) -> Option<&str> {
        self.report.approval.as_deref()
    }

    /// The same, where nothing but that stands in the way.
    pub(crate) fn pending_approval(&self) -> Option<&str> {
        self.approval().filter(|_| self.exit == Exit::Pending)
    }

    /// The HTTP status, when the service refused.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.report.status
    }
}

/// The text for people: message, findings, approval, log entry, what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.report.title, self.report.detail)?;
        if self.exit == Exit::Failed && self.report.status.is_some() {
            write!(f, " ({})", self.report.code)?;
        }
        for finding in &self.report.findings {
            write!(f, "\n  - {finding}")?;
        }
        if let Some(approval) = &self.report.approval {
            write!(f, "\n  approval: {approval}")?;
        }
        if let Some(entry) = self.report.entry {
            write!(f, "\n  recorded in entry {entry} of the audit log")?;
        }
        if let Some(advice) = &self.report.advice {
            write!(f, "\n  next: {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_what_happened_where_it_is_recorded_and_what_to_do() {
        let failure = Failure::refused("denied", 403, "no grant allows this")
            .at_entry(Some(7))
            .advise("ask for a grant");
        assert_eq!(
            failure.to_string(),
            "refused: no grant allows this (denied)\n  recorded in entry 7 of the audit log\n  next: ask for a grant"
        );
        assert_eq!(failure.exit(), Exit::Failed);
    }

    #[test]
    fn what_waits_for_others_names_its_approval_and_the_next_command() {
        let id = ApprovalId::from_bytes([1; 16]);
        let failure =
            Failure::pending("approval-required", 403, "2 others must approve", id).at_entry(Some(7));
        let text = failure.to_string();
        assert!(text.starts_with("approval pending: 2 others must approve\n"), "{text}");
        assert!(text.lines().any(|line| line == format!("  approval: {id}")), "{text}");
        assert!(text.contains(&format!("claviger approval approve {id}")), "{text}");
        assert_eq!(failure.exit(), Exit::Pending);
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!((&json["code"], &json["approval"]), (&"approval-required".into(), &id.to_string().into()));
    }

    #[test]
    fn json_is_a_problem_document_without_empty_members() {
        let json = serde_json::to_value(Failure::refused("denied", 403, "no")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"title": "refused", "code": "denied", "status": 403, "detail": "no"})
        );
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes = [Exit::Failed, Exit::Usage, Exit::Pending, Exit::Unverified].map(|exit| exit as u8);
        assert_eq!(codes, [1, 2, 3, 4]);
        assert_eq!(Failure::usage("x").exit(), Exit::Usage);
        assert_eq!(
            Failure::unverified("x").with_findings(vec!["a".into()]).to_string(),
            "verification failed: x\n  - a"
        );
    }
}
