//! Integration tests, by capability, through the public API.
