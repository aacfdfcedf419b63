//! Which of a caller's grants a decision is made on.
//!
//! Of the grants whose conditions a call meets, one gives the permit; which one does not depend on how many there are. It is
//! found here by plain comparison, and Cedar decides on its policy. A grant that is passed over here permits nothing, so a
//! difference between the two could only deny; a test holds them against each other.

use std::net::IpAddr;

use claviger_core::grant::{Conditions, Grant};
use claviger_core::{Action, Timestamp};
use ipnet::IpNet;

use super::RequestContext;
use super::grant::long;

/// The grant that gives the action to a call like this one: one that can be kept, for as long as can be; the lowest identifier
/// at last.
pub(super) fn choose<'g>(
    grants: &[&'g Grant],
    action: Action,
    request: &RequestContext<'_>,
    source: Option<IpAddr>,
) -> Option<&'g Grant> {
    let gives =
        |grant: &&&Grant| grant.operations.contains(&action) && are_met(&grant.conditions, request, source);
    let rank = |grant: &&&Grant| {
        let until = grant.conditions.until.map_or(u64::MAX, Timestamp::as_micros);
        (!grant.conditions.is_unconditional(), u64::MAX - until, grant.id)
    };
    grants.iter().filter(gives).min_by_key(rank).copied()
}

fn are_met(conditions: &Conditions, request: &RequestContext<'_>, source: Option<IpAddr>) -> bool {
    let said = |pair: &(String, String)| request.context.contains(pair);
    // Instants as the policies have them.
    conditions.until.is_none_or(|until| long(request.now) < long(until))
        && conditions.context_equals.iter().all(said)
        && conditions.context_exactly.as_ref().is_none_or(|exactly| {
            exactly.iter().all(said) && request.context.iter().all(|pair| exactly.contains(pair))
        })
        && (conditions.source_networks.is_empty()
            || source
                .is_some_and(|source| conditions.source_networks.iter().any(|network| has(network, source))))
}

/// Is the address in the network? An IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2) is that IPv4 address, and so is a network
/// of such.
fn has(network: &IpNet, address: IpAddr) -> bool {
    let network = network.trunc();
    let unmapped = match (network, network.network().to_canonical()) {
        (IpNet::V6(v6), IpAddr::V4(v4)) => {
            let prefix = v6.prefix_len().checked_sub(96);
            prefix.and_then(|prefix| IpNet::new(v4.into(), prefix).ok())
        }
        _ => None,
    };
    unmapped.unwrap_or(network).contains(&address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_and_networks_are_those_of_ipv4() {
        let has = |network: &str, address: &str| has(&network.parse().unwrap(), address.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.1.2.3"));
        assert!(has("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(has("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!has("::ffff:10.0.0.0/104", "11.1.2.3"));
        // Wider than the mapped addresses: a network of IPv6, with no IPv4 in it.
        assert!(!has("::/0", "10.1.2.3"));
        assert!(has("::/0", "fd00::1"));
        assert!(!has("10.0.0.0/8", "fd00::1"));
    }
}
