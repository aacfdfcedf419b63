//! The program against an attacker: each thing that one can do to a log is done, and must be found and named.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod interface;
#[cfg(test)]
mod log;
#[cfg(test)]
mod pack;
#[cfg(test)]
mod program;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod state;
