//! `audit prove`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use claviger_audit::cut::Cut;
use claviger_audit::tree::{leaf_hash, verify_inclusion};
use claviger_audit::{Checkpoint, Hash, Receipt, ShownEntry, VerifierKey};
use claviger_client::types::Base64Bytes;
use claviger_client::types::audit::Proof;
use claviger_client::{Client, ClientError};
use serde::Serialize;

use super::checkpoint::root_key;
use super::entry::shown_entry;
use crate::failure::Failure;
use crate::file::placed::{Existing, ForceArgs, Placed, Privacy};
use crate::input::bytes::Source;
use crate::output::record;
use crate::session::Session;

/// How often, and how long apart, an entry is asked for that no checkpoint covers yet: the next one is a second away.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(500);

/// The entry to prove.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Index of the entry, as every answer of a use names it
    #[arg(required_unless_present = "receipt")]
    entry: Option<u64>,
    /// The shard of the log; that of the answering node unless said otherwise
    #[arg(long, value_name = "N")]
    shard: Option<u32>,
    /// A receipt (header `audit-receipt` of the answer): proves that what was promised is what the log holds
    #[arg(long, value_name = "FILE")]
    receipt: Option<Source>,
    /// The verifier key of the root log, as you know it from elsewhere (`audit root-vkey` writes it); without it the deployment's own word is taken
    #[arg(long, value_name = "FILE")]
    root_vkey: Option<Source>,
    /// File for the proof
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// A proof with the keys to check it with: what is written to the file.
#[derive(Debug, Serialize)]
struct ProofFile {
    #[serde(flatten)]
    proof: Proof,
    root_vkey: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

impl ProofFile {
    fn write(&self, out: &Path, existing: Existing) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::failed(error.to_string()))?;
        Placed::write(out, Privacy::Others, existing, format!("{text}\n").as_bytes())
    }
}

#[derive(Debug, Serialize)]
struct Proven {
    entry: ShownEntry,
    shard: u32,
    cut: u64,
    origin: String,
    root_log_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_kept: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl ProveArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check(&self.out)?;
        let client = session.client()?;
        let reported = client.read_checkpoint().await?.value;
        let key = root_key(self.root_vkey.as_ref(), &reported.root_vkey)?;
        let receipt = self.receipt()?;
        let index = self.index(receipt.as_ref())?;
        let proof = fetch(&client, self.shard.unwrap_or(reported.shard), index).await?;
        if proof.index != index {
            return Err(Failure::unverified("the proof is of another entry"));
        }
        let (head, entry) = check(&proof, &key)?;
        if let Some(receipt) = &receipt {
            check_receipt(receipt, &proof, &reported.node_vkey)?;
        }
        let (shard, cut) = (proof.shard, proof.cut_index);
        let wire = receipt.as_ref().map(ToString::to_string);
        let file = ProofFile { proof, root_vkey: key.to_string(), receipt: wire };
        if let Some(out) = &self.out {
            file.write(out, self.force.existing())?;
        }
        let proven = Proven {
            entry,
            shard,
            cut,
            origin: head.origin,
            root_log_size: head.size,
            receipt_kept: receipt.map(|_| true),
            file: self.out.map(|out| out.display().to_string()),
        };
        session.format.print(&proven, text)
    }

    fn receipt(&self) -> Result<Option<Receipt>, Failure> {
        let Some(source) = &self.receipt else { return Ok(None) };
        let bytes = source.read(4096)?;
        let wire = String::from_utf8_lossy(&bytes);
        let parsed = Receipt::parse(wire.trim())
            .map_err(|error| Failure::usage(format!("this is no receipt: {error}")))?;
        Ok(Some(parsed))
    }

    fn index(&self, receipt: Option<&Receipt>) -> Result<u64, Failure> {
        match (self.entry, receipt.map(|receipt| receipt.index)) {
            (Some(asked), Some(promised)) if asked != promised => {
                Err(Failure::usage(format!("the receipt is for entry {promised}, not {asked}")))
            }
            (Some(index), _) | (None, Some(index)) => Ok(index),
            (None, None) => Err(Failure::usage("an entry or a receipt is expected")),
        }
    }
}

/// The proof, once a signed checkpoint covers the entry.
pub(crate) async fn fetch(client: &Client, shard: u32, index: u64) -> Result<Proof, Failure> {
    let mut tries = 1;
    loop {
        match client.prove(shard, index).await {
            Ok(answer) => return Ok(answer.value),
            Err(ClientError::Problem(problem)) if problem.code == "not-found" && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    }
}

/// Writes the proof with the key to check it with, and the receipt.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(
    out: &Path,
    proof: Proof,
    key: &VerifierKey,
    receipt: Option<&Receipt>,
) -> Result<(), Failure> {
    let receipt = receipt.map(ToString::to_string);
    ProofFile { proof, root_vkey: key.to_string(), receipt }.write(out, Existing::Keep)
}

/// Checks a proof from the entry to the signed checkpoint: entry in the shard's tree of the cut, cut in the root log.
///
/// # Errors
/// Exit code 4 at the first step that does not hold.
pub(crate) fn check(proof: &Proof, key: &VerifierKey) -> Result<(Checkpoint, ShownEntry), Failure> {
    let failed = |step: &str, why: &dyn std::fmt::Display| Failure::unverified(format!("{step}: {why}"));
    let head = Checkpoint::open(proof.root_note.as_bytes(), key)
        .map_err(|error| failed("the root checkpoint", &error))?;
    let cut_leaf = leaf_hash(proof.cut.as_ref());
    let path = hashes(&proof.root_path)?;
    verify_inclusion(&cut_leaf, proof.cut_index, head.size, &path, &head.root)
        .map_err(|error| failed("the cut is not in the root log", &error))?;
    let cut = Cut::decode(proof.cut.as_ref()).map_err(|error| failed("the cut", &error))?;
    let shard = cut.shard(proof.shard).ok_or_else(|| failed("the cut", &"it does not name the shard"))?;
    if (cut.cut_no, shard.size) != (proof.cut_index, proof.shard_size) {
        return Err(failed("the cut", &"its number or size is not that of the proof"));
    }
    let leaf = leaf_hash(proof.entry.as_ref());
    let path = hashes(&proof.shard_path)?;
    verify_inclusion(&leaf, proof.index, shard.size, &path, &shard.root)
        .map_err(|error| failed("the entry is not in the log", &error))?;
    let entry = shown_entry(proof.index, proof.entry.as_ref())?;
    Ok((head, entry))
}

/// Checks that the log holds, where it was promised, what was promised.
fn check_receipt(receipt: &Receipt, proof: &Proof, node_vkey: &str) -> Result<(), Failure> {
    if receipt.leaf != leaf_hash(proof.entry.as_ref()) {
        return Err(Failure::unverified("the log does not hold what the receipt promises")
            .advise("keep receipt and proof: together they are evidence of tampering"));
    }
    let key = VerifierKey::parse(node_vkey.trim())
        .map_err(|error| Failure::unverified(format!("the node's key is no vkey: {error}")))?;
    // A receipt of an earlier start of the node is signed by an earlier key; the leaf in the log is what counts then.
    if receipt.key_id == key.key_id() {
        receipt
            .verify(&key)
            .map_err(|error| Failure::unverified(format!("the receipt does not hold: {error}")))?;
    }
    Ok(())
}

fn hashes(path: &[Base64Bytes]) -> Result<Vec<Hash>, Failure> {
    let hash = |bytes: &Base64Bytes| Hash::try_from(bytes.as_ref());
    path.iter()
        .map(hash)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::unverified("a hash of the proof is not 32 bytes"))
}

fn text(proven: &Proven) -> String {
    let fields = record(&[
        ("proven", format!("entry {} of shard {}", proven.entry.index, proven.shard)),
        ("in cut", proven.cut.to_string()),
        ("under checkpoint", format!("{} at {} cuts", proven.origin, proven.root_log_size)),
        (
            "receipt",
            proven
                .receipt_kept
                .map_or_else(String::new, |_| "kept: the log holds what was promised".to_owned()),
        ),
        ("file", proven.file.clone().unwrap_or_default()),
    ]);
    format!("{fields}{}", proven.entry.line(None, &[proven.entry.short_actor()]))
}

#[cfg(test)]
mod tests {
    use claviger_audit::cut::{ShardHead, ShardState};
    use claviger_audit::tree::{Frontier, node_hash};
    use claviger_audit::{Op, Outcome, SigningKey};

    use super::*;

    fn entry(t: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        claviger_audit::Entry::new(t, 1, Op::Encrypt, Outcome::Ok).encode_into(&mut bytes).unwrap();
        bytes
    }

    /// Two entries, one cut over them, one checkpoint over the cut; the proof is of the second entry.
    fn proof() -> (Proof, VerifierKey) {
        let (first, second) = (entry(1), entry(2));
        let root = node_hash(&leaf_hash(&first), &leaf_hash(&second));
        let head = ShardHead { shard: 1, state: ShardState::Active, incarnation: 1, size: 2, root, epoch: 1 };
        let cut = Cut {
            t: 3,
            cut_no: 0,
            epoch: 1,
            shards: vec![head],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        let cut = cut.encode().unwrap();
        let mut log = Frontier::new();
        log.push(leaf_hash(&cut));
        let signing = SigningKey::from_seed("d/audit/root", &[7; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "d/audit/root".into(), size: 1, root: log.root() };
        let proof = Proof {
            shard: 1,
            index: 1,
            entry: second.into(),
            shard_size: 2,
            shard_path: vec![leaf_hash(&first).to_vec().into()],
            cut: cut.into(),
            cut_index: 0,
            root_path: Vec::new(),
            root_note: checkpoint.sign(&signing).unwrap(),
        };
        (proof, signing.verifier_key().clone())
    }

    #[test]
    fn whole_proof_holds() {
        let (proof, key) = proof();
        let (head, shown) = check(&proof, &key).unwrap();
        assert_eq!((head.size, shown.index), (1, 1));
    }

    #[test]
    fn anything_changed_does_not_hold() {
        let (good, key) = proof();
        let changes: [fn(&mut Proof); 6] = [
            |proof| proof.index = 0,
            |proof| proof.entry = entry(3).into(),
            |proof| proof.shard_path.clear(),
            |proof| proof.shard_path = vec![vec![0; 31].into()],
            |proof| proof.cut_index = 1,
            |proof| proof.root_note = proof.root_note.replace("\n1\n", "\n2\n"),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut proof = good.clone();
            change(&mut proof);
            assert_eq!(
                check(&proof, &key).unwrap_err().exit(),
                crate::failure::Exit::Unverified,
                "change {at}"
            );
        }
        let other = SigningKey::from_seed("d/audit/root", &[8; 32]).unwrap();
        assert!(check(&good, other.verifier_key()).is_err());
    }
}
