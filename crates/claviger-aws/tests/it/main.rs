//! The protocols of AWS over a real road: SQLite and the software root, no mocks.

#[cfg(test)]
mod deployment;
#[cfg(test)]
mod kms;
#[cfg(test)]
mod xks;
