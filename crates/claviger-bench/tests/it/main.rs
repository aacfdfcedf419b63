//! The generator and the floors, without a clock: do they speak to each other, and count right?

#[cfg(test)]
mod floors;
