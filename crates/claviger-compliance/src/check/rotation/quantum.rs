//! ROT-07: what a quantum computer opens.

use claviger_audit::fact::{Object, OpenNode};
use claviger_core::Spec;

use crate::check::common::{count, is_unreadable};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting, Subject};

pub(super) struct PostQuantum {
    ledger: Ledger,
}

impl PostQuantum {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

/// Does a listener agree on keys that a quantum computer opens? A line names, behind `TLS 1.3`, suites and then groups.
fn has_classical_groups(node: &OpenNode) -> bool {
    node.listeners.iter().any(|line| match line.split_once(" TLS 1.3 ") {
        Some((_, rest)) => {
            let groups = rest.split(' ').nth(1).unwrap_or_default();
            groups.split('+').any(|group| !group.to_ascii_uppercase().contains("MLKEM"))
        }
        None => !line.ends_with(" plain"),
    })
}

impl Check for PostQuantum {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let is_asked =
            matches!(object, Object::Asset(_) | Object::Key(_) | Object::Node(_) | Object::Version(_));
        if is_asked && is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let judgement = match object {
            Object::Key(id) => {
                let Some(key) = estate.keys.get(&id) else { return };
                if key.spec.pq() || key.state.is_destroyed() {
                    Judgement::OutOfScope
                } else {
                    Judgement::violated(format!(
                        "a quantum computer opens {}, and nothing says when it is replaced: this release keeps no plan",
                        key.spec
                    ))
                }
            }
            Object::Version(id) => {
                let Some(version) = estate.versions.get(&id) else { return };
                let under = version.transport_spec.as_deref().filter(|_| !version.state.is_destroyed());
                let is_classical = |spec: &&str| !spec.parse::<Spec>().is_ok_and(Spec::pq);
                under.filter(is_classical).map_or(Judgement::OutOfScope, |spec| {
                    Judgement::unknown(format!(
                        "its material came under {spec}, and until when its data must stay secret is not kept"
                    ))
                })
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                if has_classical_groups(node) {
                    Judgement::unknown(
                        "its listeners take groups that a quantum computer opens, and until when data must stay secret is not kept",
                    )
                } else {
                    Judgement::OutOfScope
                }
            }
            Object::Asset(id) if estate.assets.contains_key(&id) => Judgement::unknown(
                "until when its data must stay secret is not known: assets do not keep that yet",
            ),
            Object::Asset(_) => Judgement::OutOfScope,
            _ => return,
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if let Some(first) = end.first {
            let subject = Subject::named("keys of certificates, of the log's signatures and of the root");
            let why = "their algorithms are no facts yet, and neither is when they are replaced";
            self.ledger.judge(subject, first, Judgement::unknown(why));
        }
        let keys = || end.estate.keys.values().filter(|key| !key.state.is_destroyed());
        Outcome::of(self.ledger, "nothing that a quantum computer opens is in use")
            .figure("keys_quantum_vulnerable", count(keys().filter(|key| !key.spec.pq()).count()))
            .figure("keys_quantum_safe", count(keys().filter(|key| key.spec.pq()).count()))
            .needs("ATT-PQC-PLAN")
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::Timestamp;

    use super::*;

    #[test]
    fn groups_of_listeners_are_read() {
        let node = |line: &str| OpenNode {
            incarnation: 1,
            reported_at: Timestamp::from_micros(0),
            environment: None,
            mode: String::new(),
            insecure: Vec::new(),
            release: String::new(),
            build: Vec::new(),
            configuration: Vec::new(),
            policy: Vec::new(),
            hardening: Vec::new(),
            listeners: vec![line.to_owned()],
            clock_source: String::new(),
            generators: Vec::new(),
            domains: Vec::new(),
            released: Vec::new(),
            root_keys: Vec::new(),
            certificates: Vec::new(),
        };
        for (line, is_so) in [
            ("rest 127.0.0.1:8443 TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 certificate", false),
            ("rest 127.0.0.1:8443 TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768+X25519 certificate", true),
            ("rest 127.0.0.1:8443 TLS 1.3", true),
            ("metrics 127.0.0.1:9090 plain", false),
        ] {
            assert_eq!(has_classical_groups(&node(line)), is_so, "{line}");
        }
    }
}
