//! What the binary writes for whoever runs it: where it serves, and what is wrong with a command line.

use std::process::Output;

use serde_json::Value;

use crate::instance::claviger;
use crate::serving::Site;

#[test]
fn line_of_a_start_names_where_clients_elsewhere_reach_it() {
    let site = Site::set_up();
    let all = [
        ("CLAVIGER_LISTEN__CONTROL", "0.0.0.0:0"),
        ("CLAVIGER_LISTEN__AWS", "0.0.0.0:0"),
        ("CLAVIGER_PUBLIC__HOST", "kms.example.org"),
    ];
    let urls = site.try_serve(&all).unwrap().urls().unwrap();
    let url = |name: &str| urls[name].as_str().unwrap().rsplit_once(':').unwrap();
    for (name, host) in [
        ("control", "https://kms.example.org"),
        // A socket on one interface is reached there.
        ("data", "https://127.0.0.1"),
        ("aws", "https://kms.example.org"),
        ("metrics", "http://127.0.0.1"),
    ] {
        let (shown, port) = url(name);
        assert_eq!(shown, host, "{urls}");
        assert!(port.parse::<u16>().unwrap() > 0, "{urls}");
    }
    assert_eq!(urls["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(urls.as_object().unwrap().len(), 6, "{urls}");
}

#[test]
fn usage_errors_have_the_form_that_is_asked_for() {
    let run = |line: &str| -> Output { claviger().args(line.split(' ')).output().unwrap() };
    for line in
        ["-o json key create", "serve --config", "audit tail --lines x -o json", "no-such-command -ojson"]
    {
        let output = run(line);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{line}");
        let said = String::from_utf8(output.stderr).unwrap();
        if !line.contains("json") {
            assert!(said.starts_with("error: ") && said.contains("--config"), "{said}");
            continue;
        }
        let problem: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(problem["code"], "usage", "{said}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{said}");
    }
    let help = run("key create --help -o json");
    assert_eq!((help.status.code(), help.stderr.is_empty()), (Some(0), true));
}
