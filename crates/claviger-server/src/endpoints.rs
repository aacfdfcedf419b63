//! The addresses that a node listens on: one table, which configuration, set-up, start, checks and reports read.
//!
//! A new listener is a row here, with its protocol in `planes`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use claviger_service::Road;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::config::{Config, Xks, XksClients};
use crate::listener::ConnectionProtocol;
use crate::planes;

/// An address that a node listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The control plane: people, with roles.
    Control,
    /// The data plane: applications, with grants.
    Data,
    /// The API of AWS KMS: applications, with grants and access keys.
    Aws,
    /// Metrics and health.
    Metrics,
}

claviger_core::named! {
    /// What it is called: its key in `[listen]`, its label in numbers, its word in reports.
    Endpoint, "the name of a listener" {
        Control = "control",
        Data = "data",
        Aws = "aws",
        Metrics = "metrics",
    }
}

/// What is to be known of an endpoint.
pub(crate) struct Row {
    /// What the written configuration says of it.
    pub(crate) about: &'static str,
    /// How far above the first its port is, where one address is given for all of them.
    above: u16,
    pub(crate) serves: Serves,
}

/// Who is served, and how.
pub(crate) enum Serves {
    /// Callers, over TLS.
    Callers {
        /// What is spoken on its connections.
        protocol: fn(&Road, &Config) -> Arc<dyn ConnectionProtocol>,
        /// What is asked of clients, in words of the node's report.
        asks: fn(&Config) -> &'static str,
    },
    /// Watchers of this machine, in plain HTTP and therefore on loopback.
    Watchers,
}

impl Endpoint {
    pub(crate) const fn row(self) -> Row {
        match self {
            Self::Control => Row {
                about: "Control plane: people, with roles. TLS 1.3.",
                above: 0,
                serves: Serves::Callers { protocol: planes::control, asks: certificate },
            },
            Self::Data => Row {
                about: "Data plane: applications, with grants. TLS 1.3.",
                above: 1,
                serves: Serves::Callers { protocol: planes::data, asks: certificate },
            },
            Self::Aws => Row {
                about: "The API of AWS KMS: applications, with access keys. TLS 1.3.",
                above: 2,
                serves: Serves::Callers { protocol: planes::aws, asks: asked_of_aws },
            },
            Self::Metrics => Row {
                about: "/metrics, /healthz, /readyz in plain HTTP: loopback only.",
                above: 9,
                serves: Serves::Watchers,
            },
        }
    }

    /// Is TLS spoken there?
    pub(crate) const fn is_tls(self) -> bool {
        matches!(self.row().serves, Serves::Callers { .. })
    }

    /// Its key in the configuration.
    pub(crate) fn key(self) -> String {
        format!("listen.{self}")
    }
}

/// A certificate is verified where one is shown.
const fn certificate(_: &Config) -> &'static str {
    "client-certificate=optional"
}

fn asked_of_aws(config: &Config) -> &'static str {
    match &config.xks {
        Some(Xks { clients: XksClients::Unproved, .. }) => {
            "client-certificate=optional external-key-store=signature"
        }
        Some(_) => "client-certificate=optional external-key-store=certificate",
        None => certificate(config),
    }
}

/// One thing for each endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Each<T>([T; Endpoint::ALL.len()]);

impl<T> Each<T> {
    /// What `of` gives for each.
    pub fn new(of: impl FnMut(Endpoint) -> T) -> Self {
        Self(Endpoint::ALL.map(of))
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Endpoint, &T)> {
        Endpoint::ALL.into_iter().zip(&self.0)
    }

    /// In the order of the table, for who must not miss one.
    #[must_use]
    pub fn into_array(self) -> [T; Endpoint::ALL.len()] {
        self.0
    }
}

impl<T> Index<Endpoint> for Each<T> {
    type Output = T;

    #[expect(clippy::indexing_slicing, reason = "there is one for each")]
    fn index(&self, endpoint: Endpoint) -> &T {
        &self.0[endpoint as usize]
    }
}

impl<T> IndexMut<Endpoint> for Each<T> {
    #[expect(clippy::indexing_slicing, reason = "there is one for each")]
    fn index_mut(&mut self, endpoint: Endpoint) -> &mut T {
        &mut self.0[endpoint as usize]
    }
}

/// An object, by name.
impl<T: Serialize> Serialize for Each<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (endpoint, of_it) in self.iter() {
            map.serialize_entry(endpoint.name(), of_it)?;
        }
        map.end()
    }
}

/// The addresses to listen on. Port 0 takes any that is free.
pub type Listen = Each<SocketAddr>;

/// Where a server is reached.
pub type Urls = Each<String>;

impl Listen {
    /// The addresses that documents speak of.
    #[must_use]
    pub fn usual() -> Self {
        Self::beside(SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)))
    }

    /// All of them from that of the first. What is in plain HTTP stays on loopback.
    #[must_use]
    pub fn beside(first: SocketAddr) -> Self {
        Self::new(|endpoint| {
            let port = match first.port() {
                0 => 0,
                port => port.saturating_add(endpoint.row().above),
            };
            let loopback = || IpAddr::V4(Ipv4Addr::LOCALHOST);
            let stays = endpoint.is_tls() || first.ip().is_loopback();
            SocketAddr::new(if stays { first.ip() } else { loopback() }, port)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use claviger_core::ListenerName;

    use super::*;

    #[test]
    fn one_address_gives_all_of_them_and_metrics_stay_on_loopback() {
        let of = |text: &str| {
            let addresses = Listen::beside(text.parse().unwrap());
            addresses.into_array().map(|address| address.to_string())
        };
        let usual = ["127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402", "127.0.0.1:7409"];
        assert_eq!(of("127.0.0.1:7400"), usual);
        assert_eq!(Listen::usual().into_array().map(|address| address.to_string()), usual);
        assert_eq!(of("0.0.0.0:9000"), ["0.0.0.0:9000", "0.0.0.0:9001", "0.0.0.0:9002", "127.0.0.1:9009"]);
        assert_eq!(of("[::1]:0"), ["[::1]:0"; 4]);
    }

    #[test]
    fn each_has_its_place_a_port_of_its_own_and_a_name_that_the_log_knows() {
        let ports: BTreeSet<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.row().above).collect();
        assert_eq!(ports.len(), Endpoint::ALL.len());
        for (place, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, place);
            // Calls are counted by the listener that they came by.
            assert_eq!(endpoint.name().parse::<ListenerName>().is_ok(), endpoint.is_tls(), "{endpoint}");
        }
        assert_eq!(
            Endpoint::ALL.iter().filter(|endpoint| endpoint.is_tls()).count(),
            ListenerName::ALL.len()
        );
    }

    #[test]
    fn what_is_written_of_each_is_an_object_by_name() {
        let ports = Each::new(|endpoint| endpoint.row().above);
        let json = serde_json::to_string(&ports).unwrap();
        assert_eq!(json, r#"{"control":0,"data":1,"aws":2,"metrics":9}"#);
    }
}
