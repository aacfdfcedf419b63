//! Every decoder of foreign bytes, with what must hold of it, and where a fuzzer may begin.
//!
//! The checks are plain functions of bytes. The fuzz targets drive them with a fuzzer; the normal test run of
//! `claviger-server` includes the same two modules and drives them with random mutations of the same seeds.

pub mod checks;
pub mod seeds;
