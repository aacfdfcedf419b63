//! The command line as a whole: what parses, what does not, and its help in the golden file.

use clap::error::ErrorKind;

use super::part;

fn parse(line: &str) -> Result<(), ErrorKind> {
    let words = std::iter::once("claviger").chain(line.split_whitespace());
    part().try_get_matches_from(words).map(|_| ()).map_err(|error| error.kind())
}

#[test]
fn command_line_is_consistent() {
    part().debug_assert();
}

#[test]
fn documented_forms_parse() {
    for line in [
        "compliance report --framework pci-dss --out pack --from 90d",
        "compliance report --redaction full --out pack",
        "compliance report --offline --dir export --disclosure who.disclosure --out pack",
        "status",
        "-o json status",
        "status -o yaml",
        "--profile p.toml ring create orders --rotation-period 90d --quorum 3",
        "ring update orders --rotation-period never --if-revision 4 --reason why",
        "ring separation orders relaxed --reason evaluation",
        "ring create cards --data-class cardholder --grants-under-quorum false --reason tokens",
        "ring update cards --grants-under-quorum true --reason audit",
        "alert list --state closed --rule job-overdue --limit 5",
        "alert show 00000000-0000-4000-8000-000000000000",
        "alert triage 00000000-0000-4000-8000-000000000000 --reason seen",
        "alert close 00000000-0000-4000-8000-000000000000 --reason-code precaution",
        "approval list --state all --limit 5",
        "credential create ada --enrolment-code --lifetime 3d --out ada.code",
        "credential create ada --kind enrolment-code",
        "credential create ada --certificate next.pem --to-confirm",
        "credential confirm 00000000-0000-4000-8000-000000000000",
        "enrol --url https://kms.example.org:7400 --ca ca.crt --code-file - --out d --label laptop --ttl 90d",
        "access analyze --strict",
        "access review open",
        "access review open --scope humans --ring orders --due-in 14d --reason half-year",
        "access review list --state all --limit 5",
        "access review show 00000000-0000-4000-8000-000000000000 --undecided --csv --page-all",
        "access review decide 00000000-0000-4000-8000-000000000000 --keep ada --keep bert --remove shop@orders --keep-rest",
        "access review decide 00000000-0000-4000-8000-000000000000 --file - --reason asked",
        "access review close 00000000-0000-4000-8000-000000000000 --reason decided --yes",
        "capacity give dana dpo --reason appointed",
        "capacity assign dana key-owner:orders/pan --reason-code duties_changed",
        "capacity withdraw dana asset_owner:patients --reason left",
        "capacity list",
        "approval show 00000000-0000-4000-8000-000000000000",
        "approval approve 00000000-0000-4000-8000-000000000000 --yes",
        "approval deny 00000000-0000-4000-8000-000000000000 --reason-code precaution",
        "approval execute 00000000-0000-4000-8000-000000000000 --out token --force",
        "approval cancel 00000000-0000-4000-8000-000000000000 --reason wrong",
        "break-glass open --holder nadia --key orders/pan --key orders/old --for 2h --reason down",
        "break-glass open --holder nadia --key orders/pan --reason-code precaution",
        "break-glass list --state ended --limit 5",
        "break-glass show 00000000-0000-4000-8000-000000000000",
        "break-glass close 00000000-0000-4000-8000-000000000000 --reason up",
        "break-glass review 00000000-0000-4000-8000-000000000000 --verdict unjustified --reason nothing",
        "principal cancel-recovery officer-3 --reason unknown --yes",
        "plan -f policy",
        "plan --files policy --exit-code -o json",
        "apply -f policy --reason reviewed --yes",
        "apply -f policy --reason-code duties_changed",
        "export policy --out policy --force",
        "drift -f policy",
        "drift -f policy --record",
        "governance show",
        "governance set --quorum 2 --approval-lifetime 3d --human-grant-lifetime never --if-revision 1 --reason why",
        "governance set --break-glass-lifetime 1h --compromise-burst 5 --reason-code precaution",
        "key create orders/pan --data-class cardholder --label team=a --label tier=1",
        "key list --ring orders --state active --page-all",
        "key compromise orders/pan --version 3 --reason leaked --yes",
        "key explain orders/pan --principal shop",
        "key explain orders/pan --at 2026-03-01T00:00:00Z",
        "key explain orders/pan --at 30d --principal shop",
        "key destroy orders/pan --in 30 --reason over",
        "key destroy orders/pan --in 2w --reason over",
        "key cancel-destroy orders/pan",
        "key suspend orders/pan --reason-code compromise_suspected",
        "key deactivate orders/pan --reason-code superseded --reason replaced",
        "key resume orders/pan --reason found",
        "key create orders/pan --imported",
        "key import orders/pan --material - --expires 365d",
        "key import orders/pan --material key.pem --wrapping rsaes-oaep-sha256 --wrapping-spec rsa-2048 --new-material",
        "key import orders/pan --wrapped w --import-token t --version 1",
        "key import-parameters orders/pan --public-key wrap.pem --import-token t",
        "key remove-material orders/pan --yes",
        "key activate orders/pan",
        "key alias add app/Pan orders/pan",
        "key alias move app/Pan orders/other",
        "key alias remove app/Pan",
        "key alias list --ring orders --limit 5",
        "asset add patients --class ephi --owner ada",
        "asset create patients --class personal-special",
        "asset list --limit 5",
        "asset show patients",
        "declaration add parameter access_review_days 90 --basis asked --effective-from 2027-01-01T00:00:00Z",
        "declaration add build --file claviger --title release --effective-from 2d",
        "declaration add build --digest e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --sort configuration --title memory",
        "declaration add document policy.pdf --sort policy --title Policy --covers GOV-01 --covers GOV-04 --next-review 180d",
        "declaration add device hsm-7 --sort hsm --standard FIPS --certificate 4711 --level 3 --status active --status-checked 2d",
        "declaration add module m --sort library --responsible 00000000-0000-4000-8000-000000000000",
        "declaration add supplier s --sort hosting --support-ends 365d",
        "declaration list --kind parameter --subject period_days --limit 5",
        "declaration show 00000000-0000-4000-8000-000000000000",
        "declaration withdraw 00000000-0000-4000-8000-000000000000 --reason wrong",
        "attest ATT-POLICY --scope asset:00000000-0000-4000-8000-000000000000 --valid-until 30d --evidence f --yes",
        "encrypt --envelope file --key orders/pan -O out --context a=b --context c=d=e",
        "decrypt out",
        "decrypt -",
        "reencrypt file --key orders/pan",
        "reencrypt file --to orders/other --context a=b --to-context c=d",
        "datakey --key orders/pan --bytes 16 --without-plaintext",
        "sign file --key s/k --algorithm rsa-pss-sha256 --prehashed",
        "verify file --key s/k --signature sig --encoding base64",
        "verify-mac file --key s/k --tag tag --version 1",
        "agree --key a/k --peer peer.pem --out secret",
        "random --bytes 64 --encoding hex",
        "public-key --key s/k --form der",
        "principal create shop --kind workload",
        "principal create gina --kind human --same-person-as custodian-2",
        "principal acknowledge-recovery officer-3",
        "principal erase carla --reason-code erasure_request --reason asked --yes",
        "principal leave carla",
        "principal leave carla --reason left --yes",
        "rights list",
        "rights confirm 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "access analyze",
        "access analyze --size 2 --goal 1",
        "access report --csv",
        "access report --at 30d",
        "role assign alice security_officer --reason hired",
        "role withdraw alice security_officer --reason left",
        "reason erase 00000000-0000-4000-8000-000000000000 --reason asked",
        "grant create shop --key orders/pan --operations encrypt,decrypt --context k=v --source 10.0.0.0/8 --until 30d --reason why",
        "grant create shop --ring orders --operations verify-mac --reason why",
        "credential create shop --token --lifetime 90d --out t",
        "credential create shop --certificate c.pem",
        "credential create ada --certificate c.pem --until 2027-01-31T00:00:00Z",
        "credential renew",
        "credential renew --lifetime 30d",
        "credential renew --request next.csr",
        "credential renew --certificate next.pem --key next.key",
        "audit tail -f -n 5",
        "audit tail --follow --from 4712",
        "audit search --key a/b --op decrypt --outcome denied --since 2h --until 2027-01-01T00:00:00Z",
        "audit search --principal ada --operation rotate-key --from monday --to 2027-01-01 --page-all",
        "audit search --asset patients --from 7d",
        "audit search --credential 01010101-0101-0101-0101-010101010101 --from 17 --to 99",
        "audit disclose --from 5 --to 9 --level full --out who.disclosure",
        "audit prove 12 --out proof",
        "audit prove --receipt r",
        "demo --dir d --megabytes 60",
        "demo --input d",
        "demo data --out d --megabytes 1",
        "audit export --out d",
        "audit export --out d --without-state",
        "audit verify --dir d --offline --root-vkey k",
        "audit snapshot",
        "audit scan",
        "audit root-vkey --out root.vkey",
        "audit state --at 2h --kind grant",
        "audit state --entry 7 --id 00000000-0000-4000-8000-000000000000/1 --dir d --offline",
        "completions bash",
        "man --out d",
    ] {
        assert_eq!(parse(line), Ok(()), "{line}");
    }
}

#[test]
fn what_must_not_parse_does_not() {
    for line in [
        "access review open --scope some",
        "access review open --due-in 1mo",
        "access review show",
        "access review decide 00000000-0000-4000-8000-000000000000 --keep shop@",
        "access review close orders",
        "capacity give dana boss --reason why",
        "capacity give dana key_owner --reason why",
        "capacity give dana dpo",
        "break-glass open --holder nadia --reason down",
        "break-glass open --key orders/pan --reason down",
        "break-glass open --holder nadia --key orders/pan",
        "break-glass review 00000000-0000-4000-8000-000000000000 --reason nothing",
        "break-glass review 00000000-0000-4000-8000-000000000000 --verdict perhaps --reason nothing",
        "break-glass close 00000000-0000-4000-8000-000000000000",
        "key create pan",
        "key create orders/pan --purpose everything",
        "key compromise orders/pan --version 0 --reason r",
        "key compromise orders/pan --version 1 --yes",
        "key suspend orders/pan",
        "key suspend orders/pan --reason-code whim",
        "key deactivate orders/pan",
        "key create orders/pan --imported --pre-active",
        "key import orders/pan",
        "key import orders/pan --wrapped w",
        "key import orders/pan --material m --import-token t",
        "key import orders/pan --wrapped w --import-token t --wrapping rsaes-oaep-sha1",
        "key import-parameters orders/pan --public-key wrap.pem --import-token t --wrapping-spec ec-p256",
        "key destroy orders/pan",
        "key destroy orders/pan --in 0 --reason r",
        "key destroy orders/pan --in 366 --reason r",
        "key destroy orders/pan --in 12h --reason r",
        "principal revoke shop --yes",
        "principal erase shop --yes",
        "principal leave",
        "principal leave carla --reason-code misuse",
        "ring separation orders relaxed",
        "ring update orders --quorum 1",
        "ring update orders --grants-under-quorum maybe --reason r",
        "alert close 00000000-0000-4000-8000-000000000000",
        "alert show orders/main",
        "alert list --rule some",
        "alert triage 00000000-0000-4000-8000-000000000000",
        "plan",
        "apply -f policy",
        "apply --reason reviewed",
        "export",
        "export policy",
        "drift",
        "approval approve",
        "approval approve orders/main",
        "approval deny 00000000-0000-4000-8000-000000000000",
        "approval cancel 00000000-0000-4000-8000-000000000000",
        "approval list --state some",
        "governance set --quorum 2",
        "governance set --quorum 300 --reason r",
        "governance set --approval-lifetime never --reason r",
        "role assign alice auditor",
        "clock confirm",
        "rights confirm",
        "rights confirm 9f86",
        "access analyze --size 3",
        "access analyze --goal 5",
        "key alias add aws/pan orders/pan",
        "key list --limit 0",
        "key list --limit 5 --page-all",
        "ring create Orders",
        "asset add patients",
        "asset add patients --class secret",
        "declaration add",
        "declaration add parameter access_review_days 90",
        "declaration add parameter access_review_days 9@ --basis asked",
        "declaration add build --title release",
        "declaration add build --digest e3b0 --title release",
        "declaration add document policy.pdf --sort letter --title Policy",
        "declaration add exception x",
        "declaration withdraw 00000000-0000-4000-8000-000000000000",
        "attest",
        "attest ATT-NOTHING",
        "attest ATT-POLICY --scope asset",
        "grant create shop --key a/b --ring a --operations encrypt --reason r",
        "grant create shop --operations encrypt --reason r",
        "grant create shop --key a/b --operations create_ring --reason r",
        "grant create shop --key a/b --operations encrypt",
        "grant create shop --key a/b --operations encrypt --source 10.0.0.0/33 --reason r",
        "credential create shop",
        "credential create shop --token --certificate c",
        "credential create shop --token --lifetime 1y",
        "credential create ada --enrolment-code --token",
        "credential create ada --enrolment-code --to-confirm",
        "credential create ada --token --to-confirm",
        "credential create ada --enrolment-code --until 3d",
        "credential confirm",
        "enrol --url https://kms.example.org:7400 --ca ca.crt --out d",
        "enrol cve_abc --url https://kms.example.org:7400 --ca ca.crt --code-file c --out d",
        "credential create shop --token --until 30d",
        "credential create shop --certificate c --until 30d --lifetime 30d",
        "credential renew shop",
        "credential renew --certificate next.pem",
        "credential renew --key next.key",
        "credential renew --request next.csr --lifetime 30d",
        "credential renew --request next.csr --certificate next.pem --key next.key",
        "encrypt file",
        "encrypt file --key a/b --context novalue",
        "audit prove",
        "audit search --op burn",
        "audit tail -n 5 --from 7",
        "audit search --from someday",
        "audit search --to 1h --until 1h",
        "audit disclose --level some --out f",
        "audit disclose --level full",
        "compliance report --out pack --disclosure who.disclosure",
        "compliance report --out pack --offline --dir export --redaction full",
        "audit verify --offline",
        "audit state --at 2h --entry 7",
        "audit state --kind tree",
        "demo --input d --megabytes 3",
        "random --bytes 0",
        "role assign alice king --reason r",
        "-o xml status",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn no_option_takes_a_secret_as_its_value() {
    fn walk(command: &clap::Command, path: &str) {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let takes_text = argument.get_action().takes_values();
            let secretive =
                ["password", "passphrase", "pin", "secret", "token", "plaintext", "code", "enrolment_code"];
            let is_secret = secretive.contains(&name);
            assert!(
                !(is_secret && takes_text),
                "{path} --{name} would put a secret into the argument vector"
            );
        }
        for child in command.get_subcommands() {
            walk(child, &format!("{path} {}", child.get_name()));
        }
    }
    walk(&part(), "claviger");
}

#[test]
fn help_is_the_golden_one() {
    fn print(command: &mut clap::Command, path: &str, out: &mut String) {
        let help = command.clone().term_width(100).render_long_help();
        out.push_str(&format!("==== {path}\n{help}\n"));
        let names: Vec<_> = command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            if let Some(child) = command.find_subcommand_mut(name) {
                print(child, &format!("{path} {name}"), out);
            }
        }
    }
    let mut whole = part().term_width(100);
    whole.build();
    let mut printed = String::new();
    print(&mut whole, "claviger", &mut printed);
    let printed: String = printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/help.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == printed,
        "golden/help.txt differs; UPDATE_GOLDEN=1 rewrites it, and the diff is the change of the command line"
    );
}
