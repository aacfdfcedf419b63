//! Calls about the audit log.

use bytes::Bytes;
use http::Method;

use super::transport::Plane;
use super::{Client, ClientError, Reply};
use crate::types::audit::{Checkpoints, EntryPage, LiveReport, ReadEntries};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Reads entries of the log.
    pub async fn read_entries(&self, query: &ReadEntries) -> Reply<EntryPage> {
        self.get(Plane::Control, "/v1/audit/entries".into()).query(query).answer().await
    }

    /// The proof that an entry is in the log (C2SP tlog-proof, as text).
    #[expect(clippy::disallowed_methods, reason = "the decoder of answers: a proof is no secret")]
    pub async fn prove(&self, shard: u32, index: u64) -> Reply<String> {
        let answer =
            self.get(Plane::Control, format!("/v1/audit/proof/{shard}/{index}")).answer_octets().await?;
        let text = std::str::from_utf8(answer.value.expose())
            .map_err(|_| ClientError::Decode("the proof is not text".into()))?;
        let text = text.to_owned();
        Ok(answer.map(|_| text))
    }

    /// The newest checkpoints and the keys to check them with.
    pub async fn read_checkpoint(&self) -> Reply<Checkpoints> {
        self.get(Plane::Control, "/v1/audit/checkpoint".into()).answer().await
    }

    /// Checks the live state against a replay of the log.
    pub async fn verify_live(&self) -> Reply<LiveReport> {
        self.change(Method::POST, "/v1/audit/verify".into()).answer().await
    }

    /// A file of a log (C2SP tlog-tiles) by its path under `/audit/`, as in `root/checkpoint` or `0/tile/0/000`.
    pub async fn read_log_resource(&self, path: &str) -> Reply<Bytes> {
        let lawful = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
        if !path.bytes().all(lawful) {
            return Err(ClientError::Setup("not a path of a log".into()));
        }
        let answer = self.get(Plane::Control, format!("/audit/{path}")).answer_octets().await?;
        Ok(answer.map(|bytes| Bytes::from_owner(bytes.into_body())))
    }
}
