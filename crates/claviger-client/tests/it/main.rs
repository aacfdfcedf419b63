//! The client against a real TLS server that answers from a script.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod script;
#[cfg(test)]
mod trust;
