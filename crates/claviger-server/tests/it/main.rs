//! The server from outside: real sockets, real TLS, real data.

#[cfg(test)]
mod deployment;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod set_up;
#[cfg(test)]
mod support;
