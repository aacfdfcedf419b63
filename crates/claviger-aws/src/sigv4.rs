//! Signature Version 4: what a signed request says of who signed it.
