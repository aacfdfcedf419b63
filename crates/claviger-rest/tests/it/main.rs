//! The REST interface over a real road: SQLite and the software root, no mocks.
//!
//! Every answer that any test gets is held against the OpenAPI document of its plane.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod control;
#[cfg(test)]
mod data;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod surface;
