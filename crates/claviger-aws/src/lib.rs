//! The AWS KMS API, so that the software people already run just works: the JSON 1.1 protocol over one endpoint, requests
//! signed by Signature Version 4, and the external key store (XKS) proxy on the same signatures.
//!
//! | module | what it holds |
//! |---|---|
//! | [`sigv4`] | what a signed request says of who signed it: parsing, canonicalization |

pub mod sigv4;
