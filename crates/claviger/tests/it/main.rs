//! The binary as people run it: a real process, real files, real sockets.

mod demo;
mod hygiene;
mod instance;
mod tour;
