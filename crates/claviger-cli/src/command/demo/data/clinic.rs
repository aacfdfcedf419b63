//! Patient records as a clinic keeps them: JSON lines of patients and visits, and letters in plain text.

use std::io::{self, Write};

use serde::Serialize;

use super::Counted;
use super::people;
use super::random::Dice;

/// ICD-10 codes with their titles.
const DIAGNOSES: &[&str] = &[
    "E11.9 Type 2 diabetes mellitus without complications",
    "F32.1 Moderate depressive episode",
    "G43.1 Migraine with aura",
    "I10 Essential (primary) hypertension",
    "I48.0 Paroxysmal atrial fibrillation",
    "J45.0 Predominantly allergic asthma",
    "K21.0 Gastro-oesophageal reflux disease with oesophagitis",
    "M54.5 Low back pain",
    "N39.0 Urinary tract infection, site not specified",
    "S52.5 Fracture of lower end of radius",
];
const WARDS: &[&str] =
    &["cardiology", "emergency", "general medicine", "neurology", "orthopaedics", "paediatrics"];
const BLOOD_GROUPS: &[&str] = &["0-", "0+", "A-", "A+", "AB-", "AB+", "B-", "B+"];
const ALLERGIES: &[&str] = &["aspirin", "bee venom", "latex", "nuts", "penicillin", "pollen"];
const REMARKS: &[&str] = &[
    "No acute distress.",
    "Pain improved since the last visit.",
    "Laboratory values within the reference range.",
    "Medication well tolerated.",
    "Advised to rest and to return if symptoms persist.",
    "Follow-up in two weeks.",
    "Referred for imaging.",
    "Dose reduced by half.",
    "Sleep remains disturbed.",
    "Blood pressure measured at home is stable.",
];

#[derive(Serialize)]
struct Patient {
    patient_id: String,
    name: String,
    born: String,
    blood_group: &'static str,
    allergies: Vec<&'static str>,
    insurance_number: String,
    address: String,
    phone: String,
}

#[derive(Serialize)]
struct Visit {
    visit_id: String,
    patient_id: String,
    at: String,
    ward: &'static str,
    diagnosis: &'static str,
    systolic_mmhg: u32,
    diastolic_mmhg: u32,
    pulse_per_minute: u32,
    note: String,
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Patients, one object a line, until `bytes` are written.
pub(super) fn write_patients(out: &mut Counted<impl Write>, bytes: u64, dice: &mut Dice) -> io::Result<()> {
    let mut number = 0;
    while out.written() < bytes {
        number += 1;
        let year = dice.between(1931, 2024);
        let patient = Patient {
            patient_id: format!("P{number:07}"),
            name: people::name(dice),
            born: people::day_of(dice, year),
            blood_group: dice.one_of(BLOOD_GROUPS),
            allergies: if dice.once_in(3) { vec![dice.one_of(ALLERGIES)] } else { Vec::new() },
            insurance_number: format!("XX{}", dice.digits(10)),
            address: people::address(dice),
            phone: people::phone(dice),
        };
        write_line(out, &patient)?;
    }
    Ok(())
}

/// Visits of one month of 2025, one object a line, until `bytes` are written.
pub(super) fn write_visits(
    out: &mut Counted<impl Write>,
    bytes: u64,
    month: u32,
    dice: &mut Dice,
) -> io::Result<()> {
    let mut number = 0;
    while out.written() < bytes {
        number += 1;
        let visit = Visit {
            visit_id: format!("V2025{month:02}{number:07}"),
            patient_id: format!("P{:07}", dice.between(1, 16_000)),
            at: people::instant_of(dice, 2025, month),
            ward: dice.one_of(WARDS),
            diagnosis: dice.one_of(DIAGNOSES),
            systolic_mmhg: dice.between(95, 180),
            diastolic_mmhg: dice.between(55, 110),
            pulse_per_minute: dice.between(48, 130),
            note: format!("{} {}", dice.one_of(REMARKS), dice.one_of(REMARKS)),
        };
        write_line(out, &visit)?;
    }
    Ok(())
}

/// A discharge letter of some pages.
pub(super) fn write_letter(out: &mut impl Write, number: u32, dice: &mut Dice) -> io::Result<()> {
    let (patient, doctor) = (people::name(dice), people::name(dice));
    let (address, day) = (people::address(dice), people::day_of(dice, 2025));
    writeln!(out, "DISCHARGE LETTER {number:05}\n\n{day}\n\n{patient}\n{address}\n")?;
    writeln!(out, "Diagnosis: {}\nWard: {}\n", dice.one_of(DIAGNOSES), dice.one_of(WARDS))?;
    for day in 1..=dice.between(20, 180) {
        write!(out, "Day {day}.")?;
        for _ in 0..dice.between(1, 5) {
            write!(out, " {}", dice.one_of(REMARKS))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\nSigned: {doctor}")
}
