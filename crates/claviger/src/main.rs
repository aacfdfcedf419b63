//! Room reserved.
fn main() {}
