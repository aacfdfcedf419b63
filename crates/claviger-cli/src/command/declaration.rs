//! `claviger declaration …`.

use clap::{Args, Subcommand};
use claviger_client::types::Pairs;
use claviger_client::types::declaration::{
    Attestation, Build, Declaration, Declare, Declared, Document, ListDeclarations, Parameter, Supply,
};
use claviger_client::types::text::Sha256;
use claviger_compliance::Catalogue;
use claviger_core::declaration::{BuildSort, DeclarationKind, DocumentSort, Plain};
use claviger_core::{DeclarationId, PrincipalId};
use claviger_crypto::digest::sha256;

use super::paging::Paging;
use super::reason::{WhyArgs, reported};
use crate::clock;
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::input::when::{self, When};
use crate::input::word::one_of;
use crate::output::{Table, named, record};
use crate::session::Session;

/// Longest document, in bytes.
pub(super) const MAX_DOCUMENT: u64 = 256 << 20;

/// Commands about declarations.
#[derive(Debug, Subcommand)]
pub enum DeclarationCommand {
    /// Declare what no machine can know
    #[command(subcommand)]
    Add(AddCommand),
    /// List declarations
    List(ListArgs),
    /// Show one declaration
    Show(ShowArgs),
    /// Withdraw a declaration: it stays, and is in force no more
    Withdraw(WithdrawArgs),
}

/// What is declared.
#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// A parameter of the catalogue of controls, as your organization sets it
    ///
    /// `claviger compliance explain CONTROL` shows parameters with their defaults. It is in force from the instant that it names, and
    /// never from before it was declared; of several the one that began last. Evaluations say which are declared.
    Parameter(ParameterArgs),
    /// A program or a configuration that may run, by its digest; custodians approve it
    ///
    /// Nodes say by which program and which configuration they run: `claviger status` shows both. Evaluations (GOV-05) hold each against those
    /// that were approved before it ran. Withdraw one, and it may not run any more.
    Build(BuildArgs),
    /// A policy, a procedure, a plan or a risk record, by its digest; the document itself stays with you
    Document(DocumentArgs),
    /// A supplier who holds keys, or works with them
    Supplier(SupplyArgs),
    /// A device that keys are in, or that works with them
    Device(SupplyArgs),
    /// A cryptographic module
    Module(SupplyArgs),
}

/// A parameter.
#[derive(Debug, Args)]
pub struct ParameterArgs {
    /// Its name in the catalogue
    name: Plain,
    /// Its value: the words of the default with other numbers, or one number; a date for a date
    #[arg(value_name = "WORDS")]
    value: Plain,
    /// Where that comes from
    #[arg(long, value_name = "TEXT")]
    basis: String,
    /// From when on: RFC 3339, or so long from now [default: now]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    effective_from: Option<When>,
}

/// A program or a configuration.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["file", "digest"])))]
pub struct BuildArgs {
    /// Its file, of which nothing but its SHA-256 is sent
    #[arg(long, value_name = "FILE")]
    file: Option<Source>,
    /// Its SHA-256, as `claviger status` and whoever builds it say it
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Sha256>,
    /// What it is
    #[arg(long, value_parser = one_of::<BuildSort>(BuildSort::ALL.map(BuildSort::name)), default_value = "build")]
    sort: BuildSort,
    /// What it is called, and what was changed
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// From when on it may run: RFC 3339, or so long from now [default: now]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    effective_from: Option<When>,
}

/// A document.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    /// The file, of which nothing but its SHA-256 is sent
    file: Source,
    /// What it is
    #[arg(long, value_parser = one_of::<DocumentSort>(DocumentSort::ALL.map(DocumentSort::name)))]
    sort: DocumentSort,
    /// What it is called
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// When it was last reviewed: RFC 3339, or so long ago [default: now]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    reviewed: Option<When>,
    /// When it is to be reviewed again: RFC 3339, or so long from now
    #[arg(long, value_name = "WHEN", value_parser = when::parse, default_value = "365d")]
    next_review: When,
    /// A control, a parameter or an object that it covers; may be given many times
    #[arg(long = "covers", value_name = "WORDS")]
    covers: Vec<Plain>,
}

/// A supplier, a device or a module.
#[derive(Debug, Args)]
pub struct SupplyArgs {
    /// What it is called
    name: String,
    /// What it is, as in `hsm` or `hosting`
    #[arg(long, value_name = "WORDS")]
    sort: Plain,
    /// The standard that it was held against, as in `FIPS 140-3`
    #[arg(long, value_name = "WORDS")]
    standard: Option<Plain>,
    /// The number of the certificate that says so
    #[arg(long, value_name = "WORDS")]
    certificate: Option<Plain>,
    /// The level reached
    #[arg(long, value_name = "WORDS")]
    level: Option<Plain>,
    /// The status of the certificate, as the list of its issuer has it
    #[arg(long, value_name = "WORDS")]
    status: Option<Plain>,
    /// When that was looked up: RFC 3339, or so long ago
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    status_checked: Option<When>,
    /// When its maker ends support: RFC 3339, or so long from now
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    support_ends: Option<When>,
    /// The person who answers for it, by id
    #[arg(long, value_name = "PRINCIPAL")]
    responsible: Option<PrincipalId>,
}

/// Which declarations.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this kind
    #[arg(long, value_parser = one_of::<DeclarationKind>(DeclarationKind::ALL.map(DeclarationKind::name)))]
    kind: Option<DeclarationKind>,
    /// Only about this: a parameter, a statement, a sort of document or thing
    #[arg(long, value_name = "WORDS")]
    subject: Option<Plain>,
    #[command(flatten)]
    paging: Paging,
}

/// Which declaration.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Declaration, by id
    #[arg(value_name = "ID")]
    declaration: DeclarationId,
}

/// Which declaration to withdraw.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// Declaration, by id
    #[arg(value_name = "ID")]
    declaration: DeclarationId,
    #[command(flatten)]
    why: WhyArgs,
}

impl DeclarationCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let declaration = match self {
            Self::List(args) => return args.run(session).await,
            Self::Add(command) => session.client()?.declare(&command.declare()?).await?,
            Self::Show(args) => session.client()?.read_declaration(args.declaration).await?,
            Self::Withdraw(args) => {
                let why = args.why.into();
                session.client()?.withdraw_declaration(args.declaration, &why).await?
            }
        };
        session.format.print(&declaration.value, table)
    }
}

impl AddCommand {
    fn declare(self) -> Result<Declare, Failure> {
        Ok(match self {
            Self::Parameter(args) => args.declare()?,
            Self::Build(args) => args.declare()?,
            Self::Document(args) => args.declare()?,
            Self::Supplier(args) => args.declare(Declared::Supplier),
            Self::Device(args) => args.declare(Declared::Device),
            Self::Module(args) => args.declare(Declared::Module),
        })
    }
}

impl ParameterArgs {
    fn declare(self) -> Result<Declare, Failure> {
        let catalogue = Catalogue::load().map_err(|error| Failure::failed(error.to_string()))?;
        let known = catalogue
            .find_parameter(self.name.as_str())
            .ok_or_else(|| Failure::usage(format!("the catalogue has no parameter `{}`", self.name)))?;
        if !known.takes(self.value.as_str()) {
            let message = format!("`{}` is no value of `{}`", self.value, self.name);
            return Err(Failure::usage(message).advise(format!("its default is `{}`", known.default)));
        }
        let now = clock::now();
        let effective_from = self.effective_from.map_or(now, |when| when.after(now)).into();
        let parameter = Parameter { name: self.name.into(), value: self.value.into(), effective_from };
        Ok(Declare { declared: Declared::Parameter(parameter), text: self.basis })
    }
}

impl BuildArgs {
    fn declare(self) -> Result<Declare, Failure> {
        let sha256 = match (self.digest, self.file) {
            (Some(digest), _) => digest,
            (None, Some(file)) => Sha256(sha256(&file.read(MAX_DOCUMENT)?)),
            (None, None) => return Err(Failure::usage("say which: `--file FILE`, or `--digest DIGEST`")),
        };
        let now = clock::now();
        let effective_from = self.effective_from.map_or(now, |when| when.after(now)).into();
        let build = Build { sort: self.sort.into(), sha256: sha256.into(), effective_from };
        Ok(Declare { declared: Declared::Build(build), text: self.title })
    }
}

impl DocumentArgs {
    fn declare(self) -> Result<Declare, Failure> {
        let now = clock::now();
        let document = Document {
            sort: self.sort.into(),
            sha256: Sha256(sha256(&self.file.read(MAX_DOCUMENT)?)).into(),
            reviewed_at: self.reviewed.map_or(now, |when| when.before(now)).into(),
            next_review_at: self.next_review.after(now).into(),
            covers: self.covers.into_iter().map(Into::into).collect(),
        };
        Ok(Declare { declared: Declared::Document(document), text: self.title })
    }
}

impl SupplyArgs {
    fn declare(self, of: fn(Supply) -> Declared) -> Declare {
        let now = clock::now();
        let supply = Supply {
            sort: self.sort.into(),
            standard: self.standard.map(Into::into),
            certificate: self.certificate.map(Into::into),
            level: self.level.map(Into::into),
            status: self.status.map(Into::into),
            status_checked_at: self.status_checked.map(|when| when.before(now).into()),
            support_ends_at: self.support_ends.map(|when| when.after(now).into()),
            responsible: self.responsible.map(Into::into),
        };
        Declare { declared: of(supply), text: self.name }
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| {
            let (kind, subject) = (self.kind.map(Into::into), self.subject.clone().map(Into::into));
            Ok(client.list_declarations(&ListDeclarations { kind, subject, cursor, limit }).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["kind", "subject", "what", "declared", "withdrawn", "id"];
            let mut table = Table::new("declarations", &heads);
            for one in &page.items {
                table.row([
                    one.kind.to_string(),
                    one.subject.to_string(),
                    in_short(one),
                    one.declared_at.to_string(),
                    one.withdrawn_at.map(|at| at.to_string()).unwrap_or_default(),
                    one.id.to_string(),
                ]);
            }
            table.text()
        })
    }
}

/// What a declaration says, in a few words.
fn in_short(one: &Declaration) -> String {
    match &one.declared {
        Declared::Attestation(attestation) => format!("until {}", attestation.valid_until),
        Declared::Parameter(parameter) => {
            format!("{} from {}: {}", parameter.value, parameter.effective_from, one.text)
        }
        Declared::Build(build) => format!("{}: {}", build.sha256, one.text),
        Declared::PolicyFiles(files) => {
            format!("{} differences at {}: {}", files.differences, files.compared_at, one.text)
        }
        Declared::Device(_) | Declared::Document(_) | Declared::Module(_) | Declared::Supplier(_) => {
            one.text.clone()
        }
    }
}

/// One declaration, as people are shown it.
pub(super) fn table(one: &Declaration) -> String {
    let mut rows = vec![
        ("kind", one.kind.to_string()),
        ("id", one.id.to_string()),
        ("subject", one.subject.to_string()),
        ("text", one.text.clone()),
    ];
    rows.extend(said(&one.declared, &one.names));
    rows.extend([
        ("declared by", named(&one.names, one.declared_by)),
        ("declared at", one.declared_at.to_string()),
        ("withdrawn by", one.withdrawn_by.map(|by| named(&one.names, by)).unwrap_or_default()),
        ("withdrawn at", shown(one.withdrawn_at.as_ref())),
        ("reason", reported(one.reason.as_ref())),
        ("revision", one.revision.to_string()),
    ]);
    rows.retain(|(_, value)| !value.is_empty());
    record(&rows)
}

fn shown(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn joined(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn said(declared: &Declared, names: &Pairs) -> Vec<(&'static str, String)> {
    match declared {
        Declared::Attestation(attestation) => said_of_statement(attestation),
        Declared::Build(build) => {
            vec![("sha256", build.sha256.to_string()), ("effective from", build.effective_from.to_string())]
        }
        Declared::PolicyFiles(files) => vec![
            ("sha256", files.sha256.to_string()),
            ("differences", files.differences.to_string()),
            ("compared at", files.compared_at.to_string()),
        ],
        Declared::Document(document) => vec![
            ("sha256", document.sha256.to_string()),
            ("reviewed at", document.reviewed_at.to_string()),
            ("next review", document.next_review_at.to_string()),
            ("covers", joined(&document.covers)),
        ],
        Declared::Parameter(parameter) => vec![
            ("value", parameter.value.to_string()),
            ("effective from", parameter.effective_from.to_string()),
        ],
        Declared::Device(supply) | Declared::Module(supply) | Declared::Supplier(supply) => vec![
            ("standard", shown(supply.standard.as_ref())),
            ("certificate", shown(supply.certificate.as_ref())),
            ("level", shown(supply.level.as_ref())),
            ("status", shown(supply.status.as_ref())),
            ("status checked", shown(supply.status_checked_at.as_ref())),
            ("support ends", shown(supply.support_ends_at.as_ref())),
            ("responsible", supply.responsible.map(|id| named(names, id)).unwrap_or_default()),
        ],
    }
}

fn said_of_statement(attestation: &Attestation) -> Vec<(&'static str, String)> {
    let scope = joined(&attestation.scope);
    vec![
        ("deployment", attestation.deployment.to_string()),
        ("statement sha256", attestation.statement_sha256.to_string()),
        ("scope", if scope.is_empty() { "all of it".to_owned() } else { scope }),
        ("signed at", attestation.signed_at.to_string()),
        ("valid until", attestation.valid_until.to_string()),
        ("evidence", joined(&attestation.evidence)),
        ("credential", attestation.credential.to_string()),
        ("method", attestation.method.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Instant;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: DeclarationCommand,
    }

    fn declare(words: &[&str]) -> Declare {
        let line = ["declaration", "add"].iter().chain(words);
        let Line { command } = <Line as clap::Parser>::try_parse_from(line).unwrap();
        let DeclarationCommand::Add(command) = command else { panic!("{command:?}") };
        command.declare().unwrap()
    }

    #[test]
    fn a_document_is_named_by_its_digest_and_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.pdf");
        std::fs::write(&file, "a policy").unwrap();
        let words = [
            "document",
            file.to_str().unwrap(),
            "--sort",
            "risk-record",
            "--title",
            "Risks",
            "--covers",
            "GOV-04",
        ];
        let Declare { declared, text } = declare(&words);
        let Declared::Document(document) = declared else { panic!("{declared:?}") };
        assert_eq!((document.sort.0, text.as_str()), (DocumentSort::RiskRecord, "Risks"));
        assert_eq!(document.sha256.0, Sha256(sha256(b"a policy")));
        assert_eq!(joined(&document.covers), "GOV-04");
        assert!(document.reviewed_at < document.next_review_at);
    }

    #[test]
    fn what_may_run_is_named_by_its_file_or_its_digest_and_by_one_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claviger");
        std::fs::write(&file, "a program").unwrap();
        let digest = Sha256(sha256(b"a program"));
        let (file, hex) = (file.to_str().unwrap(), digest.to_string());
        for line in [["build", "--file", file], ["build", "--digest", &hex]] {
            let line = [&line[..], &["--title", "release 2"]].concat();
            let Declare { declared, text } = declare(&line);
            let Declared::Build(build) = declared else { panic!("{declared:?}") };
            assert_eq!(
                (build.sort.0, build.sha256.0, text.as_str()),
                (BuildSort::Build, digest, "release 2")
            );
        }
        let Declare { declared, .. } =
            declare(&["build", "--digest", &hex, "--sort", "configuration", "--title", "more memory"]);
        let Declared::Build(build) = declared else { panic!("{declared:?}") };
        assert_eq!(build.sort.0, BuildSort::Configuration);
        let refused = |words: &[&str]| {
            let line = ["declaration", "add", "build", "--title", "x"].iter().chain(words);
            <Line as clap::Parser>::try_parse_from(line).is_err()
        };
        assert!(refused(&[]) && refused(&["--file", file, "--digest", &hex]));
        assert!(refused(&["--digest", &hex.to_uppercase()]) && refused(&["--digest", &hex[1..]]));
    }

    #[test]
    fn parameters_and_suppliers_are_put_together_from_the_line() {
        let line = [
            "parameter",
            "access_review_days",
            "90",
            "--basis",
            "PCI 7.2.4",
            "--effective-from",
            "2027-01-01T00:00:00Z",
        ];
        let Declare { declared, text } = declare(&line);
        let expected = Parameter {
            name: "access_review_days".parse().unwrap(),
            value: "90".parse().unwrap(),
            effective_from: "2027-01-01T00:00:00Z".parse::<Instant>().unwrap(),
        };
        assert_eq!((declared, text.as_str()), (Declared::Parameter(expected), "PCI 7.2.4"));
        let line =
            ["device", "the HSM in rack 7", "--sort", "hsm", "--standard", "FIPS 140-3", "--level", "3"];
        let Declare { declared, text } = declare(&line);
        let Declared::Device(supply) = declared else { panic!("{declared:?}") };
        assert_eq!(
            (shown(supply.standard.as_ref()), text.as_str()),
            ("FIPS 140-3".to_owned(), "the HSM in rack 7")
        );
    }
}
