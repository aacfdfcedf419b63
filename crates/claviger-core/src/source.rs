//! Where a call comes from: the address, and what the TLS handshake of its connection agreed on.

use std::net::IpAddr;

/// The other end of a connection, as far as sessions of the log distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its address. An IPv4 client of a dual-stack socket has an IPv4 address here.
    pub address: IpAddr,
    /// What the handshake agreed on; `None` for what came over no TLS of this process.
    pub tls: Option<TlsParameters>,
}

/// What a TLS handshake agreed on, by the numbers that IANA gives them (TLS Parameters registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsParameters {
    /// The version of the protocol, as `0x0304`.
    pub version: u16,
    /// The cipher suite, as `0x1302`.
    pub cipher_suite: u16,
    /// The group of the key exchange, as `0x11ec`; `None` where a session was resumed without one.
    pub group: Option<u16>,
}

/// Of what kind an address is: as much of it as does not identify who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OriginClass {
    /// This machine.
    Loopback,
    /// A network that is not routed in the Internet: RFC 1918, 3927, 4193, 4291 (2.5.6), 6598.
    Private,
    /// Any other.
    Public,
}

crate::named! {
    /// Text that is not a class of origins.
    OriginClass, "a class of origins" {
        Loopback = "loopback",
        Private = "private",
        Public = "public",
    }
}

impl TlsParameters {
    /// The name of a version.
    #[must_use]
    pub const fn version_name(version: u16) -> Option<&'static str> {
        match version {
            0x0303 => Some("TLS 1.2"),
            0x0304 => Some("TLS 1.3"),
            _ => None,
        }
    }

    /// The name of a cipher suite, of those that this service takes.
    #[must_use]
    pub const fn cipher_suite_name(suite: u16) -> Option<&'static str> {
        match suite {
            0x1301 => Some("TLS_AES_128_GCM_SHA256"),
            0x1302 => Some("TLS_AES_256_GCM_SHA384"),
            0x1303 => Some("TLS_CHACHA20_POLY1305_SHA256"),
            _ => None,
        }
    }

    /// The name of a group, of those that this service takes.
    #[must_use]
    pub const fn group_name(group: u16) -> Option<&'static str> {
        match group {
            0x0017 => Some("secp256r1"),
            0x0018 => Some("secp384r1"),
            0x0019 => Some("secp521r1"),
            0x001d => Some("x25519"),
            0x11eb => Some("SecP256r1MLKEM768"),
            0x11ec => Some("X25519MLKEM768"),
            0x11ed => Some("SecP384r1MLKEM1024"),
            _ => None,
        }
    }
}

impl OriginClass {
    /// The class of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        let (loopback, private) = match address.to_canonical() {
            IpAddr::V4(v4) => {
                // 100.64.0.0/10 is shared by customers of one provider (RFC 6598).
                let [first, second, ..] = v4.octets();
                let shared = first == 100 && second & 0xc0 == 64;
                (v4.is_loopback(), v4.is_private() || v4.is_link_local() || shared)
            }
            IpAddr::V6(v6) => (v6.is_loopback(), v6.is_unique_local() || v6.is_unicast_link_local()),
        };
        match (loopback, private) {
            (true, _) => Self::Loopback,
            (false, true) => Self::Private,
            (false, false) => Self::Public,
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self { address, tls: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_one_class_each() {
        for (class, addresses) in [
            (OriginClass::Loopback, &["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"][..]),
            (
                OriginClass::Private,
                &[
                    "10.0.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "169.254.1.1",
                    "100.64.0.1",
                    "100.127.255.255",
                    "fd00::1",
                    "fe80::1",
                    "::ffff:10.1.2.3",
                ],
            ),
            (
                OriginClass::Public,
                &["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "::ffff:8.8.8.8"],
            ),
        ] {
            for address in addresses {
                assert_eq!(OriginClass::of(address.parse().unwrap()), class, "{address}");
            }
        }
    }
}
