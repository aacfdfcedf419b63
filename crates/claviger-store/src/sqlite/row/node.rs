//! Table `node`.

use claviger_core::node::{Node, NodeReport};
use claviger_core::object::Kind;
use claviger_core::port::StoreError;
use claviger_core::port::store::Applied;
use claviger_core::{Name, NodeId};
use rusqlite::params;

use super::super::columns::{Columns, find, integer, join, list, micros};
use super::super::tag::{Guarded, Line, Tagged};
use super::{Seen, next_revision, seen, valid, write_tagged};

const TABLE: &str = "node";

/// What the tag of a row covers.
macro_rules! covered {
    () => {
        "fact, id, incarnation, reported_at, environment, insecure, release, build, configuration, policy, hardening, listeners, \
         certificate, client_authorities, clock_source, generators, domains, root_keys, certificates, released, revision"
    };
}
macro_rules! columns {
    () => {
        concat!("tag, ", covered!())
    };
}

pub(in crate::sqlite) const TAGGED: Tagged = Tagged {
    kind: Kind::Node,
    what: TABLE,
    columns: covered!(),
    id: 1,
    revision: Some(20),
    has_fact: true,
    later: 0,
    select: concat!("SELECT ", covered!(), " FROM node WHERE id = ?1"),
    update: "UPDATE node SET tag = ?1, fact = ?2 WHERE id = ?3",
};

pub(in crate::sqlite) fn find_by_id(connection: Guarded<'_>, id: NodeId) -> Result<Option<Node>, StoreError> {
    find(connection, concat!("SELECT ", columns!(), " FROM node WHERE id = ?1"), [id.as_bytes()], parse)
}

/// Rows in the order of their identifiers, behind `after`.
pub(in crate::sqlite) fn list_from(
    connection: Guarded<'_>,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Node>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM node WHERE id > ?1 ORDER BY id LIMIT ?2");
    list(connection, sql, params![after, limit], parse)
}

fn parse(row: &Line<'_>) -> Result<Node, StoreError> {
    let mut columns = Columns::new(TABLE, row);
    columns.held(&TAGGED)?;
    Ok(Node {
        id: NodeId::from_bytes(columns.array()?),
        incarnation: columns.count()?,
        reported_at: columns.instant()?,
        report: NodeReport {
            environment: columns.maybe(Columns::word)?,
            insecure: columns.words()?,
            release: columns.text()?.to_owned(),
            build: columns.array()?,
            configuration: columns.array()?,
            policy: columns.array()?,
            hardening: columns.words()?,
            listeners: columns.words()?,
            certificate: columns.array()?,
            client_authorities: columns.array()?,
            clock_source: columns.text()?.to_owned(),
            generators: columns.words()?,
            domains: columns.words()?,
            root_keys: columns.words()?,
            certificates: columns.words()?,
        },
        released: columns.words()?,
        revision: columns.count()?,
    })
}

/// Writes a node.
pub(in crate::sqlite) fn put(connection: Guarded<'_>, node: &Node) -> Result<Applied, StoreError> {
    let report = &node.report;
    valid(TABLE, node)?;
    let stored = find_by_id(connection, node.id)?;
    if let Seen::Moved = seen(TABLE, stored.as_ref(), node)? {
        return Ok(Applied::Conflict);
    }
    write_tagged(
        connection,
        &TAGGED,
        &[node.id.as_bytes()],
        "INSERT INTO node (id, incarnation, reported_at, environment, insecure, release, build, configuration, policy, hardening, \
         listeners, certificate, client_authorities, clock_source, generators, domains, root_keys, certificates, released, \
         revision) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
         ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, reported_at = excluded.reported_at, \
         environment = excluded.environment, insecure = excluded.insecure, release = excluded.release, build = excluded.build, \
         configuration = excluded.configuration, policy = excluded.policy, hardening = excluded.hardening, \
         listeners = excluded.listeners, certificate = excluded.certificate, \
         client_authorities = excluded.client_authorities, clock_source = excluded.clock_source, \
         generators = excluded.generators, domains = excluded.domains, root_keys = excluded.root_keys, \
         certificates = excluded.certificates, released = excluded.released, revision = excluded.revision",
        params![
            node.id.as_bytes(),
            integer(TABLE, node.incarnation)?,
            micros(TABLE, node.reported_at)?,
            report.environment.as_ref().map(Name::as_str),
            join(&report.insecure),
            report.release,
            report.build,
            report.configuration,
            report.policy,
            join(&report.hardening),
            join(&report.listeners),
            report.certificate,
            report.client_authorities,
            report.clock_source,
            join(&report.generators),
            join(&report.domains),
            join(&report.root_keys),
            join(&report.certificates),
            join(&node.released),
            next_revision(TABLE, node.revision)?,
        ],
    )
}
