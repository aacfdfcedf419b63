//! The REST interface over a real road: SQLite and the software root, no mocks.
//!
//! Every answer that any test gets is held against the OpenAPI document of its plane.

mod audit;
mod canary;
mod control;
mod data;
mod house;
mod openapi;
mod surface;
