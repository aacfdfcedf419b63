//! What each control comes to, and by what: a row for each that a machine decides alone, in the order of the catalogue.

use claviger_compliance::Verdict;

use Cell::{Never, Read, Waits};
use Reading::{
    Aged, Approved, Edited, Misused, NoBegin, OtherBegin, OutOfTime, Quiet, Raced, Started, WithRing, Worked,
};

/// An evaluation, of a log and as of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading {
    /// Years later: what was used too long, lay idle, was destroyed and was compromised.
    Aged,
    /// Custodians approved what was done, and the program that does it.
    Approved,
    /// The log of [`Self::Raced`], with rows that somebody edited.
    Edited,
    /// Used against what is asked.
    Misused,
    /// The log of [`Self::Worked`] without its first entries.
    NoBegin,
    /// The same with another first entry.
    OtherBegin,
    /// The server of [`Self::Worked`], while it shows a certificate whose time has not come.
    OutOfTime,
    /// A day on which nothing was recorded.
    Quiet,
    /// Without the fence: what uses depend on was taken away while they were under way. Live rows are held against the log.
    Raced,
    /// The instant of the first entry: the node has started, and is not set up.
    Started,
    /// The server of [`Self::Worked`], before it had a key.
    WithRing,
    /// A server that is configured and used as is asked, its root in software.
    Worked,
}

impl Reading {
    pub(super) const ALL: [Self; 12] = [
        Self::Aged,
        Self::Approved,
        Self::Edited,
        Self::Misused,
        Self::NoBegin,
        Self::OtherBegin,
        Self::OutOfTime,
        Self::Quiet,
        Self::Raced,
        Self::Started,
        Self::WithRing,
        Self::Worked,
    ];
}

/// How a control comes to a verdict.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    /// In that reading, for a reason with these words.
    Read(Reading, &'static str),
    /// In none: why that cannot be.
    Never(&'static str),
    /// In none yet: which facts a later release brings.
    Waits(&'static str),
}

/// The cells of a control.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) control: &'static str,
    pass: Cell,
    fail: Cell,
    not_applicable: Cell,
    indeterminate: Cell,
}

impl Row {
    /// Each with its verdict.
    pub(super) const fn cells(&self) -> [(Verdict, Cell); 4] {
        [
            (Verdict::Pass, self.pass),
            (Verdict::Fail, self.fail),
            (Verdict::NotApplicable, self.not_applicable),
            (Verdict::Indeterminate, self.indeterminate),
        ]
    }
}

/// What holds is said in a sentence of the control's own.
const WORKED: Cell = Read(Worked, "");
/// Before a node is set up, there is nothing that is asked about.
const STARTED: Cell = Read(Started, "nothing is in scope");
/// What was in the entries that are missing, nobody knows.
const NO_BEGIN: Cell = Read(NoBegin, "entries-missing");

const BACKUPS: Cell =
    Waits("backup sets with contents, expiry and keys, tests of restoring them, and approvals of restores");
const CLOCKS: Cell =
    Waits("measured offsets of clocks, the sources that they should keep to, and time stamps of others");

pub(super) const ROWS: &[Row] = &[
    Row {
        control: "GEN-01",
        pass: WORKED,
        fail: Read(Misused, "before a self-test had passed since the start"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "no node has said which construction"),
    },
    Row {
        control: "GEN-02",
        pass: WORKED,
        fail: Read(Misused, "with 112 bits"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "GEN-03",
        pass: Waits("cryptoperiods that rings set: this release does not enforce them, and so takes none"),
        fail: Read(Misused, "no period is set for which its versions may protect"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "DIST-01",
        pass: WORKED,
        fail: Read(OutOfTime, "its time has not come"),
        not_applicable: Never("every node is reached somehow: where none has said how, that is not known"),
        indeterminate: Read(Misused, "it has not said how it is reached"),
    },
    Row {
        control: "DIST-02",
        pass: WORKED,
        fail: Read(Raced, "and its ring refuses that"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "STOR-01",
        // By the word of the node: no machine that tests run on has a hardware module.
        pass: Read(Misused, ""),
        fail: Read(Worked, "its root is kept by software"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "no node has said what its root is"),
    },
    Row {
        control: "STOR-02",
        pass: Read(WithRing, ""),
        fail: Read(Worked, "what wraps it shares storage domain"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "no node has said where keys lie"),
    },
    Row {
        control: "STOR-06",
        pass: BACKUPS,
        fail: BACKUPS,
        not_applicable: BACKUPS,
        indeterminate: Read(Worked, "this release does not keep what decides it"),
    },
    Row {
        control: "STOR-07",
        pass: Read(Raced, ""),
        fail: Read(Edited, "live fields differ from the log"),
        not_applicable: Never("live rows are always asked about, be it that they were not read"),
        indeterminate: Read(Worked, "the export holds no rows"),
    },
    Row {
        control: "USE-01",
        pass: WORKED,
        fail: Read(Raced, "which did not give it then"),
        not_applicable: STARTED,
        indeterminate: Read(Misused, "it decides by another built-in policy"),
    },
    Row {
        control: "USE-04",
        pass: Read(Approved, ""),
        fail: Read(Aged, "nobody else had to approve it"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "USE-05",
        pass: WORKED,
        fail: Read(Misused, "it encrypted data, and data keys as well"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "USE-09",
        pass: WORKED,
        fail: Read(Misused, "neither it nor its ring asks uses for fields"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "ROT-02",
        pass: WORKED,
        fail: Read(Aged, "it is active beyond the end of its protecting"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "ROT-03",
        pass: WORKED,
        fail: Read(Aged, "after the end of its processing"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "assets do not keep that yet"),
    },
    Row {
        control: "ROT-04",
        pass: WORKED,
        fail: Read(Misused, "it has no schedule of rotation"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "ROT-05",
        pass: WORKED,
        fail: Read(Misused, "it protected more than 1 times, which is the limit of aes-128-gcm"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "counters are no facts yet"),
    },
    Row {
        control: "REV-01",
        pass: Waits("drills of a revocation, with the time that it took everywhere"),
        fail: Read(Aged, "no drill of a revocation is recorded within"),
        not_applicable: Never("a drill is asked of every deployment, from the first entry of its log on"),
        indeterminate: Read(Worked, "whether a revocation was drilled is not known"),
    },
    Row {
        control: "REV-02",
        pass: WORKED,
        fail: Read(Raced, "succeeded with it, and it was suspended"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "REV-03",
        pass: Waits("incidents that a compromise is linked to, and when data began to be protected anew"),
        fail: Read(Aged, "no incident is linked to that"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "REV-05",
        pass: Read(Aged, ""),
        fail: Read(Misused, "it was revoked as compromised"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "DEST-01",
        pass: Read(Approved, ""),
        fail: Read(Aged, "its destruction was scheduled, and nobody else had to approve it"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "DEST-02",
        pass: Waits("the confirmation of each place that held a version that it is erased there"),
        fail: Read(Aged, "no place that held it confirms the erasure"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "DEST-04",
        pass: Waits("certificates of destruction"),
        fail: Read(Aged, "its tombstone has no certificate"),
        not_applicable: STARTED,
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "DEST-06",
        pass: WORKED,
        fail: Read(Aged, "no data needs it, and it is not destroyed"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "assets do not keep that yet"),
    },
    Row {
        control: "AUD-01",
        pass: Waits("operations that are made to be missed, and counts of all that is not a use"),
        fail: Read(Misused, "results of `encrypt` left the node since its start"),
        not_applicable: Never("every log is to hold all that was done"),
        indeterminate: Read(Worked, "no operations are made whose absence"),
    },
    Row {
        control: "AUD-02",
        pass: WORKED,
        fail: Read(Misused, "its entry lacks an origin"),
        not_applicable: Read(Quiet, "nothing is in scope"),
        indeterminate: Read(Raced, "calls without a credential are counted"),
    },
    Row {
        control: "AUD-03",
        pass: WORKED,
        fail: Read(OtherBegin, "entries-altered"),
        not_applicable: Never("the log is always asked about"),
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "AUD-05",
        pass: Waits("failures of logging, with begin, end, cause, remedy and alert"),
        fail: Read(OtherBegin, "entries-altered"),
        not_applicable: Never("the log is always asked about"),
        indeterminate: Read(Worked, "failures of logging have no records"),
    },
    Row {
        control: "AUD-06",
        pass: WORKED,
        fail: Read(Misused, "it reads the log, and holds role security_officer"),
        not_applicable: STARTED,
        indeterminate: Read(Raced, "no node has said by which policy it decides"),
    },
    Row {
        control: "AUD-07",
        pass: WORKED,
        fail: Read(OtherBegin, "with which no log begins"),
        not_applicable: Never("where the log has nothing of that time, it is not known what was kept"),
        indeterminate: NO_BEGIN,
    },
    Row {
        control: "AUD-08",
        pass: CLOCKS,
        fail: CLOCKS,
        not_applicable: CLOCKS,
        indeterminate: Read(Worked, "this release does not keep what decides it"),
    },
    Row {
        control: "AUD-10",
        pass: Read(Raced, ""),
        fail: Read(Edited, "than the log yields"),
        not_applicable: Never("live rows are always asked about, be it that they were not read"),
        indeterminate: Read(Worked, "the export holds no rows"),
    },
    Row {
        control: "AUD-11",
        pass: WORKED,
        fail: Read(Misused, "card_number"),
        not_applicable: Never("where the log has no entries of that time, it is not known what they held"),
        indeterminate: Read(Quiet, "no entries of that time"),
    },
    Row {
        control: "GOV-05",
        pass: Read(Approved, ""),
        fail: Read(Worked, "its configuration changed from"),
        not_applicable: Never("every node runs by something: where none has said by what, that is not known"),
        indeterminate: Read(Started, "no node has said what it runs by"),
    },
    Row {
        control: "GOV-08",
        pass: WORKED,
        fail: Read(Aged, "no run is recorded within 48 hours"),
        not_applicable: Never("an evaluation is asked of every log, from its first entry on"),
        indeterminate: Read(Misused, "none is due"),
    },
];
