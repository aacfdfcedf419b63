//! Decisions, separation of duties and explanations, through the public API.
