//! An example for each command that has none of its own: what its help, its manual page and `--help` end with.

use clap::Command;

/// Commands by their path, with the line that shows one.
const EXAMPLES: &[(&str, &str)] = &[
    ("quickstart", "claviger quickstart --evaluation"),
    (
        "init",
        "claviger init --config /etc/claviger/claviger.toml --root pkcs11 --library MODULE.so --token LABEL --pin-file PIN",
    ),
    ("serve", "claviger serve --config /etc/claviger/claviger.toml"),
    ("doctor", "claviger doctor --config /etc/claviger/claviger.toml"),
    ("status", "claviger status -o json"),
    ("ring create", "claviger ring create orders --rotation-period 90d"),
    ("ring list", "claviger ring list"),
    ("ring show", "claviger ring show orders"),
    (
        "ring update",
        "claviger ring update orders --rotation-period 30d --reason 'new policy of cryptoperiods'",
    ),
    ("ring separation", "claviger ring separation trials relaxed --reason evaluation"),
    ("key create", "claviger key create orders/pan --data-class cardholder --rotation-period 90d"),
    ("key list", "claviger key list --ring orders --state active"),
    ("key show", "claviger key show orders/pan"),
    ("key versions", "claviger key versions orders/pan"),
    ("key update", "claviger key update orders/pan --description 'cards at rest' --label team=payments"),
    ("key rotate", "claviger key rotate orders/pan"),
    ("key activate", "claviger key activate orders/pan"),
    ("key suspend", "claviger key suspend orders/pan --reason-code compromise_suspected"),
    ("key resume", "claviger key resume orders/pan --reason 'the suspicion was wrong'"),
    ("key deactivate", "claviger key deactivate orders/pan --reason-code superseded"),
    ("key compromise", "claviger key compromise orders/pan --version 3 --reason 'seen in a core dump'"),
    ("key destroy", "claviger key destroy orders/pan --in 30d --reason 'the contract ended'"),
    ("key cancel-destroy", "claviger key cancel-destroy orders/pan"),
    ("key alias add", "claviger key alias add app/orders orders/pan"),
    ("key alias move", "claviger key alias move app/orders orders/next"),
    ("key alias remove", "claviger key alias remove app/orders"),
    ("key alias list", "claviger key alias list --ring orders"),
    ("key explain", "claviger key explain orders/pan --principal shop"),
    ("asset add", "claviger asset add patients --class ephi --owner ada"),
    ("asset list", "claviger asset list"),
    ("asset show", "claviger asset show patients"),
    (
        "declaration add parameter",
        "claviger declaration add parameter access_review_days 90 --basis 'PCI DSS 7.2.4, as the auditor asked'",
    ),
    (
        "declaration add build",
        "claviger declaration add build --file /usr/local/bin/claviger --title 'release 0.9.1, ticket 4711'",
    ),
    (
        "declaration add document",
        "claviger declaration add document policy.pdf --sort policy --title 'Key management policy' --covers GOV-01",
    ),
    (
        "declaration add supplier",
        "claviger declaration add supplier 'Example Hosting' --sort hosting --support-ends 2028-12-31T00:00:00Z",
    ),
    (
        "declaration add device",
        "claviger declaration add device 'HSM in rack 7' --sort hsm --standard 'FIPS 140-3' --certificate 4711 --level 3",
    ),
    (
        "declaration add module",
        "claviger declaration add module 'Example Module 2.1' --sort library --standard 'FIPS 140-3' --certificate 4712",
    ),
    ("declaration list", "claviger declaration list --kind parameter"),
    ("declaration show", "claviger declaration show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "declaration withdraw",
        "claviger declaration withdraw 0196f0a4-0000-7000-8000-000000000000 --reason 'another value was decided'",
    ),
    ("plan", "claviger plan -f policy"),
    ("apply", "claviger apply -f policy --reason 'the policy as reviewed in merge request 4711'"),
    ("export policy", "claviger export policy --out policy"),
    ("drift", "claviger drift -f policy --record"),
    ("encrypt", "claviger encrypt order.txt --key orders/pan --context order=17 --out order.sealed"),
    ("decrypt", "claviger decrypt order.sealed --context order=17 --out order.txt"),
    ("datakey", "claviger datakey --key orders/pan --bytes 32 --out data.key"),
    ("sign", "claviger sign release.tar --key releases/main --out release.sig"),
    ("verify", "claviger verify release.tar --key releases/main --signature release.sig"),
    ("mac", "claviger mac token --key tokens/main --out token.mac"),
    ("verify-mac", "claviger verify-mac token --key tokens/main --tag token.mac"),
    ("wrap", "claviger wrap aes.key --key orders/kek --out aes.wrapped"),
    ("unwrap", "claviger unwrap aes.wrapped --key orders/kek --out aes.key"),
    ("encapsulate", "claviger encapsulate --key peers/kem --out capsule --secret-out shared"),
    ("decapsulate", "claviger decapsulate capsule --key peers/kem --out shared"),
    ("agree", "claviger agree --key peers/agree --peer peer.pem --out shared"),
    ("random", "claviger random --bytes 32 --encoding hex"),
    ("public-key", "claviger public-key --key releases/main --out release.pem"),
    ("principal list", "claviger principal list"),
    ("principal show", "claviger principal show shop"),
    ("principal revoke", "claviger principal revoke shop --reason-code credential_lost"),
    ("role assign", "claviger role assign ada administrator --reason 'joined the platform team'"),
    ("role withdraw", "claviger role withdraw ada administrator --reason-code duties_changed"),
    ("role list", "claviger role list"),
    ("role show", "claviger role show administrator"),
    ("capacity give", "claviger capacity give dana dpo --reason 'appointed by the board'"),
    (
        "capacity withdraw",
        "claviger capacity withdraw dana key_owner:orders/pan --reason-code duties_changed",
    ),
    ("capacity list", "claviger capacity list"),
    (
        "grant create",
        "claviger grant create shop --key orders/pan --operations encrypt,decrypt --until 365d --reason 'the shop'",
    ),
    ("grant list", "claviger grant list --principal shop"),
    ("grant show", "claviger grant show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "grant revoke",
        "claviger grant revoke 0196f0a4-0000-7000-8000-000000000000 --reason-code privilege_withdrawn",
    ),
    (
        "credential confirm",
        "claviger --profile alice.toml credential confirm 0196f0a4-0000-7000-8000-000000000000",
    ),
    ("credential renew", "claviger --profile alice.toml credential renew"),
    ("credential list", "claviger credential list --principal shop"),
    ("credential show", "claviger credential show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "credential revoke",
        "claviger credential revoke 0196f0a4-0000-7000-8000-000000000000 --reason-code credential_lost",
    ),
    (
        "enrol",
        "claviger enrol --url https://kms.example.org:7400 --ca ca.crt --code-file alice.code --out ~/claviger",
    ),
    ("approval list", "claviger approval list"),
    ("approval show", "claviger approval show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "approval approve",
        "claviger --profile custodian-1.toml approval approve 0196f0a4-0000-7000-8000-000000000000",
    ),
    (
        "approval deny",
        "claviger --profile custodian-1.toml approval deny 0196f0a4-0000-7000-8000-000000000000 --reason 'the contract runs on'",
    ),
    ("approval execute", "claviger approval execute 0196f0a4-0000-7000-8000-000000000000"),
    (
        "approval cancel",
        "claviger approval cancel 0196f0a4-0000-7000-8000-000000000000 --reason 'another key was meant'",
    ),
    ("alert list", "claviger alert list --rule use_while_destroying"),
    ("alert show", "claviger alert show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "alert triage",
        "claviger --profile operator.toml alert triage 0196f0a4-0000-7000-8000-000000000000 --reason 'the batch job of orders; its owner is told'",
    ),
    (
        "alert close",
        "claviger --profile responder.toml alert close 0196f0a4-0000-7000-8000-000000000000 --reason 'the job uses the new key now'",
    ),
    ("access analyze", "claviger --profile auditor.toml access analyze --size 2"),
    (
        "access review open",
        "claviger access review open --scope humans --due-in 30d --reason 'second half of the year'",
    ),
    ("access review list", "claviger access review list --state all"),
    (
        "access review show",
        "claviger access review show 0196f0a4-0000-7000-8000-000000000000 --undecided --page-all --csv > review.csv",
    ),
    (
        "access review decide",
        "claviger access review decide 0196f0a4-0000-7000-8000-000000000000 --remove shop@orders --keep-rest",
    ),
    (
        "access review close",
        "claviger --profile security_officer.toml access review close 0196f0a4-0000-7000-8000-000000000000 --reason 'as decided'",
    ),
    ("access report", "claviger --profile auditor.toml access report --at 90d --csv > rights.csv"),
    (
        "break-glass open",
        "claviger --profile responder.toml break-glass open --holder nadia --key orders/pan --for 2h --reason 'refunds while the shop is down'",
    ),
    ("break-glass list", "claviger break-glass list --state ended"),
    ("break-glass show", "claviger break-glass show 0196f0a4-0000-7000-8000-000000000000"),
    (
        "break-glass close",
        "claviger break-glass close 0196f0a4-0000-7000-8000-000000000000 --reason 'the shop is up again'",
    ),
    (
        "break-glass review",
        "claviger break-glass review 0196f0a4-0000-7000-8000-000000000000 --verdict justified --reason '14 refunds, each in ticket 4711'",
    ),
    ("governance show", "claviger governance show"),
    (
        "governance set",
        "claviger governance set --quorum 2 --human-grant-lifetime 90d --reason 'there are three custodians now'",
    ),
    ("audit tail", "claviger audit tail --follow"),
    ("audit prove", "claviger audit prove --receipt receipts"),
    ("audit checkpoint", "claviger audit checkpoint --out checkpoint"),
    ("audit verify", "claviger audit verify"),
    ("audit export", "claviger audit export --out evidence"),
    ("compliance frameworks", "claviger compliance frameworks"),
    ("compliance explain", "claviger compliance explain STOR-01"),
    ("demo data", "claviger demo data --out records --megabytes 50"),
    ("completions", "claviger completions bash > /etc/bash_completion.d/claviger"),
    ("man", "claviger man --out /usr/local/share/man/man1"),
];

/// The command line, each command with its example.
#[must_use]
pub fn with_examples(whole: Command) -> Command {
    below(whole, "")
}

fn below(mut command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|part| part.get_name().to_owned()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |part| below(part, &path));
    }
    let example = EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, line)| format!("Example: {line}"));
    match (example, command.get_after_help().map(ToString::to_string)) {
        (None, _) => command,
        (Some(example), None) => command.after_help(example),
        (Some(example), Some(more)) => command.after_help(format!("{more}\n\n{example}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part;

    fn leaves(command: &Command, path: String, into: &mut Vec<String>) {
        let parts: Vec<_> = command.get_subcommands().filter(|part| part.get_name() != "help").collect();
        if parts.is_empty() {
            into.push(path);
            return;
        }
        for part in parts {
            let path = format!("{path} {}", part.get_name()).trim_start().to_owned();
            leaves(part, path, into);
        }
    }

    #[test]
    fn every_example_of_these_commands_parses() {
        let (whole, mut all) = (part(), Vec::new());
        leaves(&whole, String::new(), &mut all);
        for (path, line) in EXAMPLES.iter().filter(|(path, _)| all.contains(&(*path).to_owned())) {
            let words = line.split(" > ").next().unwrap_or_default();
            let mut quoted = false;
            let split = words.split(|c: char| {
                quoted ^= c == '\'';
                c == ' ' && !quoted
            });
            let parsed = part().try_get_matches_from(split.map(|word| word.trim_matches('\'')));
            assert!(
                parsed.is_ok(),
                "`{path}`: {}",
                parsed.err().map(|error| error.to_string()).unwrap_or_default()
            );
        }
    }
}
