//! The binary as people run it: a real process, real files, real sockets.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod tour;
#[cfg(test)]
mod verify;
