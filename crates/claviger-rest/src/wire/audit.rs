//! The audit log and the system.

use claviger_audit::Snapshot;
use claviger_audit::fact::{Field, field_name};
use claviger_audit::rows::LiveRow;
use claviger_client::types::Base64Bytes;
use claviger_client::types::audit as wire;
use claviger_client::types::system::{
    AlertFigures, AlertReceiver as WireReceiver, ApprovalFigures, BreakGlassFigures, CredentialEnding,
    EvaluationState, LogClock, Module, NewestScan, Node as WireNode, OpenAlerts, ProviderHealth,
    ReviewFigures, Rows, Space, SystemStatus as WireStatus,
};
use claviger_core::TlsParameters;
use claviger_core::node::Node;
use claviger_core::port::store::{EndingPrincipal, Room};
use claviger_crypto::provenance;
use claviger_service::log::{
    EntryFilter, EntryPage, EntryProof, FoundEntry, SearchPage, SearchedEntry, SessionOf,
};
use claviger_service::operation::{
    Captions, Checkpoints, ClockStatus, DisclosurePage, SignEvidence, SystemStatus,
};
use claviger_service::{AlertReceiver, ScanReport, SecretCount, SecretFinding};

use super::names_to_wire;
use super::reason::reason_to_wire;
use super::rights::review_to_wire;
use crate::error::Failure;

/// A page of entries as callers see it.
#[must_use]
pub fn page_to_wire(page: EntryPage, captions: &Captions) -> wire::EntryPage {
    let names = names_to_wire(&page, captions);
    let entry = |found: FoundEntry| wire::Entry {
        index: found.index,
        reason: reason_to_wire(found.why, captions),
        canonical: found.bytes.into(),
    };
    let items = page.entries.into_iter().map(entry).collect();
    wire::EntryPage { items, next: page.next, size: page.size, names }
}

/// Which entries a query asks for.
#[must_use]
pub fn filter_from_wire(choice: wire::EntryChoice) -> EntryFilter {
    EntryFilter {
        key: choice.key.map(|id| id.0),
        operation: choice.operation,
        outcome: choice.outcome,
        refused: choice.refused,
        since: choice.since.map(|instant| instant.0),
        until: choice.until.map(|instant| instant.0),
        asset: choice.asset.map(|id| id.0),
    }
}

/// A page of a search as callers see it.
#[must_use]
pub fn searched_to_wire(page: SearchPage, captions: &Captions) -> wire::SearchPage {
    let names = names_to_wire(&page, captions);
    let entry = |entry: SearchedEntry| wire::SearchedEntry {
        index: entry.found.index,
        reason: reason_to_wire(entry.found.why, captions),
        canonical: entry.found.bytes.into(),
        who: entry.session.as_ref().map(who_to_wire),
    };
    wire::SearchPage {
        items: page.entries.into_iter().map(entry).collect(),
        next: page.next,
        size: page.size,
        undecided: page.undecided,
        names,
    }
}

fn who_to_wire(session: &SessionOf) -> wire::Who {
    let only = |state: &str| wire::Who { state: state.to_owned(), ..wire::Who::default() };
    let caller = match session {
        SessionOf::Known(caller) => caller,
        SessionOf::Erased => return only("erased"),
        SessionOf::Before => return only("not_recorded"),
        SessionOf::Damaged => return only("damaged"),
    };
    let seen = &caller.seen;
    let number = |number: u16, name: Option<&'static str>| {
        name.map_or_else(|| format!("{number:#06x}"), str::to_owned)
    };
    wire::Who {
        principal: Some(caller.principal.to_string()),
        name: caller.name.as_ref().map(ToString::to_string),
        kind: caller.kind.map(|kind| kind.to_string()),
        credential: seen.credential.map(|credential| credential.to_string()),
        method: seen.method.map(|method| method.to_string()),
        factors: seen.factors.iter().map(ToString::to_string).collect(),
        tls_version: seen.tls_version.map(|version| number(version, TlsParameters::version_name(version))),
        cipher_suite: seen.cipher_suite.map(|suite| number(suite, TlsParameters::cipher_suite_name(suite))),
        group: seen.group.map(|group| number(group, TlsParameters::group_name(group))),
        origin: seen.origin.map(|origin| origin.to_string()),
        address: seen.address.map(|address| address.to_string()),
        ..only("known")
    }
}

/// A page of a disclosure as callers see it.
#[must_use]
pub fn disclosure_to_wire(page: DisclosurePage) -> wire::DisclosurePage {
    let encoded = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        Base64Bytes::from(bytes)
    };
    wire::DisclosurePage {
        origin: page.origin,
        sessions: page.sessions.iter().map(|session| encoded(&|out| session.encode_into(out))).collect(),
        names: page.names.iter().map(|name| encoded(&|out| name.encode_into(out))).collect(),
        next: page.next,
    }
}

/// A proof as callers see it.
#[must_use]
pub fn proof_to_wire(shard: u32, proof: EntryProof) -> wire::Proof {
    let path =
        |hashes: Vec<[u8; 32]>| hashes.into_iter().map(|hash| Base64Bytes::from(hash.to_vec())).collect();
    wire::Proof {
        shard,
        index: proof.index,
        entry: proof.entry.into(),
        shard_size: proof.shard_size,
        shard_path: path(proof.shard_path),
        cut: proof.cut.into(),
        cut_index: proof.cut_index,
        root_path: path(proof.root_path),
        root_note: proof.root_note,
    }
}

/// Checkpoints as callers see them.
#[must_use]
pub fn checkpoints_to_wire(checkpoints: Checkpoints) -> wire::Checkpoints {
    wire::Checkpoints {
        root_note: checkpoints.root_note,
        root_vkey: checkpoints.root_vkey,
        shard_origin: checkpoints.shard_origin,
        shard: checkpoints.shard,
        shard_size: checkpoints.shard_size,
        node_vkey: checkpoints.node_vkey,
    }
}

/// A live row as callers see it.
#[must_use]
pub fn row_to_wire(row: LiveRow) -> wire::LiveRow {
    let kind = row.object.kind();
    let field = |(number, field): (u16, Field)| {
        let (value, commitment) = match field {
            Field::Open(value) => (Some(value.into()), None),
            Field::Hidden(commitment) => (None, Some(commitment.to_vec().into())),
        };
        let name = field_name(kind, number).unwrap_or_default().to_owned();
        wire::LiveField { number, name, value, commitment }
    };
    wire::LiveRow {
        kind: kind.to_string(),
        id: row.object.id().into(),
        revision: row.revision,
        fields: row.fields.into_iter().map(field).collect(),
        altered: !row.holds,
    }
}

/// A snapshot as callers see it.
#[must_use]
pub fn snapshot_to_wire(snapshot: &Snapshot) -> wire::Snapshot {
    let Snapshot { root, size, objects } = *snapshot;
    wire::Snapshot { root: root.to_vec().into(), objects, size }
}

/// A scan of the store as callers see it.
#[must_use]
pub fn scan_to_wire(report: &ScanReport) -> wire::StoreScan {
    let summary = report.summary();
    let count = |count: &SecretCount| wire::SecretCount {
        kind: count.kind.to_string(),
        wrapped_by: count.wrapped_by.to_string(),
        scanned: count.scanned,
        failed: count.failed,
    };
    let finding = |finding: &SecretFinding| wire::SecretFinding {
        kind: finding.kind.to_string(),
        place: finding.place.clone(),
        because: finding.because.to_owned(),
    };
    wire::StoreScan {
        at: report.at.into(),
        scanned: summary.scanned,
        failed: summary.failed,
        counts: report.counts.iter().map(count).collect(),
        findings: report.findings.iter().map(finding).collect(),
        digest: hex::encode(summary.digest),
    }
}

/// Which evidence pack is to be signed.
///
/// # Errors
/// A [`Failure`] when its digest is none.
pub fn evidence_from_wire(wire: &wire::SignEvidence) -> Result<SignEvidence, Failure> {
    let mut manifest = [0; 32];
    hex::decode_to_slice(&wire.manifest, &mut manifest)
        .map_err(|_| Failure::malformed("`manifest` must be a SHA-256 digest: 64 hexadecimal digits"))?;
    Ok(SignEvidence { manifest })
}

/// The log's time, as callers see it.
#[must_use]
pub fn clock_to_wire(clock: &ClockStatus) -> LogClock {
    LogClock {
        log_time: clock.log_time.into(),
        ahead_seconds: clock.ahead.as_secs(),
        held_at: clock.held_at.map(Into::into),
    }
}

fn space_to_wire(status: &SystemStatus) -> Space {
    let space = &status.space;
    Space {
        room: match space.room {
            Room::Plenty => "plenty",
            Room::Low => "low",
            Room::Reserve => "reserve",
        }
        .to_owned(),
        free_bytes: space.free,
        min_free_bytes: space.min_free,
        reserve_bytes: space.reserve,
        reserve_held: space.reserve_held,
        refused: status.refused_for_space,
    }
}

fn alerts_to_wire(status: &SystemStatus) -> AlertFigures {
    let receiver = |receiver: &AlertReceiver| WireReceiver {
        name: receiver.name.clone(),
        waiting: receiver.waiting,
        delivered: receiver.delivered,
        failed: receiver.failed,
        failing_since: receiver.failing.as_ref().map(|(since, _)| (*since).into()),
        failure: receiver.failing.as_ref().map(|(_, why)| why.clone()),
    };
    let by_rule =
        status.alerts.open.iter().map(|(rule, open)| OpenAlerts { rule: (*rule).into(), open: *open });
    AlertFigures {
        open: status.alerts.total(),
        by_rule: by_rule.collect(),
        unraised: status.unraised_alerts,
        receivers: status.alert_receivers.iter().map(receiver).collect(),
    }
}

fn node_to_wire(node: &Node) -> WireNode {
    let report = &node.report;
    WireNode {
        reported_at: node.reported_at.into(),
        mode: report.mode().to_owned(),
        release: report.release.clone(),
        build: hex::encode(report.build),
        configuration: hex::encode(report.configuration),
        policy: hex::encode(report.policy),
        hardening: report.hardening.clone(),
        listeners: report.listeners.clone(),
        certificate: hex::encode(report.certificate),
        client_authorities: hex::encode(report.client_authorities),
        clock_source: report.clock_source.clone(),
        generators: report.generators.clone(),
        domains: report.domains.clone(),
        root_keys: report.root_keys.clone(),
        certificates: report.certificates.clone(),
        released: node.released.clone(),
    }
}

fn ending_to_wire(ending: &EndingPrincipal) -> CredentialEnding {
    CredentialEnding {
        principal: ending.name.to_string(),
        holds_role: ending.holds_role,
        ends_at: ending.ends_at.into(),
    }
}

/// How the system is, as callers see it.
#[must_use]
pub fn status_to_wire(status: SystemStatus) -> WireStatus {
    WireStatus {
        deployment: status.deployment.to_string(),
        environment: status.environment.as_ref().map(ToString::to_string),
        incarnation: status.incarnation,
        epoch: status.epoch,
        log_origin: status.origin.to_string(),
        log_size: status.log_size,
        root_log_size: status.cuts,
        signed_root_log_size: status.signed_cuts,
        relaxed_rings: status.relaxed_rings,
        blocked_destructions: status.blocked_destructions,
        approvals: status.approvals.map(|figures| ApprovalFigures {
            quorum: figures.quorum,
            custodians: figures.custodians,
            open: figures.open,
        }),
        reviews: status.reviews.map(|figures| ReviewFigures { open: figures.open, overdue: figures.overdue }),
        break_glass: BreakGlassFigures {
            open: status.break_glass.open,
            unreviewed: status.break_glass.unreviewed,
        },
        alerts: alerts_to_wire(&status),
        clock: clock_to_wire(&status.clock),
        unacknowledged_recoveries: status
            .unacknowledged
            .iter()
            .map(|officer| officer.name.to_string())
            .collect(),
        credentials_ending: status.ending.iter().map(ending_to_wire).collect(),
        unconfirmed_rights: status.unconfirmed_rights.as_ref().map(review_to_wire),
        node: status.node.as_ref().map(node_to_wire),
        space: space_to_wire(&status),
        rows: Rows {
            total: status.rows.rows,
            checked: status.rows.checked,
            done: status.rows.is_done,
            altered: status.rows.altered,
        },
        scan: status.scan.as_ref().map(|report| NewestScan {
            at: report.at.into(),
            scanned: report.scanned(),
            failed: report.failed(),
        }),
        evaluation: EvaluationState {
            recorded_at: status.evaluation.recorded_at.map(Into::into),
            entry: status.evaluation.newest.map(|newest| newest.entry),
            missed: status.evaluation.is_missed,
            failed: status.evaluation.failed,
        },
        insecure: status.module.insecure.iter().map(|name| (*name).to_owned()).collect(),
        module: Module {
            kind: status.module.kind.to_owned(),
            name: status.module.name,
            token: status.module.token,
            root_in_token: status.module.root_in_token,
            library: provenance::module().to_string(),
            fips: status.module.fips,
        },
        provider: status.provider.map(|health| ProviderHealth {
            self_test_ok: health.self_test_ok,
            root_ok: health.root_ok,
            sessions: u64::try_from(health.sessions).unwrap_or(u64::MAX),
        }),
    }
}
