//! The inventory as tables, one for each kind.

use super::Inventory;
use crate::csv::Table;
use crate::pack::PackFile;

/// The text of a cell that may be empty.
pub(super) fn cell(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// A number in a cell that may be empty.
fn digits(value: Option<u32>) -> String {
    value.map_or_else(String::new, |number| number.to_string())
}

/// Several words in one cell.
pub(super) fn words(words: &[String]) -> String {
    words.join("; ")
}

impl Inventory {
    pub(super) fn tables(&self) -> Vec<PackFile> {
        vec![
            self.keys_table().file("report/keys.csv"),
            self.versions_table().file("report/versions.csv"),
            self.algorithms_table().file("report/algorithms.csv"),
            self.generators_table().file("report/generators.csv"),
            self.rings_table().file("report/rings.csv"),
            self.credentials_table().file("report/credentials.csv"),
            self.nodes_table().file("report/nodes.csv"),
            self.assets_table().file("report/assets.csv"),
            self.declarations_table().file("report/declarations.csv"),
            self.approvals_table().file("report/approvals.csv"),
            self.capacities_table().file("report/capacities.csv"),
            self.reviews_table().file("report/reviews.csv"),
            self.review_items_table().file("report/review_items.csv"),
            self.break_glass_table().file("report/break_glass.csv"),
            self.alerts_table().file("report/alerts.csv"),
        ]
    }

    fn keys_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "ring",
            "spec",
            "purpose",
            "data_class",
            "class",
            "environment",
            "owner",
            "protection",
            "state",
            "origin",
            "primary",
            "primary_state",
            "versions",
            "created_at",
            "rotates_every",
            "destroy_at",
        ]);
        for line in &self.keys {
            table.row(&[
                &line.id,
                &line.ring,
                &line.spec,
                &line.purpose,
                &line.data_class,
                &line.class,
                cell(&line.environment),
                cell(&line.owner),
                &line.protection,
                &line.state,
                cell(&line.origin),
                &line.primary.to_string(),
                cell(&line.primary_state),
                &line.versions.to_string(),
                cell(&line.created_at),
                cell(&line.rotates_every),
                cell(&line.destroy_at),
            ]);
        }
        table
    }

    fn versions_table(&self) -> Table {
        let mut table = Table::new(&[
            "key",
            "number",
            "state",
            "origin",
            "strength_bits",
            "generator",
            "module",
            "drbg",
            "entropy",
            "wrapped_by",
            "wrapping_algorithm",
            "transport",
            "created_at",
            "activated_at",
            "protects_until",
            "processes_until",
            "material_expires_at",
        ]);
        for line in &self.versions {
            table.row(&[
                &line.key,
                &line.number.to_string(),
                &line.state,
                &line.origin,
                &digits(line.strength_bits),
                &line.generator,
                cell(&line.module),
                cell(&line.drbg),
                cell(&line.entropy),
                cell(&line.wrapped_by),
                cell(&line.wrapping_algorithm),
                cell(&line.transport),
                cell(&line.created_at),
                cell(&line.activated_at),
                cell(&line.protects_until),
                cell(&line.processes_until),
                cell(&line.material_expires_at),
            ]);
        }
        table
    }

    fn algorithms_table(&self) -> Table {
        let mut table = Table::new(&[
            "spec",
            "purpose",
            "keys",
            "versions",
            "strength_bits",
            "category",
            "status",
            "until",
            "processes",
            "disallowed_in",
            "quantum",
            "basis",
        ]);
        for line in &self.algorithms {
            table.row(&[
                &line.spec,
                &line.purpose,
                &line.keys.to_string(),
                &line.versions.to_string(),
                &line.strength_bits.to_string(),
                &digits(line.category),
                &line.status,
                cell(&line.until),
                &line.processes,
                &words(&line.disallowed_in),
                &line.quantum,
                cell(&line.basis),
            ]);
        }
        table
    }

    fn generators_table(&self) -> Table {
        let mut table = Table::new(&["class", "generator", "module", "drbg", "entropy", "versions"]);
        for line in &self.generators {
            table.row(&[
                cell(&line.class),
                &line.generator,
                cell(&line.module),
                cell(&line.drbg),
                cell(&line.entropy),
                &line.versions.to_string(),
            ]);
        }
        table
    }

    fn rings_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "keys",
            "protection",
            "data_class",
            "environment",
            "rotates_every",
            "rotates",
            "protect_period",
            "process_period",
            "destroy_waiting_period",
            "quorum",
            "grants_under_quorum",
            "separation",
            "context_required",
            "plaintext_data_keys",
            "assets",
            "kek_wrapped_by",
            "kek_wrapping_version",
            "kek_wrapping_algorithm",
            "kek_wrapping_strength_bits",
            "created_at",
        ]);
        for line in &self.rings {
            table.row(&[
                &line.id,
                &line.keys.to_string(),
                &line.protection,
                cell(&line.data_class),
                cell(&line.environment),
                cell(&line.rotates_every),
                &line.rotates,
                cell(&line.protect_period),
                cell(&line.process_period),
                &line.destroy_waiting_period,
                &line.quorum.to_string(),
                if line.grants_under_quorum { "yes" } else { "no" },
                &line.separation,
                &words(&line.context_required),
                &line.plaintext_data_keys,
                &line.assets,
                cell(&line.kek_wrapped_by),
                &digits(line.kek_wrapping_version),
                cell(&line.kek_wrapping_algorithm),
                &digits(line.kek_wrapping_strength_bits),
                &line.created_at,
            ]);
        }
        table
    }

    fn credentials_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "principal",
            "principal_kind",
            "kind",
            "state",
            "created_by",
            "renews",
            "created_at",
            "expires_at",
        ]);
        for line in &self.credentials {
            table.row(&[
                &line.id,
                &line.principal,
                cell(&line.principal_kind),
                &line.kind,
                &line.state,
                cell(&line.created_by),
                cell(&line.renews),
                &line.created_at,
                &line.expires_at,
            ]);
        }
        table
    }

    fn nodes_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "release",
            "build",
            "configuration",
            "policy",
            "mode",
            "environment",
            "reported_at",
            "clock_source",
            "insecure",
            "hardening",
            "listeners",
            "generators",
            "domains",
            "root_keys",
            "certificates",
            "certificates_until",
        ]);
        for line in &self.nodes {
            table.row(&[
                &line.id,
                &line.release,
                &line.build,
                &line.configuration,
                &line.policy,
                &line.mode,
                cell(&line.environment),
                &line.reported_at,
                &line.clock_source,
                &words(&line.insecure),
                &words(&line.hardening),
                &words(&line.listeners),
                &words(&line.generators),
                &words(&line.domains),
                &words(&line.root_keys),
                &line.certificates.to_string(),
                cell(&line.certificates_until),
            ]);
        }
        table
    }

    fn assets_table(&self) -> Table {
        let mut table = Table::new(&["id", "data_class", "class", "owner", "created_by", "created_at"]);
        for line in &self.assets {
            table.row(&[
                &line.id,
                &line.data_class,
                &line.class,
                &line.owner,
                &line.created_by,
                &line.created_at,
            ]);
        }
        table
    }

    fn declarations_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "kind",
            "subject",
            "says",
            "declared_by",
            "declared_at",
            "from",
            "until",
            "withdrawn_at",
        ]);
        for line in &self.declarations {
            table.row(&[
                &line.id,
                &line.kind,
                &line.subject,
                &line.says,
                &line.declared_by,
                &line.declared_at,
                cell(&line.from),
                cell(&line.until),
                cell(&line.withdrawn_at),
            ]);
        }
        table
    }

    fn approvals_table(&self) -> Table {
        let mut table = Table::new(&[
            "id",
            "action",
            "ring",
            "objects",
            "requester",
            "quorum",
            "eligible",
            "approvers",
            "denied_by",
            "signatures_that_hold",
            "steps_done",
            "requested_at",
            "expires_at",
            "outcome",
            "ended_at",
            "digest",
        ]);
        for line in &self.approvals {
            table.row(&[
                &line.id,
                &line.action,
                cell(&line.ring),
                &words(&line.objects),
                &line.requester,
                &line.quorum.to_string(),
                &line.eligible,
                &words(&line.approvers),
                cell(&line.denied_by),
                &line.signatures.to_string(),
                &line.steps_done.to_string(),
                &line.requested_at,
                &line.expires_at,
                cell(&line.outcome),
                cell(&line.ended_at),
                &line.digest,
            ]);
        }
        table
    }
}
