//! That governed operations have one encoding, whatever they ask for, and that it stays what it is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use claviger_core::AssetId;
use claviger_core::declaration::{Attestation, Claim, Parameter, Plain, SigningMethod};
use claviger_core::grant::Conditions;
use claviger_core::object::Object;
use claviger_core::reason::ReasonCode;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::cbor::{CborError, MapError};

fn ids<T: std::fmt::Debug>(make: fn([u8; 16]) -> T) -> impl Strategy<Value = T> {
    any::<[u8; 16]>().prop_map(make)
}

fn keys() -> impl Strategy<Value = KeyId> {
    ids(KeyId::from_bytes)
}

fn rings() -> impl Strategy<Value = KeyRingId> {
    ids(KeyRingId::from_bytes)
}

fn principals() -> impl Strategy<Value = PrincipalId> {
    ids(PrincipalId::from_bytes)
}

fn names() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9._-]{0,62}".prop_map(|text| text.parse().unwrap())
}

fn aliases() -> impl Strategy<Value = AliasName> {
    "[a-zA-Z0-9_-][a-zA-Z0-9/_-]{0,30}".prop_filter_map("reserved", |text| text.parse().ok())
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any::<String>()]
}

fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..1000_u64).prop_map(|days| Duration::from_secs(days * 86_400)),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
    ]
}

fn instants() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_micros)
}

fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    proptest::option::of(strategy)
}

fn periods() -> impl Strategy<Value = Period> {
    maybe(spans()).prop_map(Period)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((texts(), texts()), 0..4)
}

fn networks() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=128_u8).prop_map(|(address, prefix)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, prefix.min(most)).unwrap()
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    (pairs(), maybe(pairs()), vec(networks(), 0..3), maybe(instants())).prop_map(
        |(context_equals, context_exactly, source_networks, until)| Conditions {
            context_equals,
            context_exactly,
            source_networks,
            until,
        },
    )
}

fn asked_conditions() -> impl Strategy<Value = GrantConditions> {
    conditions().prop_map(|conditions| (&conditions).into())
}

fn operations() -> impl Strategy<Value = Sorted<Action>> {
    vec(select(&Action::ALL[..]), 0..6).prop_map(Sorted::from_iter)
}

fn labels() -> impl Strategy<Value = Labels> {
    vec(("[a-z]{1,12}", ".{0,20}"), 0..4).prop_filter_map("twice", |pairs| Labels::new(pairs).ok())
}

fn sets() -> impl Strategy<Value = SetOfGrants> {
    let grant = (principals(), operations(), asked_conditions(), texts(), maybe(texts())).prop_map(
        |(principal, operations, conditions, name, spelled_principal)| SetGrant {
            principal,
            operations,
            conditions,
            name,
            spelled_principal,
        },
    );
    (vec(grant, 0..3), maybe(texts())).prop_map(|(grants, text)| SetOfGrants { grants, text })
}

fn policies() -> impl Strategy<Value = RingPolicy> {
    (
        select(&Protection::ALL[..]),
        maybe(spans()),
        maybe(spans()),
        maybe(spans()),
        spans(),
        any::<u8>(),
        select(&Separation::ALL[..]),
        select(&RotatedKeys::ALL[..]),
        (
            contexts(),
            maybe(select(&DataClass::ALL[..])),
            select(&PlaintextDataKeys::ALL[..]),
            maybe(names()),
            select(&AssetRule::ALL[..]),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                protection,
                rotation,
                protect,
                process,
                wait,
                quorum,
                separation,
                rotates,
                (context_required, data_class, plaintext_data_keys, environment, assets, grants_under_quorum),
            )| {
                RingPolicy {
                    protection,
                    rotation_period: rotation,
                    protect_period: protect,
                    process_period: process,
                    destroy_waiting_period: wait,
                    quorum,
                    separation,
                    rotates,
                    context_required,
                    data_class,
                    plaintext_data_keys,
                    environment,
                    assets,
                    grants_under_quorum,
                }
            },
        )
}

fn contexts() -> impl Strategy<Value = RequiredContext> {
    vec("[a-zA-Z0-9:._-]{1,9}", 0..4)
        .prop_map(|names| RequiredContext::new(names.iter().map(|name| name.parse().unwrap())).unwrap())
}

fn reasons() -> impl Strategy<Value = Option<Reason>> {
    let text = maybe("[a-zäöü]{1,30}( [a-z]{1,9}){0,3}".prop_map(|text: String| text.parse().unwrap()));
    (maybe(select(&ReasonCode::ALL[..])), text).prop_map(|(code, text)| Reason::new(code, text))
}

fn about_keys() -> impl Strategy<Value = Governed> {
    let of_key =
        (keys(), any::<u32>(), reasons(), 0..13_usize).prop_map(
            |(key, version, reason, which)| match which {
                0 => Governed::ActivateKey { key, reason },
                1 => Governed::CancelDestroy { key, reason },
                2 => Governed::CompromiseKey { key, reason },
                3 => Governed::CompromiseVersion { key, version, reason },
                4 => Governed::DeactivateKey { key, reason },
                5 => Governed::DeactivateVersion { key, version, reason },
                6 => Governed::DestroyKey { key },
                7 => Governed::ResumeKey { key, reason },
                8 => Governed::ResumeVersion { key, version, reason },
                9 => Governed::RotateDueKey { key },
                10 => Governed::RotateKey { key },
                11 => Governed::SuspendKey { key, reason },
                _ => Governed::SuspendVersion { key, version, reason },
            },
        );
    let create = (
        (rings(), maybe(names()), select(&Purpose::ALL[..]), select(&Spec::ALL[..])),
        (maybe(select(&Protection::ALL[..])), maybe(select(&DataClass::ALL[..])), texts(), principals()),
        (
            labels(),
            maybe(spans()),
            any::<bool>(),
            select(&Origin::ALL[..]),
            maybe(sets()),
            contexts(),
            maybe(names()),
        ),
    )
        .prop_map(|((ring, name, purpose, spec), (protection, data_class, description, owner), rest)| {
            let (labels, rotation_period, activate, origin, rights, context_required, environment) = rest;
            Governed::CreateKey {
                ring,
                name,
                purpose,
                spec,
                protection,
                data_class,
                description,
                owner,
                labels,
                rotation_period,
                activate,
                origin,
                rights,
                context_required,
                environment,
            }
        });
    let labelling = prop_oneof![
        labels().prop_map(Labelling::All),
        (labels(), vec(texts(), 0..3))
            .prop_map(|(set, remove)| Labelling::Some(set, remove.into_iter().collect())),
    ];
    let update = (
        (keys(), maybe(select(&DataClass::ALL[..])), maybe(texts()), maybe(principals())),
        (
            maybe(labelling),
            maybe(periods()),
            maybe(any::<u64>()),
            maybe(contexts().prop_map(ContextAsked)),
            maybe(names()),
        ),
    )
        .prop_map(|((key, data_class, description, owner), rest)| {
            let (labels, rotation_period, if_revision, context_required, environment) = rest;
            Governed::UpdateKey {
                key,
                data_class,
                description,
                owner,
                labels,
                rotation_period,
                if_revision,
                context_required,
                environment,
            }
        });
    let import =
        (keys(), any::<[u8; 32]>(), any::<[u8; 32]>(), maybe(instants()), any::<bool>(), maybe(any::<u32>()))
            .prop_map(|(key, token, material, expires_at, new_material, version)| Governed::ImportMaterial {
                key,
                token,
                material,
                expires_at,
                new_material,
                version,
            });
    let remove = (keys(), any::<u32>(), any::<bool>()).prop_map(|(key, version, only_if_expired)| {
        Governed::RemoveImportedMaterial { key, version, only_if_expired }
    });
    let alias = (aliases(), keys(), keys(), 0..3_usize).prop_map(|(name, from, to, which)| match which {
        0 => Governed::CreateAlias { name, key: to },
        1 => Governed::MoveAlias { name, from, to },
        _ => Governed::RemoveAlias { name, key: from },
    });
    let schedule = (keys(), spans(), reasons())
        .prop_map(|(key, waiting, reason)| Governed::ScheduleDestroy { key, waiting, reason });
    let policy = (keys(), sets(), reasons()).prop_map(|(key, grants, reason)| Governed::PutKeyPolicy {
        key,
        grants,
        reason,
    });
    prop_oneof![of_key, create, update, import, remove, alias, schedule, policy]
}

fn about_rings() -> impl Strategy<Value = Governed> {
    let create = (names(), policies(), reasons()).prop_map(|(name, policy, reason)| Governed::CreateRing {
        name,
        policy,
        reason,
    });
    let separation = (rings(), select(&Separation::ALL[..]), reasons())
        .prop_map(|(ring, separation, reason)| Governed::SetRingSeparation { ring, separation, reason });
    let update = (
        (rings(), maybe(select(&Protection::ALL[..])), maybe(periods()), maybe(periods())),
        (
            maybe(periods()),
            maybe(spans()),
            maybe(any::<u8>()),
            maybe(any::<u64>()),
            reasons(),
            maybe(select(&RotatedKeys::ALL[..])),
            maybe(contexts().prop_map(ContextAsked)),
            maybe(maybe(select(&DataClass::ALL[..])).prop_map(ClassAsked)),
            maybe(select(&PlaintextDataKeys::ALL[..])),
            (maybe(names()), maybe(select(&AssetRule::ALL[..])), maybe(any::<bool>())),
        ),
    )
        .prop_map(|((ring, protection, rotation_period, protect_period), rest)| {
            let (
                process_period,
                destroy_waiting_period,
                quorum,
                if_revision,
                reason,
                rotates,
                context_required,
                data_class,
                plaintext_data_keys,
                (environment, assets, grants_under_quorum),
            ) = rest;
            Governed::UpdateRing {
                ring,
                protection,
                rotation_period,
                protect_period,
                process_period,
                destroy_waiting_period,
                quorum,
                if_revision,
                reason,
                rotates,
                context_required,
                data_class,
                plaintext_data_keys,
                environment,
                assets,
                grants_under_quorum,
            }
        });
    let asset = (names(), principals(), select(&DataClass::ALL[..]))
        .prop_map(|(name, owner, class)| Governed::CreateAsset { name, owner, class });
    prop_oneof![create, separation, update, asset, declarations()]
}

fn declarations() -> impl Strategy<Value = Governed> {
    let words = || "[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,30}[a-z0-9]".prop_map(|text| text.parse::<Plain>().unwrap());
    let parameter = (words(), words(), instants()).prop_map(|(name, value, effective_from)| Parameter {
        name,
        value,
        effective_from,
    });
    let claim = (words(), vec(keys().prop_map(Object::Key), 0..3), vec(any::<[u8; 32]>(), 0..3)).prop_map(
        |(statement, scope, evidence)| Claim {
            deployment: "shop".parse().unwrap(),
            statement,
            statement_digest: [1; 32],
            scope,
            signed_at: Timestamp::from_micros(1),
            valid_until: Timestamp::from_micros(2),
            evidence,
            public_key: vec![2; 44],
        },
    );
    let signed = (claim, ids(CredentialId::from_bytes), vec(any::<u8>(), 0..80));
    (parameter, signed, texts(), reasons(), ids(DeclarationId::from_bytes), 0..3_usize).prop_map(
        |(parameter, (claim, credential, signature), text, reason, declaration, which)| match which {
            0 => Governed::Declare { declared: Declared::Parameter(parameter), text },
            1 => {
                let method = SigningMethod::Ed25519;
                let attestation = Attestation { claim, credential, method, signature };
                Governed::Attest { attestation: Declared::Attestation(Box::new(attestation)) }
            }
            _ => Governed::WithdrawDeclaration { declaration, reason },
        },
    )
}

fn about_people() -> impl Strategy<Value = Governed> {
    let kinds = || select(&PrincipalKind::ALL[..]);
    let create = (names(), kinds(), maybe(rings()), maybe(names()), maybe(principals())).prop_map(
        |(name, kind, home, environment, same_person_as)| Governed::CreatePrincipal {
            name,
            kind,
            home,
            environment,
            same_person_as,
        },
    );
    let role = (principals(), select(&Role::ALL[..]), reasons(), 0..5_usize).prop_map(
        |(principal, role, reason, which)| match which {
            0 => Governed::AcknowledgeRecovery { principal },
            1 => Governed::AssignRole { principal, role, reason },
            2 => Governed::CancelRecovery { principal, reason },
            3 => Governed::RevokePrincipal { principal, reason },
            _ => Governed::WithdrawRole { principal, role, reason },
        },
    );
    let capacity = (principals(), capacities(), reasons(), any::<bool>()).prop_map(
        |(principal, capacity, reason, is_given)| {
            if is_given {
                Governed::AssignCapacity { principal, capacity, reason }
            } else {
                Governed::WithdrawCapacity { principal, capacity, reason }
            }
        },
    );
    let what = (any::<[u8; 32]>(), spans(), instants(), 0..5_usize).prop_map(
        |(fingerprint, lifetime, expires_at, which)| match which {
            0 => CredentialAsked::AccessKey(lifetime),
            1 => CredentialAsked::Certificate(fingerprint, expires_at),
            2 => CredentialAsked::EnrolmentCode(lifetime),
            3 => CredentialAsked::ShortLived(lifetime),
            _ => CredentialAsked::Token(lifetime),
        },
    );
    let credential =
        (principals(), names(), what, any::<bool>()).prop_map(|(principal, label, what, to_confirm)| {
            Governed::CreateCredential { principal, label, what, to_confirm }
        });
    let own = (ids(CredentialId::from_bytes), maybe(any::<[u8; 32]>()), maybe(spans())).prop_map(
        |(credential, request, lifetime)| match request {
            None => Governed::ConfirmCredential { credential },
            Some(request) => Governed::Enrol { credential, request, lifetime },
        },
    );
    let revoke = (ids(CredentialId::from_bytes), reasons())
        .prop_map(|(credential, reason)| Governed::RevokeCredential { credential, reason });
    let renew =
        (
            ids(CredentialId::from_bytes),
            maybe(any::<[u8; 32]>()),
            maybe(any::<[u8; 32]>()),
            maybe(instants()),
            maybe(spans()),
        )
            .prop_map(|(credential, certificate, request, expires_at, lifetime)| {
                Governed::RenewCredential { credential, certificate, request, expires_at, lifetime }
            });
    let erase =
        (ids(ReasonId::from_bytes), reasons()).prop_map(|(id, reason)| Governed::EraseReason { id, reason });
    let erase_principal = (ids(PrincipalId::from_bytes), reasons())
        .prop_map(|(principal, reason)| Governed::ErasePrincipal { principal, reason });
    let founder = (
        (names(), kinds(), maybe(select(&Role::ALL[..]))),
        (maybe(any::<[u8; 32]>()), instants(), maybe(any::<[u8; 32]>())),
    )
        .prop_map(|((name, kind, role), (fingerprint, expires_at, request))| Founder {
            name,
            kind,
            role,
            fingerprint,
            expires_at,
            request,
        });
    let initialize = (vec(founder, 0..4), maybe(any::<u8>()))
        .prop_map(|(principals, quorum)| Governed::Initialize { principals, quorum });
    let recover = (names(), any::<[u8; 32]>(), instants())
        .prop_map(|(name, fingerprint, expires_at)| Governed::Recover { name, fingerprint, expires_at });
    let clock = (instants(), reasons()).prop_map(|(time, reason)| Governed::ConfirmClock { time, reason });
    let rights = any::<[u8; 32]>().prop_map(|digest| Governed::ConfirmRights { digest });
    prop_oneof![
        create,
        role,
        capacity,
        credential,
        own,
        renew,
        revoke,
        erase,
        erase_principal,
        initialize,
        recover,
        clock,
        rights
    ]
}

fn about_grants() -> impl Strategy<Value = Governed> {
    let given = (
        (principals(), keys(), rings(), any::<bool>(), operations()),
        (asked_conditions(), reasons(), maybe(texts()), maybe(principals()), any::<bool>()),
        (maybe(texts()), maybe(texts())),
    )
        .prop_map(|((principal, key, ring, on_ring, operations), rest, spelled)| {
            let (conditions, reason, name, retiring, delegated) = rest;
            let (spelled_principal, spelled_retiring) = spelled;
            if delegated {
                return Governed::DelegateGrant {
                    key,
                    principal,
                    operations,
                    conditions,
                    reason,
                    name,
                    retiring,
                    spelled_principal,
                    spelled_retiring,
                };
            }
            let on = if on_ring { Selector::Ring(ring) } else { Selector::Key(key) };
            Governed::CreateGrant { principal, on, operations, conditions, reason, name, retiring }
        });
    let ended =
        (ids(GrantId::from_bytes), keys(), reasons(), 0..3_usize).prop_map(|(grant, key, reason, which)| {
            match which {
                0 => Governed::RetireGrant { grant, reason },
                1 => Governed::RevokeGrant { grant, reason },
                _ => Governed::WithdrawDelegatedGrant { key, grant, reason },
            }
        });
    prop_oneof![given, ended]
}

fn about_approvals() -> impl Strategy<Value = Governed> {
    let decision = (ids(ApprovalId::from_bytes), any::<[u8; 32]>(), reasons(), 0..3_usize).prop_map(
        |(approval, digest, reason, which)| match which {
            0 => Governed::Approve { approval, digest },
            1 => Governed::CancelApproval { approval, reason },
            _ => Governed::Deny { approval, digest, reason },
        },
    );
    let rules = (
        (maybe(any::<u8>()), maybe(spans()), maybe(periods()), maybe(spans())),
        (maybe(any::<u16>()), reasons(), maybe(any::<u64>())),
    )
        .prop_map(|((quorum, approval_lifetime, human_grant_lifetime, break_glass_lifetime), rest)| {
            let (compromise_burst, reason, if_revision) = rest;
            Governed::SetGovernance {
                quorum,
                approval_lifetime,
                human_grant_lifetime,
                break_glass_lifetime,
                compromise_burst,
                reason,
                if_revision,
            }
        });
    prop_oneof![3 => decision, 1 => rules]
}

fn capacities() -> impl Strategy<Value = Capacity> {
    (any::<[u8; 16]>(), 0..7_usize).prop_map(|(id, which)| match which {
        0 => Capacity::AssetOwner(AssetId::from_bytes(id)),
        1 => Capacity::Ciso,
        2 => Capacity::Dpo,
        3 => Capacity::Executive,
        4 => Capacity::KeyOwner(KeyId::from_bytes(id)),
        5 => Capacity::PrivacyOfficer,
        _ => Capacity::RiskOwner,
    })
}

fn about_oversight() -> impl Strategy<Value = Governed> {
    let alert =
        (ids(AlertId::from_bytes), reasons(), any::<bool>()).prop_map(|(alert, reason, is_closed)| {
            if is_closed {
                Governed::CloseAlert { alert, reason }
            } else {
                Governed::TriageAlert { alert, reason }
            }
        });
    let open =
        (principals(), vec(keys(), 0..4), spans(), reasons()).prop_map(|(holder, keys, lifetime, reason)| {
            Governed::OpenBreakGlass { holder, keys: keys.into_iter().collect(), lifetime, reason }
        });
    let access = (ids(BreakGlassId::from_bytes), maybe(select(&BreakGlassVerdict::ALL[..])), reasons())
        .prop_map(|(id, verdict, reason)| match verdict {
            None => Governed::CloseBreakGlass { id, reason },
            Some(verdict) => Governed::ReviewBreakGlass { id, verdict, reason },
        });
    let begin = (select(&ReviewScope::ALL[..]), maybe(rings()), spans(), reasons())
        .prop_map(|(scope, ring, due_in, reason)| Governed::OpenReview { scope, ring, due_in, reason });
    let decision = (principals(), maybe(rings()), select(&ReviewDecision::ALL[..]));
    let review = (ids(ReviewId::from_bytes), maybe(vec(decision, 0..5)), reasons()).prop_map(
        |(review, decisions, reason)| {
            let Some(decisions) = decisions else { return Governed::CloseReview { review, reason } };
            // Each thing once, in their order.
            let decisions: std::collections::BTreeMap<_, _> =
                decisions.into_iter().map(|(who, ring, decision)| (subject(who, ring), decision)).collect();
            Governed::DecideReview { review, decisions: decisions.into_iter().collect(), reason }
        },
    );
    prop_oneof![alert, open, access, begin, review]
}

fn subject(principal: PrincipalId, ring: Option<KeyRingId>) -> ReviewSubject {
    match ring {
        None => ReviewSubject::Office(principal),
        Some(ring) => ReviewSubject::Uses(principal, ring),
    }
}

fn plans() -> impl Strategy<Value = Governed> {
    let act = prop_oneof![about_rings().boxed(), about_people().boxed(), about_approvals().boxed()];
    (vec(act, 1..4), reasons()).prop_map(|(acts, reason)| Governed::ApplyPlan {
        acts: acts.into_iter().map(|act| act.without_reason().encode()).collect(),
        reason,
    })
}

fn anything() -> impl Strategy<Value = Governed> {
    // Boxed: what they are made of would not fit the stack of a test.
    prop_oneof![
        3 => about_keys().boxed(),
        1 => about_rings().boxed(),
        2 => about_people().boxed(),
        2 => about_grants().boxed(),
        1 => about_approvals().boxed(),
        2 => about_oversight().boxed(),
        1 => plans().boxed(),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_and_nothing_shorter_is(asked in anything()) {
        let bytes = asked.encode();
        prop_assert_eq!(Governed::decode(&bytes), Ok(asked));
        for end in 0..bytes.len() {
            prop_assert!(Governed::decode(&bytes[..end]).is_err());
        }
        prop_assert_eq!(
            Governed::decode(&[bytes.as_slice(), &[0]].concat()),
            Err(GovernedError::Map(MapError::Cbor(CborError::Trailing)))
        );
    }

    #[test]
    fn what_is_decoded_encodes_to_the_same_bytes(
        asked in anything(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut bytes = asked.encode();
        *at.get_mut(&mut bytes) = to;
        if let Ok(other) = Governed::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn without_its_reason_it_asks_for_the_same(asked in anything()) {
        let without = asked.clone().without_reason();
        prop_assert_eq!(without.reason(), None);
        prop_assert_eq!(without.word(), asked.word());
        prop_assert_eq!(without == asked, asked.reason().is_none());
        prop_assert_eq!(without.clone().without_reason(), without);
    }

    #[test]
    fn two_requests_have_one_digest_only_if_they_are_the_same(one in anything(), other in anything()) {
        prop_assert_eq!(one == other, one.encode() == other.encode());
        prop_assert_eq!(one == other, one.digest() == other.digest());
    }

    #[test]
    fn the_order_of_what_is_a_set_makes_no_difference(conditions in conditions()) {
        let mut turned = conditions.clone();
        turned.context_equals.reverse();
        turned.source_networks.reverse();
        turned.context_exactly.iter_mut().for_each(|pairs| pairs.reverse());
        let (one, other) = (GrantConditions::from(&conditions), GrantConditions::from(&turned));
        prop_assert_eq!(&one, &other);
        // What a grant is given from it asks for the same again.
        prop_assert_eq!(GrantConditions::from(&Conditions::from(&one)), one);
    }
}

#[test]
fn the_strategies_leave_no_operation_out() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut words = BTreeSet::new();
    for _ in 0..8000 {
        words.insert(anything().new_tree(&mut runner).unwrap().current().word());
    }
    let table =
        include_str!("mod.rs").lines().filter(|line| line.ends_with("\" {") && line.contains(") = ")).count();
    assert_eq!(words.len(), table);
    // An alias is put in two ways, and a key is rotated in two; every other action has the word of its own.
    let actions: BTreeSet<_> = Governed::ACTIONS.iter().collect();
    assert_eq!(actions.len() + 2, table);
    for action in actions {
        let special = [Action::PutAlias].contains(action);
        assert_eq!(words.contains(action.name()), !special, "{action}");
    }
}

/// What came later is absent where it is not asked for, and is read as it was then.
#[test]
fn what_came_later_leaves_older_encodings_as_they_are() {
    let create = |to_confirm| Governed::CreateCredential {
        principal: PrincipalId::from_bytes([1; 16]),
        label: "laptop".parse().unwrap(),
        what: CredentialAsked::Token(Duration::from_secs(60)),
        to_confirm,
    };
    let (without, with) = (create(false).encode(), create(true).encode());
    let last = [4, 1];
    assert!(with.ends_with(&last) && with.len() == without.len() + last.len());
    assert_eq!(Governed::decode(&without), Ok(create(false)));
    assert_eq!(Governed::decode(&with), Ok(create(true)));
    let mut written = with;
    *written.last_mut().unwrap() = 0;
    assert_eq!(Governed::decode(&written), Err(GovernedError::Map(MapError::Value)));

    let founder = |fingerprint, request| Governed::Initialize {
        principals: vec![Founder {
            name: "ada".parse().unwrap(),
            kind: PrincipalKind::Human,
            role: None,
            fingerprint,
            expires_at: Timestamp::from_micros(7),
            request,
        }],
        quorum: None,
    };
    let head = [&[0xa2, 0x00, 0x6a][..], b"initialize", &[0x01, 0x81]].concat();
    let named = [&[0x01, 0x63][..], b"ada", &[0x02, 0x65], b"human"].concat();
    let print = [&[0x04, 0x58, 0x20][..], &[9; 32]].concat();
    let as_before = [&head[..], &[0xa4], &named, &print, &[0x05, 0x07]].concat();
    assert_eq!(founder(Some([9; 32]), None).encode(), as_before);
    // A founder with a code has neither.
    assert_eq!(founder(None, None).encode(), [&head[..], &[0xa3], &named, &[0x05, 0x07]].concat());
}

#[test]
fn a_plan_is_of_acts_that_are_no_plans_and_have_its_reason() {
    let why = || Reason::new(Some(ReasonCode::Misuse), None);
    let principal = PrincipalId::from_bytes([1; 16]);
    let act = |reason| Governed::AssignRole { principal, role: Role::Auditor, reason };
    let plan = |acts: Vec<Vec<u8>>| Governed::ApplyPlan { acts, reason: why() };
    let one = act(None).encode();
    assert_eq!(Governed::decode_act(&one), Ok(act(None)));
    for acts in [vec![one.clone()], vec![one.clone(); Approval::MOST_STEPS]] {
        assert_eq!(Governed::decode(&plan(acts.clone()).encode()), Ok(plan(acts)));
    }
    let nested = Governed::ApplyPlan { acts: vec![one.clone()], reason: None }.encode();
    assert_eq!(Governed::decode_act(&nested), Err(GovernedError::Unsound));
    assert_eq!(Governed::decode_act(&act(why()).encode()), Err(GovernedError::Unsound));
    for acts in [
        Vec::new(),
        vec![one.clone(); Approval::MOST_STEPS + 1],
        vec![one.clone(), nested],
        vec![one.clone(), act(why()).encode()],
        vec![one.clone(), one[..one.len() - 1].to_vec()],
        vec![Vec::new()],
    ] {
        assert_eq!(Governed::decode(&plan(acts.clone()).encode()), Err(GovernedError::Unsound), "{acts:?}");
    }
    // Each act is bytes, and not a list of numbers.
    let bytes = plan(vec![one.clone()]).without_reason().encode();
    let length = u8::try_from(one.len()).unwrap();
    let head = [&[0xa2, 0x00, 0x6a][..], b"apply_plan", &[0x01, 0x81, 0x58, length]].concat();
    assert!((24..256).contains(&one.len()) && bytes == [head, one].concat());
}

#[test]
fn each_thing_is_decided_on_once_and_in_order() {
    let office = |number| ReviewSubject::Office(PrincipalId::from_bytes([number; 16]));
    let ring = KeyRingId::from_bytes([9; 16]);
    let uses = |number| ReviewSubject::Uses(PrincipalId::from_bytes([number; 16]), ring);
    let decide = |subjects: &[ReviewSubject]| Governed::DecideReview {
        review: ReviewId::from_bytes([1; 16]),
        decisions: subjects.iter().map(|subject| (*subject, ReviewDecision::Keep)).collect(),
        reason: None,
    };
    let good = decide(&[office(1), office(2), uses(1)]);
    assert_eq!(Governed::decode(&good.encode()), Ok(good));
    for wrong in [[office(2), office(1)], [uses(1), office(1)], [uses(1), uses(1)]] {
        assert_eq!(Governed::decode(&decide(&wrong).encode()), Err(GovernedError::Unsound), "{wrong:?}");
    }
}

/// What older stores hold and other programs may compute: the bytes, by hand.
#[test]
fn encodings_are_these() {
    let key = KeyId::from_bytes([0xab; 16]);
    let suspend = |reason| Governed::SuspendVersion { key, version: 300, reason };
    let bytes = suspend(None).encode();
    let expected =
        [&[0xa3, 0x00, 0x6f][..], b"suspend_version", &[0x01, 0x50], &[0xab; 16], &[0x02, 0x19, 0x01, 0x2c]]
            .concat();
    assert_eq!(bytes, expected);
    let digest = sha256_parts(&[b"claviger/request/v1", &[0], &expected]);
    assert_eq!(suspend(None).digest(), digest);
    let why = Reason::new(Some(ReasonCode::Misuse), "seen".parse().ok());
    let pairs = [&[0x03, 0xa2, 0x01, 0x66][..], b"misuse", &[0x02, 0x64], b"seen"].concat();
    let with = suspend(why.clone());
    assert_eq!(with.encode(), [&[0xa4], &expected[1..], &pairs].concat());
    assert_eq!((with.reason(), with.clone().without_reason()), (why.as_ref(), suspend(None)));

    let ring = KeyRingId::from_bytes([1; 16]);
    let nothing = Governed::UpdateRing {
        ring,
        protection: None,
        rotation_period: None,
        protect_period: None,
        process_period: None,
        destroy_waiting_period: None,
        quorum: None,
        if_revision: None,
        reason: None,
        rotates: None,
        context_required: None,
        data_class: None,
        plaintext_data_keys: None,
        environment: None,
        assets: None,
        grants_under_quorum: None,
    };
    let head = [&[0x00, 0x6b][..], b"update_ring", &[0x01, 0x50], &[1; 16]].concat();
    assert_eq!(nothing.encode(), [&[0xa2], &head[..]].concat());
    let never = Governed::UpdateRing {
        ring,
        protection: Some(Protection::Hsm),
        rotation_period: Some(Period(None)),
        protect_period: Some(Period(Some(Duration::from_secs(86_400)))),
        process_period: None,
        destroy_waiting_period: None,
        quorum: Some(3),
        if_revision: None,
        reason: None,
        rotates: None,
        context_required: None,
        data_class: None,
        plaintext_data_keys: None,
        environment: None,
        assets: None,
        grants_under_quorum: None,
    };
    let fields = [
        &[0x02, 0x63][..],
        b"hsm",
        &[0x03, 0x80],
        &[0x04, 0x81, 0x82, 0x1a, 0x00, 0x01, 0x51, 0x80, 0x00],
        &[0x07, 0x03],
    ]
    .concat();
    assert_eq!(never.encode(), [&[0xa6], &head[..], &fields].concat());
}

#[test]
fn what_an_encoder_does_not_write_is_refused() {
    let key = [0x50; 1].iter().chain(&[7; 16]).copied().collect::<Vec<u8>>();
    let of = |pairs: u8, parts: &[&[u8]]| [&[0xa0 | pairs][..], &parts.concat()].concat();
    let word = |word: &str| [&[0x00, 0x60 | u8::try_from(word.len()).unwrap()][..], word.as_bytes()].concat();
    let good = of(2, &[&word("rotate_key"), &[1], &key]);
    assert!(Governed::decode(&good).is_ok());
    let field = |number| GovernedError::Map(MapError::Field(number));
    let cbor = |error| GovernedError::Map(MapError::Cbor(error));
    for (bytes, error) in [
        (of(0, &[]), field(0)),
        (of(1, &[&word("rotate_key")]), field(1)),
        (of(1, &[&[1], &key]), field(0)),
        (of(2, &[&word("encrypt"), &[1], &key]), GovernedError::Operation),
        (of(2, &[&word("rotate_key"), &[2], &key]), field(1)),
        (of(3, &[&word("rotate_key"), &[1], &key, &[2, 1]]), field(2)),
        (of(3, &[&word("rotate_key"), &[1], &key, &[1], &key]), field(1)),
        (of(2, &[&[0x18, 0x00], &word("rotate_key")[1..], &[1], &key]), cbor(CborError::NotShortest)),
        (of(2, &[&word("rotate_key"), &[1, 0x41, 7]]), cbor(CborError::Range)),
    ] {
        assert_eq!(Governed::decode(&bytes), Err(error), "{bytes:02x?}");
    }
    // A set out of order, or with the same thing twice; a truth that is 2; a name that is none.
    let policy = |operations: &[u8], network: &str| {
        let network = [&[0x81, 0x60 | u8::try_from(network.len()).unwrap()][..], network.as_bytes()].concat();
        let grant = [
            &[0x81, 0xa4, 0x01][..],
            &key,
            &[0x02, 0x82],
            operations,
            &[0x03, 0xa2, 0x01, 0x80, 0x03],
            &network,
            &[0x04, 0x60],
        ]
        .concat();
        of(3, &[&word("put_key_policy"), &[1], &key, &[0x02, 0xa1, 0x01], &grant])
    };
    assert!(Governed::decode(&policy(&[0x18, 101, 0x18, 102], "10.0.0.0/8")).is_ok());
    for bytes in [
        policy(&[0x18, 102, 0x18, 101], "10.0.0.0/8"),
        policy(&[0x18, 101, 0x18, 101], "10.0.0.0/8"),
        policy(&[0x18, 101, 0x18, 99], "10.0.0.0/8"),
        policy(&[0x18, 101, 0x18, 102], "010.0.0.0/8"),
        policy(&[0x18, 101, 0x18, 102], "10.0.0.0"),
        of(4, &[&word("create_alias"), &[1, 0x61, b'.'], &[2], &key]),
    ] {
        assert!(Governed::decode(&bytes).is_err(), "{bytes:02x?}");
    }
}

/// The rule is written where it is on alone: what older encodings do not have keeps its meaning.
#[test]
fn rings_without_grants_under_quorum_are_encoded_as_before() {
    let create = |grants_under_quorum| Governed::CreateRing {
        name: "orders".parse().unwrap(),
        policy: RingPolicy { grants_under_quorum, ..RingPolicy::default() },
        reason: None,
    };
    let (without, with) = (create(false).encode(), create(true).encode());
    let last = [14, 1];
    assert!(with.ends_with(&last) && with.len() == without.len() + last.len());
    assert_eq!(Governed::decode(&with), Ok(create(true)));
    // No, written down.
    let mut written = with;
    *written.last_mut().unwrap() = 0;
    assert_eq!(Governed::decode(&written), Err(GovernedError::Map(MapError::Value)));
}
