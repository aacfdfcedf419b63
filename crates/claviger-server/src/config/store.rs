//! What is kept free on the device of the store.

use claviger_store::SpaceOptions;

use super::{ConfigError, file, invalid};

const MIB: u64 = 1 << 20;
/// A reserve smaller than that would not carry a deployment through an incident.
const LEAST_RESERVE_MIB: u64 = 64;
const MOST_MIB: u64 = 1 << 20;

/// What is kept free where nothing else is said, in MiB.
pub(super) const MIN_FREE_MIB: u64 = 256;
pub(super) const RESERVE_MIB: u64 = LEAST_RESERVE_MIB;

pub(super) fn from_file(file: &file::Store, origin: &str) -> Result<SpaceOptions, ConfigError> {
    let min_free = file.min_free_mib.unwrap_or(MIN_FREE_MIB);
    if min_free > MOST_MIB {
        let reason = format!("is {min_free}; from 0 to {MOST_MIB} is possible");
        return Err(invalid(origin, "store.min_free_mib", reason));
    }
    let reserve = file.reserve_mib.unwrap_or(RESERVE_MIB);
    if reserve != 0 && !(LEAST_RESERVE_MIB..=MOST_MIB).contains(&reserve) {
        let reason = format!("is {reserve}; 0 is possible, or from {LEAST_RESERVE_MIB} to {MOST_MIB}");
        return Err(invalid(origin, "store.reserve_mib", reason));
    }
    Ok(SpaceOptions { min_free: min_free * MIB, reserve: reserve * MIB })
}
