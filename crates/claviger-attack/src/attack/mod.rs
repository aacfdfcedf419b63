//! The attacks. Each module says what it does, what breaks, and what holding means.

mod alias_squatting;
mod clocks;
mod delegated_rights;
mod destruction_by_relaxing;
mod earnest;
mod edited_rights;
mod false_alarm;
mod greed;
mod intake;
mod log_rollback;
mod lone_approver;
mod lost_governance;
mod overload;
mod policy_takeover;
mod puppets;
mod starving;
mod store_rolled_back;
mod token_away;
mod unknown_callers;
mod wrong_pin;

use anyhow::Result;

use self::intake::{From, Kind};
use crate::site::Lab;
use crate::verdict::Verdict;

/// How long an attack takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most 20 seconds, with a debug build: run by `./test`.
    Quick,
    /// Longer, or with a measurement that wants an optimized build: run by night.
    Slow,
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Its name, on the command line too.
    pub name: &'static str,
    /// What it tries, in one line.
    pub about: &'static str,
    /// How long it takes.
    pub pace: Pace,
    /// Makes it.
    pub run: fn(&Lab) -> Result<Verdict>,
}

/// All attacks, in the order of their names.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "alias-squatting",
        about: "an application takes a free name so that others encrypt under its key",
        pace: Pace::Quick,
        run: alias_squatting::run,
    },
    Attack {
        name: "clocks",
        about: "a clock that was set destroys a key, or revives a token",
        pace: Pace::Quick,
        run: clocks::run,
    },
    Attack {
        name: "delegated-rights",
        about: "what a holder of a grant delegates outlives the grant",
        pace: Pace::Quick,
        run: delegated_rights::run,
    },
    Attack {
        name: "destruction-by-relaxing",
        about: "a strict ring is relaxed for a moment, and a key of it is destroyed a day later with nobody's approval",
        pace: Pace::Quick,
        run: destruction_by_relaxing::run,
    },
    Attack {
        name: "edited-rights",
        about: "roles, grants and a ring's quorum are edited in the database, and decide, or nobody finds out",
        pace: Pace::Quick,
        run: edited_rights::run,
    },
    Attack {
        name: "false-alarm",
        about: "concurrent grants that lose their races stop the signing of checkpoints, in words that mean damage",
        pace: Pace::Slow,
        run: false_alarm::run,
    },
    Attack {
        name: "intake-all",
        about: "all floods at once, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &Kind::ALL, From::One),
    },
    Attack {
        name: "intake-all-many",
        about: "all floods at once, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &Kind::ALL, From::Many),
    },
    Attack {
        name: "intake-client-hellos",
        about: "the first message of a handshake, recorded once, at full rate, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::ClientHellos], From::One),
    },
    Attack {
        name: "intake-client-hellos-many",
        about: "the first message of a handshake, recorded once, at full rate, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::ClientHellos], From::Many),
    },
    Attack {
        name: "intake-handshakes",
        about: "handshakes without a certificate at full rate, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::Handshakes], From::One),
    },
    Attack {
        name: "intake-handshakes-many",
        about: "handshakes without a certificate at full rate, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::Handshakes], From::Many),
    },
    Attack {
        name: "intake-http2-bodies",
        about: "8 HTTP/2 connections to each listener with 128 unfinished requests each, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::Http2Bodies], From::One),
    },
    Attack {
        name: "intake-http2-bodies-many",
        about: "8 HTTP/2 connections to each listener with 128 unfinished requests each, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::Http2Bodies], From::Many),
    },
    Attack {
        name: "intake-idle-connections",
        about: "4 100 idle connections to each listener, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::IdleConnections], From::One),
    },
    Attack {
        name: "intake-idle-connections-many",
        about: "4 100 idle connections to each listener, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::IdleConnections], From::Many),
    },
    Attack {
        name: "intake-unfinished-bodies",
        about: "400 unfinished bodies under tokens that nobody has, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::UnfinishedBodies], From::One),
    },
    Attack {
        name: "intake-unfinished-bodies-many",
        about: "400 unfinished bodies under tokens that nobody has, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::UnfinishedBodies], From::Many),
    },
    Attack {
        name: "intake-wrong-signatures",
        about: "signatures by a guessed secret under a known access key, at full rate and unfinished, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::WrongSignatures], From::One),
    },
    Attack {
        name: "intake-wrong-signatures-many",
        about: "signatures by a guessed secret under a known access key, at full rate and unfinished, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::WrongSignatures], From::Many),
    },
    Attack {
        name: "intake-wrong-tokens",
        about: "well-formed tokens that nobody has at full rate, from one address",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::WrongTokens], From::One),
    },
    Attack {
        name: "intake-wrong-tokens-many",
        about: "well-formed tokens that nobody has at full rate, from 200 addresses",
        pace: Pace::Slow,
        run: |lab| intake::run(lab, &[Kind::WrongTokens], From::Many),
    },
    Attack {
        name: "log-rollback",
        about: "the newest batches are cut off under signed cuts, a revocation among them",
        pace: Pace::Quick,
        run: log_rollback::run,
    },
    Attack {
        name: "lone-approver",
        about: "one person approves what they asked for, or twice, or by the database, and a key is destroyed",
        pace: Pace::Quick,
        run: lone_approver::run,
    },
    Attack {
        name: "lost-governance",
        about: "one responder revokes every security officer",
        pace: Pace::Quick,
        run: lost_governance::run,
    },
    Attack {
        name: "overload",
        about: "all floods and a greedy application at once, for half an hour, beside those who work in earnest",
        pace: Pace::Slow,
        run: overload::run,
    },
    Attack {
        name: "policy-takeover",
        about: "who may give single grants puts an empty key policy, and rights of others end",
        pace: Pace::Quick,
        run: policy_takeover::run,
    },
    Attack {
        name: "puppets",
        about: "a security officer alone makes credentials for others and reads an application's data",
        pace: Pace::Quick,
        run: puppets::run,
    },
    Attack {
        name: "starving",
        about: "an application does much within its rights, one thing after the other, and another is not served",
        pace: Pace::Slow,
        run: starving::run,
    },
    Attack {
        name: "store-rolled-back",
        about: "the newest part of the log is cut off, put back or deleted, and a revoked right is honoured",
        pace: Pace::Slow,
        run: store_rolled_back::run,
    },
    Attack {
        name: "token-away",
        about: "the token is taken away, and nobody can suspend or revoke",
        pace: Pace::Slow,
        run: token_away::run,
    },
    Attack {
        name: "unknown-callers",
        about: "an unauthenticated caller learns which routes exist, and a refusal gives back a secret",
        pace: Pace::Quick,
        run: unknown_callers::run,
    },
    Attack {
        name: "wrong-pin",
        about: "a supervisor starts a server with a wrong PIN again and again, until the token locks",
        pace: Pace::Slow,
        run: wrong_pin::run,
    },
];

/// The attack of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Attack> {
    ATTACKS.iter().find(|attack| attack.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_is_there_once() {
        assert!(ATTACKS.is_sorted_by(|one, next| one.name < next.name));
    }
}
