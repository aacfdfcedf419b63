//! Port: whose certificates the listeners take.

use crate::Name;
use crate::time::Timestamp;

/// A certificate as somebody enters it.
#[derive(Clone, Copy, Debug)]
pub struct EnteredCertificate<'a> {
    /// The certificate (DER).
    pub der: &'a [u8],
    /// Those between it and its authority (DER), in any order.
    pub chain: &'a [Vec<u8>],
}

/// Judges certificates of clients as the listeners do, so that what is entered can be shown; and issues some, where it can.
pub trait Trust: Send + Sync + std::fmt::Debug {
    /// Until when the listeners will take the certificate. `now` is the instant of the call.
    ///
    /// # Errors
    /// [`CertificateFault`]: the listeners would not take it, and what to do.
    fn judge(
        &self,
        certificate: EnteredCertificate<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, CertificateFault>;

    /// Issues a certificate (DER) by which the principal of that name proves itself, for the key of a request (PKCS #10, DER). It ends
    /// at `until`, or before.
    ///
    /// # Errors
    /// [`IssueFault`]: none is issued, and what to do.
    fn issue(
        &self,
        request: &[u8],
        principal: &Name,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<u8>, IssueFault>;
}

/// Why no certificate is issued. The text is for whoever asks for it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IssueFault {
    /// Something else is wrong with the authority.
    #[error("the authority of the server cannot be used; its operator finds why in the traces")]
    Authority,
    /// The key of the authority is kept elsewhere.
    #[error(
        "the server does not have the key of its authority: let whoever keeps it sign the request, and renew by the certificate"
    )]
    KeyElsewhere,
    /// Nothing that can be read, or signed by another key than the one that it is about.
    #[error("the bytes are no certificate request (PKCS #10) in DER that its own key has signed")]
    Request,
}

/// Why a certificate is not entered. The text is for whoever enters it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertificateFault {
    /// It is an authority's own.
    #[error("the certificate is that of an authority; enter one that an authority issued to the principal")]
    Authority,
    /// It is over.
    #[error("the certificate has expired; have a new one issued")]
    Expired,
    /// No authority that the listeners trust issued it.
    #[error(
        "no authority of `tls.client_ca` issued the certificate; have one of them issue it, or send the certificates in between along"
    )]
    Issuer,
    /// It begins later.
    #[error("the certificate is not valid yet; enter it when it is")]
    NotYetValid,
    /// It is text.
    #[error("the certificate is PEM text; send the DER bytes that its block encodes")]
    Pem,
    /// It is not for clients.
    #[error(
        "the certificate is not for clients: its extended key usage lacks `clientAuth`; have one issued that has it"
    )]
    Purpose,
    /// The listeners find something else wrong with it.
    #[error("the listeners would refuse the certificate: {0}")]
    Refused(String),
    /// It vouches for itself.
    #[error("the certificate is signed with its own key; have an authority of `tls.client_ca` issue one")]
    SelfSigned,
    /// Nothing that can be read.
    #[error("the bytes are no X.509 certificate in DER")]
    Unreadable,
    /// It is of a version that cannot say what it is for.
    #[error("the certificate is X.509 version {0}; have one of version 3 issued")]
    Version(u32),
}
