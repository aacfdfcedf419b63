//! The binary as people run it: a real process, real files, real sockets.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod break_glass;
#[cfg(test)]
mod compliance;
#[cfg(test)]
mod core_image;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crash_points;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod destruction;
#[cfg(test)]
mod disk_faults;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod entering;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod evidence_pack;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod load;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod released;
#[cfg(test)]
mod renewal;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod token_faults;
#[cfg(test)]
mod tour;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod volume;
