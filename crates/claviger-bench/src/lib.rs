//! Measures the real server: how near it comes to servers that do nothing, on the same stack and in the same run.
//!
//! | module | what it holds |
//! |---|---|
//! | [`floor`] | the floors: an echo, and an echo that appends to a file before it answers |
//! | [`load`] | the generator: connections that ask again as soon as they are answered |
//! | [`wire`] | requests as bytes, answers as they come |
//! | [`peer`], [`signed`] | how the generator shows who it is |
//! | [`instance`] | the real server, as a process on cores of its choice |
//! | [`cores`] | who runs where, and how much of it is used |
//! | [`library`] | what the cryptographic module does by itself |
//! | [`fill`] | a store full of keys |
//! | [`speed`], [`scale`], [`fair`], [`compare`], [`replay`], [`search`], [`compliance`], [`report`] | the runs, and what they print |
//!
//! What it keeps true: floors and server take turns within one run, under one generator; a ratio is never made of figures
//! of two runs. Nothing depends on this crate.

pub mod compare;
pub mod compliance;
pub mod cores;
pub mod fair;
pub mod fill;
pub mod floor;
pub mod instance;
pub mod library;
pub mod load;
pub mod peer;
pub mod replay;
pub mod report;
pub mod scale;
pub mod search;
pub mod signed;
pub mod speed;
pub mod wire;
