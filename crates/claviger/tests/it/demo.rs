//! `claviger demo` from start to end.

use std::process::Stdio;

use serde_json::Value;

use crate::instance::claviger;
use crate::verify::claviger_verify;

#[test]
fn every_step_of_the_demonstration_holds_and_its_evidence_stays() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("demo");
    let output = claviger()
        .args(["-o", "json", "demo", "--megabytes", "2", "--dir"])
        .arg(&kept)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = reported["steps"].as_array().unwrap();
    assert!(steps.len() >= 23 && steps.iter().all(|step| step["held"] == true), "{reported:#}");
    let destroyed = steps.iter().find(|step| step["step"].as_str().unwrap().starts_with("destroy ")).unwrap();
    let shown = destroyed["shown"].as_str().unwrap();
    assert!(shown.contains("`custodian-1` and `custodian-2` had signed"), "{shown}");

    let verify = ["audit", "verify", "--offline", "--dir"];
    assert!(claviger().args(verify).arg(kept.join("log")).stdout(Stdio::null()).status().unwrap().success());

    let output = claviger_verify()
        .arg(kept.join("evidence-pack"))
        .arg("--root-vkey")
        .arg(kept.join("log/root.vkey"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("The pack holds"), "{said}");
}

#[test]
fn demonstration_on_files_of_ones_own_leaves_them_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("mine");
    std::fs::create_dir_all(input.join("below")).unwrap();
    std::fs::write(input.join("below/large"), vec![b'x'; 200_000]).unwrap();
    std::fs::write(input.join("small"), "one record of a patient, in clear").unwrap();
    let output = claviger()
        .args(["demo", "--input"])
        .arg(&input)
        .arg("--dir")
        .arg(dir.path().join("demo"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(input.join("below/large")).unwrap(), vec![b'x'; 200_000]);
    assert!(dir.path().join("demo/protected/below/large.clv").exists());
}
