//! `READ-ME-FIRST.md`: how the pack is verified in five minutes.

use claviger_audit::to_hex;

use super::PackFile;
use super::inputs::{Inputs, exact};
use crate::dossier::Dossier;

pub(super) fn file(dossier: &Dossier<'_>) -> Result<PackFile, serde_json::Error> {
    let Inputs { version, catalogue, framework, period, log, redaction, .. } = Inputs::of(dossier)?;
    let (from, to) = (exact(period.from), exact(period.to));
    let controls = match framework {
        Some(id) => format!("the controls that `{id}` asks for"),
        None => "all controls".to_owned(),
    };
    let key = dossier.key.to_string();
    let fingerprint = to_hex(&dossier.key.digest());
    let text = format!(
        "\
# Evidence pack {id}

What the log of a key management system shows of {controls}: for the period {from} to {to}, and for the instant of its end.
The log is `{origin}`, with {entries} entries in {size} cuts (root {root}).

Do not believe this folder: verify it. All files but `MANIFEST.sig` and `disclosure/` follow from the log in `log/`; what is disclosed is held against it. The program `claviger-verify`, which you get from elsewhere,
rebuilds each of them from that log and compares byte for byte.

## Verify it in five minutes

1. Get `claviger-verify` of release {version} (catalogue {catalogue}) from its publisher, not from whoever gave you this folder.
2. Get the key that verifies the log by another route than this folder, as a file `root.vkey`: the deployment's security officer keeps it since set-up (`claviger audit
   root-vkey --out root.vkey`). Compare, by telephone or on paper, the SHA-256 of its text:

       {fingerprint}

   This folder says that the key is

       {key}

3. Run

       claviger-verify THIS-FOLDER --root-vkey root.vkey

4. Read the last lines and the exit code: 0 everything holds; 1 a file cannot be read, or a newer release wrote the log; 2 the command line is wrong; 4 something does
   not hold, and each finding is named (`release-differs` alone only says that this pack needs another release of the program). Without `--root-vkey` the program
   takes the folder's own key, which shows only that the folder agrees with itself.
5. If you kept a checkpoint from before, give it too (`--known-checkpoint FILE`): that shows that nothing was rewritten since. Without one, whoever holds the root
   key may have shown others another log. Say how old the newest cut may be (`--max-age 24h`): an export that ends earlier is genuine, and shows nothing of later.
   Compare the period and the controls above with those that you asked for.

Then open `report/report.html`.

Without the program: `verify.html` checks files, signatures and the log in a browser, with no network. It came with this folder; `claviger-verify page` prints the
same page from elsewhere. It does not rebuild results.

## What is where

| | |
|---|---|
| `report/report.html` | the report for people; its tables as CSV beside it, among them approvals, access reviews, emergency access, alerts, and who answers for what |
| `LIMITS.md` | what is not shown: read it before you conclude anything |
| `results/` | each result with what violated it, and all that the results depend on |
| `state/` | every object at the end of the period |
| `oscal/`, `cbom/` | the same for programs: OSCAL and CycloneDX |
| `log/` | the log with its facts and live rows, byte for byte as `claviger audit export` writes it |
| `tiles/` | of a long log: the hashes by which `verify.html` checks a sample |
| `samples.json` | entries that nobody chose, each with the proof that the log has it |
| `redaction.json` | what is withheld; the level of this pack is `{redaction}` |
| `disclosure/` | who called, at that level; not in every pack |
| `MANIFEST.json`, `MANIFEST.sig` | each file with its SHA-256; the signatures of the root's key and of the evidence key (ML-DSA-65) over that list, where the deployment was asked for them |

A result is one of FAIL, INDETERMINATE, NEEDS_ATTESTATION, PASS and NOT_APPLICABLE. The first three are not satisfied. There is no total figure, and none of them says
that an organization meets a regulation.
",
        id = super::id(dossier),
        origin = log.origin,
        entries = log.entries,
        size = log.size,
        root = log.root,
        catalogue = catalogue.version,
    );
    Ok(PackFile::new("READ-ME-FIRST.md", text))
}
