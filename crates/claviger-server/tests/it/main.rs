//! The server from outside: real sockets, real TLS.

#[cfg(test)]
mod listener;
#[cfg(test)]
mod support;
