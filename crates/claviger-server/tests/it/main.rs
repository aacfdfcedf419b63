//! The server from outside: real sockets, real TLS, real data.

#[cfg(test)]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
#[path = "../../../../fuzz/src/checks/mod.rs"]
mod checks;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod entering;
#[cfg(test)]
mod http;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod production;
#[cfg(test)]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
#[path = "../../../../fuzz/src/seeds/mod.rs"]
mod seeds;
#[cfg(test)]
mod self_evaluation;
#[cfg(test)]
mod set_up;
#[cfg(test)]
mod support;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod webhooks;
