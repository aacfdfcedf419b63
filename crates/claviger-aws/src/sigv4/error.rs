//! What is wrong with a request that should be signed. It says which part, and nothing of what was in it.

use std::fmt;

/// A part of a signed request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The algorithm.
    Algorithm,
    /// The header `Authorization`.
    Authorization,
    /// The access key identifier and its scope.
    Credential,
    /// When it was signed.
    Date,
    /// How long it counts.
    Expires,
    /// A header.
    Header,
    /// The host.
    Host,
    /// The query.
    Query,
    /// The session token.
    SecurityToken,
    /// The signature.
    Signature,
    /// The list of the headers that are signed.
    SignedHeaders,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "algorithm",
            Self::Authorization => "authorization header",
            Self::Credential => "credential",
            Self::Date => "date",
            Self::Expires => "expiry",
            Self::Header => "x-amz header",
            Self::Host => "host",
            Self::Query => "query",
            Self::SecurityToken => "security token",
            Self::Signature => "signature",
            Self::SignedHeaders => "list of signed headers",
        })
    }
}

/// Why a request says nothing that could be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigV4Error {
    /// It can be read in more than one way.
    #[error("the {0} of the signed request is ambiguous")]
    Ambiguous(Part),
    /// The digest of the body that it names is another.
    #[error("`x-amz-content-sha256` is not the digest of the body")]
    BodyDigest,
    /// A part is not there.
    #[error("the signed request has no {0}")]
    Incomplete(Part),
    /// A part is not of its form.
    #[error("the {0} of the signed request is malformed")]
    Malformed(Part),
    /// It is not signed at all.
    #[error("the request is not signed")]
    Missing,
    /// Something that must be signed is not.
    #[error("the {0} is not among the signed headers")]
    Unsigned(Part),
    /// It says that its body is not signed, or is signed piece by piece.
    #[error("the body must be signed as a whole")]
    UnsignedPayload,
}
