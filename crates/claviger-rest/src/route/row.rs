//! One row of the table: a path, a method, who answers, and what the OpenAPI document says of it.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::RouteInfo;
use crate::Api;

/// A schema by its name, with those that it refers to.
#[derive(Clone)]
pub(super) struct NamedSchema {
    pub(super) name: String,
    pub(super) schema: RefOr<Schema>,
    pub(super) others: Vec<(String, RefOr<Schema>)>,
}

impl NamedSchema {
    pub(super) fn of<T: ToSchema>() -> Self {
        let mut others = Vec::new();
        T::schemas(&mut others);
        Self { name: T::name().into_owned(), schema: T::schema(), others }
    }
}

/// What the body of a request or answer is.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) json: Option<NamedSchema>,
    pub(super) octets: bool,
    pub(super) text: bool,
}

/// One row.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) handler: MethodRouter<Api>,
    pub(super) open: bool,
    pub(super) creates: bool,
    pub(super) conditional: bool,
    pub(super) optional_body: bool,
    pub(super) query: Option<NamedSchema>,
    pub(super) takes: Content,
    pub(super) gives: Content,
    pub(super) headers: &'static [&'static str],
}

pub(super) fn row<H, T>(
    method: MethodFilter,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    handler: H,
) -> Row
where
    H: Handler<T, Api>,
    T: 'static,
{
    Row {
        method: method_of(method),
        path,
        id,
        summary,
        handler: on(method, handler),
        open: false,
        creates: false,
        conditional: false,
        optional_body: false,
        query: None,
        takes: Content::default(),
        gives: Content::default(),
        headers: &[],
    }
}

fn method_of(filter: MethodFilter) -> Method {
    match filter {
        MethodFilter::DELETE => Method::DELETE,
        MethodFilter::PATCH => Method::PATCH,
        MethodFilter::POST => Method::POST,
        MethodFilter::PUT => Method::PUT,
        _ => Method::GET,
    }
}

impl Row {
    /// Answers without a credential.
    pub(super) fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Takes JSON.
    pub(super) fn takes<T: ToSchema>(self) -> Self {
        Self { takes: Content { json: Some(NamedSchema::of::<T>()), ..self.takes }, ..self }
    }

    /// Takes JSON, or no body.
    pub(super) fn may_take<T: ToSchema>(self) -> Self {
        Self { optional_body: true, ..self.takes::<T>() }
    }

    /// Takes raw bytes as well; what they leave unsaid comes in these headers.
    pub(super) fn takes_octets(self, headers: &'static [&'static str]) -> Self {
        Self { takes: Content { octets: true, ..self.takes }, headers, ..self }
    }

    /// Gives JSON.
    pub(super) fn gives<T: ToSchema>(self) -> Self {
        Self { gives: Content { json: Some(NamedSchema::of::<T>()), ..self.gives }, ..self }
    }

    /// Gives raw bytes where it took some.
    pub(super) fn gives_octets(self) -> Self {
        Self { gives: Content { octets: true, ..self.gives }, ..self }
    }

    /// Gives text.
    pub(super) fn gives_text(self) -> Self {
        Self { gives: Content { text: true, ..self.gives }, ..self }
    }

    /// Reads its query.
    pub(super) fn asks<T: ToSchema>(self) -> Self {
        Self { query: Some(NamedSchema::of::<T>()), ..self }
    }

    /// Creates: answers 201, heeds `Idempotency-Key`.
    pub(super) fn creates(self) -> Self {
        Self { creates: true, ..self }
    }

    /// Heeds `If-Match`.
    pub(super) fn conditional(self) -> Self {
        Self { conditional: true, ..self }
    }

    pub(super) fn info(&self) -> RouteInfo {
        RouteInfo {
            method: self.method.clone(),
            path: self.path,
            open: self.open,
            takes_octets: self.takes.octets,
        }
    }
}
