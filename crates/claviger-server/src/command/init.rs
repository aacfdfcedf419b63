//! `claviger init`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::TypedValueParser;
use claviger_core::Name;
use claviger_core::governance::Governance;
use claviger_core::port::Clock as _;

use super::output::Output;
use super::pin::PinArgs;
use super::root::RootArgs;
use super::serve::on_runtime;
use crate::clock::SystemClock;
use crate::config::{Log, LogFormat};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::init::{FirstPeople, InitOptions, SetUp, init, renew, sign};
use crate::telemetry;

/// Options of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Makes the data directory, the certificates that are missing, the root, and the first principals: `administrator`, \
`auditor`, `custodian-1`, `custodian-2`, `custodian-3`, `operator`, `responder`, `security_officer` and `security_officer-2`. Each gets a \
code, beside the configuration under `profiles/`, by which its owner enrols within 30 days, with a key that nobody else has seen: \
`claviger enrol`. Hand the codes over, and keep no copy. Interrupted, run it again: it goes on where it was."
)]
pub struct InitArgs {
    /// Configuration; written first if it is not there
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", default_value = "/etc/claviger/claviger.toml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    pin: PinArgs,
    /// One more name or address that the server is reached by; may be given many times
    #[arg(long = "san", value_name = "NAME")]
    names: Vec<String>,
    /// Name of the deployment, the origin of its logs; a random one unless said otherwise
    #[arg(long, value_name = "NAME")]
    deployment: Option<Name>,
    /// How many custodians must approve what concerns the whole deployment: roles, credentials of those who hold one, rules
    ///
    /// `init` makes three custodians. With 0, one person alone can do all of that, and `doctor` and every evaluation say so.
    #[arg(long, value_name = "N", default_value_t = Governance::QUORUM, value_parser = quorums())]
    quorum: u8,
    /// The certificate request (PKCS #10, PEM or DER) of one of the first people, who has made a key already; may be given many times
    ///
    /// `claviger credential renew --request FILE` makes such a key and request. The person gets a certificate for it, and no code.
    #[arg(long = "request", value_name = "NAME=FILE", value_parser = request)]
    requests: Vec<(Name, PathBuf)>,
    /// Make the keys of all the first people here, in one folder: whoever runs this can then act as every one of them
    #[arg(long, conflicts_with = "requests")]
    certificates: bool,
    /// Only make a new certificate for the server, from the deployment's authority
    #[arg(long)]
    renew: bool,
    /// Only sign a certificate request (PKCS #10, PEM or DER) of a person or an application, by the deployment's authority
    #[arg(long, value_name = "REQUEST", requires = "principal", conflicts_with_all = ["renew", "names"])]
    sign: Option<PathBuf>,
    /// With `--sign`: for whom, by the name of the principal
    #[arg(long = "for", value_name = "NAME", requires = "sign")]
    principal: Option<Name>,
    /// With `--sign`: file for the certificate [default: the request's name, with `.crt`]
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
}

/// Whose request, and in which file.
fn request(text: &str) -> Result<(Name, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("NAME=FILE is expected, as in `auditor=auditor.csr`")?;
    let name = name.parse().map_err(|error: claviger_core::name::NotAName| error.to_string())?;
    Ok((name, PathBuf::from(file)))
}

/// No more can be asked to approve than there are custodians.
fn quorums() -> impl TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(0..=i64::from(SetUp::CUSTODIANS))
}

pub(super) fn run(args: InitArgs, output: Output) -> Result<ExitCode, ServerError> {
    telemetry::start(&Log { level: "warn".to_owned(), format: LogFormat::Text });
    let _ = Hardening::apply();
    if args.renew {
        let path = renew(&args.config, &args.names)?;
        let reported = serde_json::json!({ "certificate": path });
        let text = format!(
            "new certificate in `{}`; `systemctl reload claviger`, or SIGHUP, puts it to use",
            path.display()
        );
        output.print(&reported, &text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(request), Some(principal)) = (&args.sign, &args.principal) {
        let out = args.out.clone().unwrap_or_else(|| request.with_extension("crt"));
        let expires_at = sign(&args.config, request, principal, &out)?;
        let reported = serde_json::json!({ "certificate": out });
        let days = expires_at.since(SystemClock.now()).as_secs() / 86_400;
        let text = format!(
            "certificate of `{principal}` for {days} days in `{out}`\n  \
             next: a security officer enters it by `claviger credential create {principal} --certificate {out}`; where it renews a \
             credential, its holder puts it to use by `claviger credential renew --certificate {out} --key KEY`",
            out = out.display()
        );
        output.print(&reported, &text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = args.root.resolve()?;
    let options = InitOptions {
        config: args.config,
        root,
        few_attempts: args.pin.few_attempts(),
        names: args.names,
        deployment: args.deployment,
        quorum: args.quorum,
        people: match args.certificates {
            true => FirstPeople::Certificates,
            false => FirstPeople::OwnKeys(args.requests),
        },
    };
    let set_up = on_runtime(init(&options))?;
    let reported = serde_json::json!({
        "config": set_up.config, "root": set_up.root, "quorum": set_up.quorum,
        "profiles": by_name(&set_up.profiles), "codes": by_name(&set_up.codes),
    });
    output.print(&reported, &next_steps(&set_up))?;
    Ok(ExitCode::SUCCESS)
}

const OFFLINE: &str = "move `ca.key` to a place that is offline";
const STATEMENT: &str =
    "let each sign that the key is theirs alone:  claviger attest ATT-ENROLMENT --scope credential:ID";

/// Files, by whose they are.
fn by_name(files: &[(&'static str, PathBuf)]) -> serde_json::Map<String, serde_json::Value> {
    files.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string().into())).collect()
}

fn next_steps(set_up: &SetUp) -> String {
    let config = set_up.config.display();
    let serve = ["doctor", "serve"].map(|command| format!("claviger {command} --config {config}"));
    let mut steps = Vec::new();
    match set_up.people {
        FirstPeople::Certificates => {
            steps.push(hand_over("profiles", &set_up.profiles));
            steps.push(format!("{OFFLINE}; it is needed only for new certificates"));
            steps.extend(serve);
        }
        FirstPeople::OwnKeys(_) => {
            if !set_up.profiles.is_empty() {
                steps.push(hand_over("certificates and profiles", &set_up.profiles));
            }
            steps.extend(serve);
            steps.extend(enrolment(set_up));
            steps.push(format!("{OFFLINE}, once all have enrolled"));
            steps.push(STATEMENT.to_owned());
        }
    }
    let numbered = steps.iter().enumerate().map(|(at, step)| format!("  {}. {step}", at + 1));
    format!(
        "\
the deployment is set up; its root is in: {root}
{approvals}

next:
{steps}",
        root = set_up.root,
        approvals = approvals(set_up.quorum),
        steps = numbered.collect::<Vec<_>>().join("\n"),
    )
}

/// That each gets what is theirs.
fn hand_over(what: &str, files: &[(&'static str, PathBuf)]) -> String {
    let folder = files.first().and_then(|(_, path)| path.parent()).unwrap_or(std::path::Path::new("."));
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    format!(
        "hand each of the {what} in `{}` to its owner, and keep no copy:\n     {}",
        folder.display(),
        names.join(", ")
    )
}

/// What those do who have codes.
fn enrolment(set_up: &SetUp) -> Vec<String> {
    let Some((name, _)) = set_up.codes.first() else { return Vec::new() };
    let (authority, days, control) = (SetUp::AUTHORITY, SetUp::CODE_DAYS, &set_up.control);
    let handed = hand_over("codes", &set_up.codes);
    vec![
        format!("{handed}\n     with `{authority}`, which is no secret"),
        format!(
            "let each enrol within {days} days, where they work:\n     claviger enrol --url {control} --ca {authority} --code-file {name}.code \
             --out FOLDER"
        ),
    ]
}

/// What of the deployment one person cannot do alone.
fn approvals(quorum: u8) -> String {
    let custodians = SetUp::CUSTODIANS;
    match quorum {
        0 => "warning: no approval is asked for: one person alone gives roles, makes credentials for those who hold one, and changes rules; \
              `claviger governance set --quorum 2` changes that"
            .to_owned(),
        _ if quorum == custodians => format!(
            "{quorum} of {custodians} custodians must approve roles, credentials of those who hold one, and rules; warning: that is all of \
             them, so that the absence of one stops it"
        ),
        _ => format!(
            "{quorum} of {custodians} custodians must approve roles, credentials of those who hold one, and rules: `claviger approval list`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_says_whom_a_set_up_makes() {
        let command = InitArgs::augment_args(clap::Command::new("init"));
        let help = command.get_after_help().unwrap().to_string();
        for name in SetUp::names() {
            assert!(help.contains(&format!("`{name}`")), "{name}");
        }
        assert!(help.contains(&format!("within {} days", SetUp::CODE_DAYS)), "{help}");
    }

    #[test]
    fn a_request_is_of_somebody_and_in_a_file() {
        let (name, file) = request("auditor=a=b.csr").unwrap();
        assert_eq!((name.as_str(), file), ("auditor", PathBuf::from("a=b.csr")));
        assert!(request("auditor").is_err() && request("No Name=file").is_err());
    }
}
