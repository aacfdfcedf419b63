//! Decisions, separation of duties and explanations, through the public API.

#[cfg(test)]
mod explanations;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod policy_matrix;
#[cfg(test)]
mod separation_matrix;
#[cfg(test)]
mod slices;
#[cfg(test)]
mod visibility;
#[cfg(test)]
mod world;
