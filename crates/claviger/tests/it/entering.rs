//! Certificates at the command line: what no listener would take is refused with what to do.

use crate::instance::Instance;

#[test]
fn certificate_that_no_listener_takes_is_refused_at_the_command_line_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let enter = |file: &str| {
        let arguments = ["credential", "create", "app", "--label", "card", "--certificate", file];
        let output = instance.run("administrator", &arguments, b"");
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(dir.path().join("garbage"), b"garbage").unwrap();
    let said = enter("garbage");
    assert!(said.contains("no X.509 certificate in DER"), "{said}");
    let said = enter("claviger-data/pki/ca.crt");
    assert!(said.contains("enter one that an authority issued"), "{said}");
    let said = enter("claviger-data/pki/server.crt");
    assert!(said.contains("lacks `clientAuth`"), "{said}");
    // One that the authority issued is good, with what leads to it in the same file; this one was entered before.
    let both = ["profiles/app.crt", "pki/ca.crt"]
        .map(|file| std::fs::read_to_string(dir.path().join("claviger-data").join(file)).unwrap())
        .concat();
    std::fs::write(dir.path().join("both.pem"), both).unwrap();
    let said = enter("both.pem");
    assert!(said.contains("that certificate is a credential already"), "{said}");
    instance.stop();
}
