//! `READ-ME-FIRST.md`: how the pack is verified in five minutes.

use claviger_audit::to_hex;

use super::PackFile;
use super::inputs::{Inputs, exact};
use crate::dossier::Dossier;

pub(super) fn file(dossier: &Dossier<'_>) -> Result<PackFile, serde_json::Error> {
    let Inputs { version, catalogue, framework, period, log, .. } = Inputs::of(dossier)?;
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

Results of {controls}, state of {to}, period {from} to {to}, by the log `{origin}` with {entries} entries in {size} cuts
(root {root}).

Do not believe this folder: make it again. All files but `MANIFEST.sig` follow from the log in `log/`, and a program that you have from elsewhere
makes each of them again and compares byte for byte.

## Verify it in five minutes

1. Get `claviger-verify` of release {version} (catalogue {catalogue}) from who publishes it, not from who gave you this folder.
2. Get the key of the root log on another way than this folder: the deployment's security officer wrote it down at set-up (`claviger audit root-vkey --out
   root.vkey`). Compare, by telephone or on paper, the SHA-256 of its text:

       {fingerprint}

   This folder says that the key is

       {key}

3. Run

       claviger-verify THIS-FOLDER --root-vkey root.vkey

4. Read the exit code: 0 everything holds; 1 a file cannot be read, or a newer release wrote the log; 2 the command line is wrong; 4 something does not hold, and
   each thing is named. Without `--root-vkey` the folder is held against its own word, which shows only that it agrees with itself.
5. Bring a checkpoint that you kept from before (`--known-checkpoint FILE`): then it is shown as well that nothing was rewritten since.

Without a program: `verify.html` in a browser holds the files and the signature against the manifest, with no network. It came with this folder; `claviger-verify page`
prints the same page from elsewhere. It does not make results again.

## What is where

| | |
|---|---|
| `report/report.html` | the report for people; its tables as CSV beside it |
| `LIMITS.md` | what is not shown: read it before anything is concluded |
| `results/` | each result with who violated what, and all that results depend on |
| `state/` | every object at the end of the period |
| `oscal/`, `cbom/` | the same for programs: OSCAL and CycloneDX |
| `log/` | the log with its facts and live rows, byte for byte as `claviger audit export` writes it |
| `tiles/` | of a long log: the hashes by which `verify.html` checks a sample |
| `redaction.json` | what the log withholds |
| `MANIFEST.json`, `MANIFEST.sig` | each file with its SHA-256; the signature of the root's key over that list, where the deployment was asked for it |

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
