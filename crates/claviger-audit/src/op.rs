//! The closed sets of what an entry tells: the operation and how it ended.
//!
//! Codes are for ever: a code once used keeps its meaning, because entries are never rewritten.

macro_rules! codes {
    ($(#[$type_doc:meta])* $type:ident: $repr:ty { $($(#[$doc:meta])* $name:ident = $code:literal $word:literal),+ $(,)? }) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr($repr)]
        pub enum $type { $($(#[$doc])* $name = $code),+ }

        impl $type {
            /// Every one there is, by code.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$name),+];

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

codes! {
    /// What was done: 1xx uses of keys, 2xx the life of rings and keys, 3xx identity and rights, 4xx the system.
    Op: u16 {
        /// Seal data under a key.
        Encrypt = 101 "encrypt",
        /// Open what the key sealed.
        Decrypt = 102 "decrypt",
        /// Open under one version, seal under the newest.
        Reencrypt = 103 "reencrypt",
        /// Make a data key; hand it out in clear and wrapped.
        GenerateDataKey = 104 "generate_data_key",
        /// Sign.
        Sign = 105 "sign",
        /// Verify a signature.
        Verify = 106 "verify",
        /// Make a message authentication code.
        Mac = 107 "mac",
        /// Check a message authentication code.
        VerifyMac = 108 "verify_mac",
        /// Wrap a key of the caller's.
        Wrap = 109 "wrap",
        /// Unwrap a key of the caller's.
        Unwrap = 110 "unwrap",
        /// Make a shared secret for the holder of a key (KEM).
        Encapsulate = 111 "encapsulate",
        /// Take a shared secret out of its capsule (KEM).
        Decapsulate = 112 "decapsulate",
        /// Agree on a shared secret with a peer.
        Agree = 113 "agree",
        /// Draw random bytes.
        Random = 114 "random",
        /// Read a public key.
        ReadPublicKey = 115 "read_public_key",
        /// Make a data key; hand it out wrapped only.
        GenerateDataKeyWithoutPlaintext = 116 "generate_data_key_without_plaintext",
        /// Read what is said about a key, as one who uses it.
        DescribeKey = 117 "describe_key",
        /// List what one was granted.
        ListGranted = 118 "list_granted",
        /// Make a key pair; hand out its private half in clear and wrapped.
        GenerateDataKeyPair = 119 "generate_data_key_pair",
        /// Make a key pair; hand out its private half wrapped only.
        GenerateDataKeyPairWithoutPlaintext = 120 "generate_data_key_pair_without_plaintext",
        /// Seal under this key what was opened under another.
        ReencryptInto = 121 "reencrypt_into",
        /// Give up a grant.
        RetireGrant = 122 "retire_grant",
        /// Ask who one is.
        ReadSelf = 123 "read_self",

        /// Create a key ring.
        CreateRing = 201 "create_ring",
        /// Change a ring's policy.
        UpdateRing = 202 "update_ring",
        /// Loosen a ring's separation of duties, or tighten it again.
        SetRingSeparation = 203 "set_ring_separation",
        /// Create a key with its first version.
        CreateKey = 210 "create_key",
        /// Put a key and a version into use.
        ActivateKey = 211 "activate_key",
        /// Make a new version that protects from now on.
        RotateKey = 212 "rotate_key",
        /// Take a key out of use for a while.
        SuspendKey = 213 "suspend_key",
        /// Bring a key back from suspension.
        ResumeKey = 214 "resume_key",
        /// End a key's protecting.
        DeactivateKey = 215 "deactivate_key",
        /// Declare a key compromised.
        CompromiseKey = 216 "compromise_key",
        /// Make a key's material unrecoverable.
        DestroyKey = 219 "destroy_key",
        /// Change what is said about a key.
        UpdateKey = 220 "update_key",
        /// Read what is said about a key.
        ReadKey = 221 "read_key",
        /// Ask who can do what with a key.
        ExplainKey = 222 "explain_key",
        /// Read what is said about a ring.
        ReadRing = 223 "read_ring",
        /// List rings and keys.
        ListKeys = 224 "list_keys",
        /// Take one version out of use for a while.
        SuspendVersion = 231 "suspend_version",
        /// Bring one version back from suspension.
        ResumeVersion = 232 "resume_version",
        /// End one version's protecting.
        DeactivateVersion = 233 "deactivate_version",
        /// Declare one version compromised.
        CompromiseVersion = 234 "compromise_version",
        /// Give a key another name, or move such a name to it.
        PutAlias = 240 "put_alias",
        /// Take such a name away.
        RemoveAlias = 241 "remove_alias",
        /// Take a key out of use and begin its waiting period.
        ScheduleDestroy = 242 "schedule_destroy",
        /// End the waiting period without destroying.
        CancelDestroy = 243 "cancel_destroy",
        /// Ask for what is needed to bring material in.
        ReadImportParameters = 244 "read_import_parameters",
        /// Bring material in.
        ImportMaterial = 245 "import_material",
        /// Take imported material away again.
        RemoveImportedMaterial = 246 "remove_imported_material",

        /// Create a principal.
        CreatePrincipal = 301 "create_principal",
        /// Withdraw a principal for ever.
        RevokePrincipal = 302 "revoke_principal",
        /// Read or list principals.
        ReadPrincipal = 303 "read_principal",
        /// Give a role.
        AssignRole = 304 "assign_role",
        /// Withdraw a role.
        WithdrawRole = 305 "withdraw_role",
        /// Give a grant.
        CreateGrant = 307 "create_grant",
        /// Withdraw a grant.
        RevokeGrant = 308 "revoke_grant",
        /// Read or list grants.
        ReadGrant = 309 "read_grant",
        /// Give a credential.
        CreateCredential = 310 "create_credential",
        /// Withdraw a credential.
        RevokeCredential = 311 "revoke_credential",
        /// Read or list credentials.
        ReadCredential = 312 "read_credential",
        /// Give a grant on a key, as one who administers it.
        DelegateGrant = 320 "delegate_grant",
        /// Withdraw a grant on a key, as one who administers it.
        WithdrawDelegatedGrant = 321 "withdraw_delegated_grant",
        /// Read the grants on a key.
        ReadKeyGrants = 322 "read_key_grants",
        /// Set the policy of a key, which gives grants on it and ends those that the policy before gave.
        PutKeyPolicy = 323 "put_key_policy",

        /// A caller's sealed identity, once per session and shard; later entries point to it.
        Session = 401 "session",
        /// A credential that did not prove what it claimed.
        AuthenticationFailure = 402 "authentication_failure",
        /// How many calls without any credential were refused in the last second.
        UnauthenticatedCount = 403 "unauthenticated_count",
        /// Set a deployment up, once.
        Initialize = 409 "initialize",
        /// A node begins to append; carries the digest of its verifier key.
        NodeStart = 410 "node_start",
        /// A node ends in good order.
        NodeStop = 411 "node_stop",
        /// The algorithms were tested against known answers.
        SelfTest = 412 "self_test",
        /// A recorded result was withheld by the response gate.
        ReleaseSuppressed = 420 "release_suppressed",
        /// An idle shard says that it has drained to an epoch.
        Heartbeat = 421 "heartbeat",
        /// Read the log.
        ReadAudit = 430 "read_audit",
        /// Take the whole log out.
        ExportAudit = 431 "export_audit",
        /// Read how the system is.
        ReadSystem = 432 "read_system",
        /// Serve on though the newest part of the log was lost; carries what was known of it.
        AcceptLostTail = 450 "accept_lost_tail",
        /// Make a security officer on the machine, with the root's own secret.
        Recover = 455 "recover",
        /// Acknowledge such a security officer, as another person.
        AcknowledgeRecovery = 456 "acknowledge_recovery",
        /// Confirm that the server's clock is right.
        ConfirmClock = 458 "confirm_clock",
    }
}

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

impl Op {
    /// May its entry carry sealed personal data (mechanisms, 2.1, field 13)? Sessions and 3xx entries may.
    #[must_use]
    pub const fn may_seal(self) -> bool {
        matches!(self, Self::Session) || self.code() / 100 == 3
    }

    /// Does it use a key on data (1xx with a key)?
    #[must_use]
    pub const fn uses_material(self) -> bool {
        self.code() / 100 == 1
            && !matches!(
                self,
                Self::DescribeKey
                    | Self::ListGranted
                    | Self::Random
                    | Self::ReadPublicKey
                    | Self::ReadSelf
                    | Self::RetireGrant
            )
    }

    /// Does it protect new data (NIST SP 800-57 part 1, 5.3.5: originator usage)? Only an active version may.
    #[must_use]
    pub const fn protects(self) -> bool {
        matches!(
            self,
            Self::Encrypt
                | Self::Reencrypt
                | Self::GenerateDataKey
                | Self::Sign
                | Self::Mac
                | Self::Wrap
                | Self::Encapsulate
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::ReencryptInto
        )
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
    fn only_uses_of_material_protect() {
        for op in Op::ALL {
            assert!(!op.protects() || op.uses_material(), "{op}");
            assert!(!(op.uses_material() && op.may_seal()), "{op}");
        }
    }
}
