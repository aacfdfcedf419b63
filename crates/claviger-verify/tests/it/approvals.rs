//! What people decided, and what they were shown.

use claviger_audit::approval::Form;
use claviger_audit::fact::{Field, Kind, Object};
use claviger_audit::{Op, cbor};

use crate::log::Log;
use crate::program::{Held, found, run};
use crate::state::{fact, log, number};

fn approval() -> Object {
    Object::from_id(Kind::Approval, &[1; 16]).unwrap()
}

/// What approvers were shown, with this salt.
fn form(salt: u8) -> Form {
    let mut pairs = cbor::Pairs::default();
    pairs.text(1, "d");
    pairs.bytes(2, &approval().id());
    pairs.text(3, "rotate_key");
    pairs.bytes(4, &[0xa0]);
    pairs.bytes(5, &[salt; 16]);
    pairs.bytes(6, &[6; 16]);
    pairs.uint(9, 1);
    pairs.text(10, "custodians");
    pairs.uint(11, 1_000);
    pairs.uint(12, 9_000);
    Form::decode(&pairs.finish()).unwrap()
}

fn open(write: impl FnOnce(&mut Vec<u8>)) -> Field {
    let mut value = Vec::new();
    write(&mut value);
    Field::Open(value)
}

fn text(text: &str) -> Field {
    open(|out| cbor::put_text(out, text))
}

fn bytes(bytes: &[u8]) -> Field {
    open(|out| cbor::put_bytes(out, bytes))
}

/// A log in which somebody asked for that.
fn asked(form: &Form) -> Log {
    let mut log = log();
    let fields = vec![
        (1, text("rotate_key")),
        (3, bytes(&[6; 16])),
        (4, bytes(&form.digest())),
        (6, number(1)),
        (7, text("custodians")),
        (8, number(1_000)),
        (9, number(9_000)),
        (10, Field::Hidden([9; 32])),
        (11, Field::Hidden([9; 32])),
    ];
    log.push_facts(0, Op::RequestApproval, &fact(approval(), 1, fields));
    log.cut();
    log
}

/// A decision of whoever writes the log, in the name of somebody who signed nothing.
fn forged() -> Vec<u8> {
    let (key, signature) = ([7; 44], [8; 64]);
    [
        // The format; approved; by whom and with which credential; by Ed25519; when it was signed, and when it came in.
        &[1, 1][..],
        &[2; 16],
        &[3; 16],
        &[3],
        &2_000_u64.to_be_bytes(),
        &2_000_u64.to_be_bytes(),
        &[0, 44],
        &key,
        &[0, 64],
        &signature,
    ]
    .concat()
}

#[test]
fn a_decision_that_nobody_signed_is_found() {
    let mut log = asked(&form(5));
    assert!(found(&log, &Held::default()).is_empty());
    log.push_facts(0, Op::Approve, &fact(approval(), 2, vec![(12, bytes(&forged()))]));
    log.cut();
    assert_eq!(found(&log, &Held::default()), ["approval-unsigned"]);
}

#[test]
fn what_is_done_without_enough_decisions_is_found() {
    let mut log = asked(&form(5));
    let ended = vec![(13, text("executed")), (14, number(3_000)), (15, bytes(&[6; 16]))];
    log.push_facts(0, Op::RotateKey, &fact(approval(), 2, ended));
    log.cut();
    let found = found(&log, &Held::default());
    assert!(found.contains(&"approval-altered".to_owned()), "{found:?}");
}

#[test]
fn what_approvers_were_shown_is_what_the_log_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let (pack, file) = (dir.path().join("pack"), dir.path().join("form"));
    asked(&form(5)).write(&pack);
    let held_against = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let output = run(&[pack.to_str().unwrap(), "--approval", file.to_str().unwrap()]);
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let (exit, said) = held_against(&form(5).encode());
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = held_against(&form(6).encode());
    assert!(exit == 4 && said.contains("approval-altered"), "{said}");
    let (exit, said) = held_against(b"no form");
    assert!(exit == 1 && said.contains("holds no form of an approval"), "{said}");
}
