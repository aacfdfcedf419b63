use std::net::IpAddr;

use claviger_core::object::Object;
use claviger_core::principal::Factor;
use claviger_core::{KeyId, TlsParameters};
use proptest::prelude::*;

use super::*;

fn key() -> VeilKey {
    VeilKey::new([9; 32])
}

fn who(address: &str, tls: Option<TlsParameters>) -> Who {
    Who {
        principal: PrincipalId::from_bytes([1; 16]),
        credential: CredentialId::from_bytes([2; 16]),
        method: CredentialKind::Certificate,
        source: Source { address: address.parse().unwrap(), tls },
    }
}

const TLS: TlsParameters = TlsParameters { version: 0x0304, cipher_suite: 0x1302, group: Some(0x11ec) };

fn disclosed(record: &SessionRecord, level: Level) -> DisclosedSession {
    let opened = key().open_session(record).unwrap();
    DisclosedSession::new(7, record, Some(opened.disclosed(level)))
}

#[test]
fn session_opens_under_its_principals_key_alone() {
    let who = who("10.1.2.3", Some(TLS));
    let record = key().seal_session(&who, Some(20_000), [5; 16]).unwrap();
    let seen = key().open_session(&record).unwrap().seen().unwrap();
    assert_eq!((seen.principal, seen.credential), (Some(who.principal), Some(who.credential)));
    assert_eq!((seen.method, seen.factors), (Some(who.method), vec![Factor::ProofOfKey]));
    assert_eq!((seen.tls_version, seen.cipher_suite, seen.group), (Some(0x0304), Some(0x1302), Some(0x11ec)));
    assert_eq!((seen.origin, seen.address), (Some(OriginClass::Private), Some(who.source.address)));
    assert_eq!(VeilKey::new([8; 32]).open_session(&record), Err(VeilError::Unopened));
    for edited in [
        SessionRecord { seed: [6; 16], ..record.clone() },
        SessionRecord { locator: [6; 16], ..record.clone() },
        SessionRecord { fields: [6; 32], ..record.clone() },
        SessionRecord { sealed: record.sealed[1..].to_vec(), ..record.clone() },
    ] {
        assert_eq!(key().open_session(&edited), Err(VeilError::Unopened));
        assert_ne!(edited.commitment(), record.commitment());
    }
}

#[test]
fn nothing_links_the_days_of_a_person_or_two_sessions_of_one_day() {
    let record = |day, seed| key().seal_session(&who("10.1.2.3", Some(TLS)), day, [seed; 16]).unwrap();
    let (one, other) = (record(Some(20_000), 1), record(Some(20_001), 2));
    assert_ne!(one.locator, other.locator);
    assert_eq!(one.locator, record(Some(20_000), 3).locator, "its own key finds it");
    assert_eq!(record(None, 1).locator, record(None, 2).locator, "an application is one for ever");
    assert_ne!(record(None, 1).locator, one.locator);
    let commitments = |record: &SessionRecord| match disclosed(record, Level::Minimal).fields {
        DisclosedFields::Each(fields) => fields
            .iter()
            .map(|(number, field)| match field {
                DisclosedField::Open { salt, value } => commit(*number, salt, value),
                DisclosedField::Withheld(commitment) => *commitment,
            })
            .collect::<Vec<_>>(),
        DisclosedFields::None(_) => Vec::new(),
    };
    let same_day = record(Some(20_000), 4);
    assert!(commitments(&one).iter().all(|commitment| !commitments(&same_day).contains(commitment)));
}

#[test]
fn each_level_lets_out_what_it_says_and_its_commitment_stays() {
    let record = key().seal_session(&who("192.0.2.1", Some(TLS)), None, [5; 16]).unwrap();
    for (level, ids, address) in
        [(Level::Minimal, false, false), (Level::Pseudonym, true, false), (Level::Full, true, true)]
    {
        let session = disclosed(&record, level);
        assert_eq!(session.commitment(), record.commitment());
        let seen = session.seen().unwrap();
        assert_eq!((seen.principal.is_some(), seen.credential.is_some()), (ids, ids), "{level}");
        assert_eq!(seen.address.is_some(), address, "{level}");
        assert_eq!((seen.origin, seen.cipher_suite), (Some(OriginClass::Public), Some(0x1302)));
    }
    let nothing = DisclosedSession::new(7, &record, None);
    assert_eq!(nothing.commitment(), record.commitment());
    assert_eq!(nothing.seen(), Ok(Seen::default()));
}

#[test]
fn another_value_or_salt_is_another_commitment() {
    let record = key().seal_session(&who("192.0.2.1", None), None, [5; 16]).unwrap();
    let session = disclosed(&record, Level::Full);
    let DisclosedFields::Each(fields) = &session.fields else { panic!() };
    for number in fields.keys() {
        let edits: [&dyn Fn(&mut DisclosedField); 3] = [
            &|field| {
                if let DisclosedField::Open { value, .. } = field {
                    *value = vec![0x61, b'x'];
                }
            },
            &|field| {
                if let DisclosedField::Open { salt, .. } = field {
                    salt[0] ^= 1;
                }
            },
            &|field| *field = DisclosedField::Withheld([3; 32]),
        ];
        for edit in edits {
            let mut fields = fields.clone();
            edit(fields.get_mut(number).unwrap());
            let edited = DisclosedSession { fields: DisclosedFields::Each(fields), ..session.clone() };
            assert_ne!(edited.commitment(), record.commitment(), "{number}");
        }
        let mut fields = fields.clone();
        fields.remove(number);
        let edited = DisclosedSession { fields: DisclosedFields::Each(fields), ..session.clone() };
        assert_ne!(edited.commitment(), record.commitment());
    }
}

fn file(level: Level) -> Disclosure {
    let record = key().seal_session(&who("192.0.2.1", Some(TLS)), None, [5; 16]).unwrap();
    let object = Object::Key(KeyId::from_bytes([4; 16]));
    let name = DisclosedName { object, number: 2, salt: [1; 16], value: b"\x65cards".to_vec() };
    let mut later = DisclosedSession::new(9, &record, None);
    later.entry = 9;
    Disclosure {
        origin: "shop/audit/1".to_owned(),
        from: 0,
        to: 10,
        level,
        sessions: vec![disclosed(&record, level), later],
        names: if level == Level::Minimal { Vec::new() } else { vec![name] },
    }
}

#[test]
fn file_reads_back_and_holds_no_more_than_its_level() {
    for level in Level::ALL {
        let file = file(level);
        let bytes = file.encode().unwrap();
        assert_eq!(Disclosure::decode(&bytes), Ok(file.clone()));
        for at in 0..bytes.len() {
            assert!(Disclosure::decode(&bytes[..at]).is_err());
        }
        assert_eq!(
            Disclosure::decode(&[bytes.as_slice(), &[0]].concat()),
            Err(DisclosureError::Cbor(crate::CborError::Trailing))
        );
    }
    assert_eq!(file(Level::Full).name(Object::Key(KeyId::from_bytes([4; 16]))), Some("cards"));
    for less in [Level::Minimal, Level::Pseudonym] {
        let beyond = Disclosure { level: less, ..file(Level::Full) };
        assert_eq!(beyond.encode(), Err(DisclosureError::BeyondLevel));
    }
    let mut twice = file(Level::Full);
    twice.sessions.swap(0, 1);
    assert_eq!(twice.encode(), Err(DisclosureError::OutOfOrder));
    let backwards = Disclosure { from: 11, ..file(Level::Full) };
    assert_eq!(backwards.encode(), Err(DisclosureError::Range));
    assert_eq!(Disclosure::decode(b"\x88\x61x"), Err(DisclosureError::Magic));
}

proptest! {
    #[test]
    fn any_address_and_parameters_read_back(
        address: IpAddr, version: u16, cipher_suite: u16, group: Option<u16>, day: Option<u64>, seed: [u8; 16], over_tls: bool,
    ) {
        let tls = over_tls.then_some(TlsParameters { version, cipher_suite, group });
        let who = Who { source: Source { address, tls }, ..who("::1", None) };
        let record = key().seal_session(&who, day, seed).unwrap();
        let bytes = record.encode().unwrap();
        prop_assert_eq!(SessionRecord::decode(&bytes), Ok(record.clone()));
        let seen = key().open_session(&record).unwrap().seen().unwrap();
        prop_assert_eq!(seen.address, Some(address));
        prop_assert_eq!(seen.group, tls.and_then(|tls| tls.group));
        prop_assert_eq!(seen.tls_version, tls.map(|tls| tls.version));
    }

    #[test]
    fn what_is_read_is_written_alike(at: usize, byte: u8, level in 0..3_usize, junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = file(Level::ALL[level]).encode().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Disclosure::decode(&bytes) {
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
        if let Ok(read) = SessionRecord::decode(&junk) {
            prop_assert_eq!(read.encode().unwrap(), junk);
        }
    }
}
