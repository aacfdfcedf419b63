//! The closed sets of what an entry records: the operation and how it ended.
//!
//! Codes are for ever: a code once used keeps its meaning, because entries are never rewritten. Those of actions come from
//! the table of actions in `claviger-core`; only what nobody asks for has its row here.

use claviger_core::Action;
use claviger_core::action::Effect;

macro_rules! codes {
    ($(#[$type_doc:meta])* $type:ident: $repr:ty { $($(#[$doc:meta])* $name:ident = $code:literal $word:literal),+ $(,)? }) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr($repr)]
        pub enum $type { $($(#[$doc])* $name = $code),+ }

        impl $type {
            /// Every one there is, by code.
            #[expect(clippy::indexing_slicing, reason = "the compiler evaluates it: out of bounds does not compile")]
            pub const ALL: [Self; [$($code),+].len()] = {
                let mut all = [$(Self::$name),+];
                let mut sorted = 1;
                while sorted < all.len() {
                    let mut at = sorted;
                    while at > 0 && all[at - 1].code() > all[at].code() {
                        all.swap(at - 1, at);
                        at -= 1;
                    }
                    sorted += 1;
                }
                all
            };

            /// Its number in the log.
            #[must_use]
            pub const fn code(self) -> $repr { match self { $(Self::$name => $code),+ } }

            /// The one with this number.
            #[must_use]
            pub const fn from_code(code: $repr) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }

            /// Its word, the same in every interface.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $word),+ } }

            /// The one with this word.
            #[must_use]
            pub fn from_name(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.name()) }
        }
    };
}

macro_rules! operations {
    (
        of_the_log { $($(#[$log_doc:meta])+ $log:ident = $log_code:literal $log_word:literal),+ $(,)? }
        $($(#[$doc:meta])+ $action:ident = $code:literal $word:literal),+
    ) => {
        codes! {
            /// What was done: 1xx uses of keys, 2xx the life of rings and keys, 3xx identity and rights, 4xx the system.
            Op: u16 {
                $($(#[$log_doc])+ $log = $log_code $log_word,)+
                $($(#[$doc])+ $action = $code $word,)+
            }
        }

        impl From<Action> for Op {
            fn from(action: Action) -> Self {
                match action { $(Action::$action => Self::$action),+ }
            }
        }

        impl Op {
            /// The action that somebody asked for; `None` for what the log records of itself.
            #[must_use]
            pub const fn action(self) -> Option<Action> {
                match self {
                    $(Self::$action => Some(Action::$action),)+
                    $(Self::$log => None),+
                }
            }
        }
    };
}

claviger_core::with_actions! { operations! {
    of_the_log {
        /// Somebody asked for what others must approve, which is kept until they have. It has the facts of it.
        RequestApproval = 330 "request_approval",
        /// What others must approve is not done any more: a row that it was decided on has moved, or time ran out. It has the facts of it.
        EndApproval = 336 "end_approval",
        /// The server found what somebody must look at. It has the facts of it.
        RaiseAlert = 370 "raise_alert",
        /// A caller's sealed identity, once per session and shard; later entries point to it.
        Session = 401 "session",
        /// A credential that did not prove what it claimed.
        AuthenticationFailure = 402 "authentication_failure",
        /// How many unauthenticated calls came by a listener in the last second; carries the number and the listener.
        UnauthenticatedCount = 403 "unauthenticated_count",
        /// A node begins to append; carries the digest of its verifier key.
        NodeStart = 410 "node_start",
        /// A node ends in good order.
        NodeStop = 411 "node_stop",
        /// The algorithms were tested against known answers.
        SelfTest = 412 "self_test",
        /// A node says which program it is, by which configuration it runs, and how it is reached: at its start, and when it read its files
        /// again. It has the facts of it.
        NodeReport = 413 "node_report",
        /// How many results left the listeners of a node since its start, counted there: every hour and at its end, where it has changed.
        /// It has the facts of it.
        ReleasedResults = 414 "released_results",
        /// A recorded result was withheld by the response gate.
        ReleaseSuppressed = 420 "release_suppressed",
        /// An idle shard says that it has drained to an epoch.
        Heartbeat = 421 "heartbeat",
        /// A known caller sent a request that cannot be read; at most one entry a second and credential.
        MalformedRequest = 425 "malformed_request",
        /// The controls were evaluated by the log itself; carries the digest of the results, the size of the root log that they are of, and how
        /// many there are of each kind ([`crate::EvaluationRun`]).
        RecordEvaluation = 437 "record_evaluation",
        /// The key that signs evidence packs beside the root, of which the root says so in a note; carries the digest of its verifier key.
        AnnounceEvidenceKey = 441 "announce_evidence_key",
        /// How rows stood when facts began to be kept; it has the facts of some of them.
        RecordState = 445 "record_state",
        /// A row of the store is not as it was written, and was refused; carries the kind and identifier of its object. One entry
        /// an hour and row.
        RowAltered = 446 "row_altered",
        /// Serve on though the newest part of the log was lost; carries what was known of it.
        AcceptLostTail = 450 "accept_lost_tail",
    }
} }

codes! {
    /// How it ended.
    Outcome: u8 {
        /// Done.
        Ok = 0 "ok",
        /// The caller may not.
        Denied = 1 "denied",
        /// The key's state does not allow it.
        WrongState = 2 "wrong_state",
        /// A revocation came first.
        Fenced = 3 "fenced",
        /// The request makes no sense.
        BadInput = 4 "bad_input",
        /// No such thing, or none the caller may see.
        NotFound = 5 "not_found",
        /// The key backend failed.
        ProviderError = 6 "provider_error",
        /// Time ran out.
        Deadline = 7 "deadline",
        /// Somebody else was first.
        Conflict = 8 "conflict",
        /// A limit was reached.
        Limit = 9 "limit",
        /// No caller could be named.
        Unauthenticated = 10 "unauthenticated",
        /// Ciphertext, tag or context did not fit.
        BadCiphertext = 11 "bad_ciphertext",
        /// Not offered here.
        Unsupported = 12 "unsupported",
        /// A fault of ours.
        Internal = 13 "internal",
        /// It would have been done; the caller only asked whether.
        DryRun = 14 "dry_run",
    }
}

impl Outcome {
    /// Was the caller refused: by a right, a state, a limit, or what was asked? Faults, and time that ran out, are no refusals.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::BadCiphertext
            | Self::BadInput
            | Self::Conflict
            | Self::Denied
            | Self::Fenced
            | Self::Limit
            | Self::NotFound
            | Self::Unauthenticated
            | Self::Unsupported
            | Self::WrongState => true,
            Self::Deadline | Self::DryRun | Self::Internal | Self::Ok | Self::ProviderError => false,
        }
    }
}

impl Op {
    /// May its entry carry sealed personal data? Sessions and 3xx entries may.
    #[must_use]
    pub const fn may_seal(self) -> bool {
        matches!(self, Self::Session) || self.code() / 100 == 3
    }

    /// Does it use a key on data (1xx with a key)?
    #[must_use]
    pub const fn uses_material(self) -> bool {
        match self.action() {
            Some(action) => matches!(action.effect(), Effect::Process | Effect::Protect),
            None => false,
        }
    }

    /// Does it protect new data (NIST SP 800-57 part 1, 5.3.5: originator usage)? Only an active version may. A use that
    /// opens under one version and seals under another does both.
    #[must_use]
    pub const fn protects(self) -> bool {
        match self.action() {
            Some(Action::Reencrypt) => true,
            Some(action) => matches!(action.effect(), Effect::Protect),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for op in Op::ALL {
            assert_eq!(Op::from_code(op.code()), Some(op));
            assert_eq!(Op::from_name(op.name()), Some(op));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
        assert_eq!((Op::from_code(0), Op::from_code(500), Op::from_name("Encrypt")), (None, None, None));
        assert_eq!(Outcome::from_code(15), None);
    }

    #[test]
    fn every_one_is_listed_by_its_code() {
        assert!(Op::ALL.is_sorted_by_key(|op| op.code()));
        assert!(Outcome::ALL.is_sorted_by_key(|outcome| outcome.code()));
        for action in Action::ALL {
            let op = Op::from(action);
            assert_eq!((op.code(), op.name(), op.action()), (action.code(), action.name(), Some(action)));
        }
        assert_eq!(Op::ALL.iter().filter(|op| op.action().is_some()).count(), Action::ALL.len());
    }

    #[test]
    fn codes_and_words_are_those_of_the_golden_file() {
        let table: String = Op::ALL
            .iter()
            .map(|op| {
                let of = if op.action().is_some() { "action" } else { "log" };
                let material = match (op.uses_material(), op.protects()) {
                    (false, _) => "-",
                    (true, false) => "processes",
                    (true, true) => "protects",
                };
                format!("{}  {:<42}{of:<8}{material}\n", op.code(), op.name())
            })
            .collect();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/operations.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), table);
    }

    #[test]
    fn only_uses_of_material_protect() {
        for op in Op::ALL {
            assert!(!op.protects() || op.uses_material(), "{op}");
            assert!(!(op.uses_material() && op.may_seal()), "{op}");
        }
    }
}
