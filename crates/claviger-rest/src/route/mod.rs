//! The table of routes: what the routers, the OpenAPI documents and the tests are made from.
//!
//! A route is a row; there is no other way to add one. Whether it is open to everyone stands in its row.

mod control;
pub(crate) mod data;
mod example;
mod openapi;
mod row;

use axum::Router;
use claviger_core::action::Surface;
use claviger_service::Road;
use http::{Method, Uri};

use crate::plane::{Plane, unknown_route, wrong_method};
use crate::{Api, RestLimits};
use row::Row;

/// A route, as others may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, with `{names}` for what varies.
    pub path: &'static str,
    /// Whether it answers without a credential.
    pub open: bool,
    /// Whether it takes raw bytes as well as JSON.
    pub takes_octets: bool,
}

/// The control plane: people, with roles.
pub fn control_plane(road: Road, limits: RestLimits) -> Plane {
    plane(road, limits, Surface::Control, control::rows())
}

/// The data plane: applications, with grants.
pub fn data_plane(road: Road, limits: RestLimits) -> Plane {
    plane(road, limits, Surface::Data, data::rows())
}

/// All routes of the control plane.
#[must_use]
pub fn control_routes() -> Vec<RouteInfo> {
    control::rows().iter().map(Row::info).collect()
}

/// All routes of the data plane.
#[must_use]
pub fn data_routes() -> Vec<RouteInfo> {
    data::rows().iter().map(Row::info).collect()
}

fn routes_of(surface: Surface) -> Vec<RouteInfo> {
    match surface {
        Surface::Control => control_routes(),
        Surface::Data => data_routes(),
    }
}

/// Is that a path of the route `pattern`?
fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        match parts.next() {
            Some(_) if wanted.starts_with("{*") => return true,
            Some(part) if part == wanted || (wanted.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// The OpenAPI 3.1 document of a plane, as JSON.
#[must_use]
pub fn openapi(surface: Surface) -> String {
    match surface {
        Surface::Control => openapi::document("Claviger control plane", &control::rows()),
        Surface::Data => openapi::document("Claviger data plane", &data::rows()),
    }
}

fn plane(road: Road, limits: RestLimits, surface: Surface, rows: Vec<Row>) -> Plane {
    let api = Api::new(road, limits, surface, openapi(surface).into());
    let elsewhere: Vec<_> = routes_of(surface.other()).into_iter().map(|route| route.path).collect();
    let open = rows.iter().filter(|row| row.open).map(|row| row.path).collect();
    let mut router = Router::new();
    for row in rows {
        router = router.route(row.path, row.handler);
    }
    let unknown = move |uri: Uri| {
        let is_elsewhere = elsewhere.iter().any(|path| fits(path, uri.path()));
        std::future::ready(unknown_route(is_elsewhere.then_some(surface.other())))
    };
    let router = router.fallback(unknown).method_not_allowed_fallback(wrong_method);
    Plane::new(api.clone(), router.with_state(api), open)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_routes_are_open_on_each_plane() {
        for routes in [control_routes(), data_routes()] {
            let open: Vec<_> = routes.iter().filter(|route| route.open).map(|route| route.path).collect();
            assert_eq!(open, ["/v1/health", "/v1/version"]);
        }
    }

    #[test]
    fn paths_fit_the_routes_that_serve_them() {
        for (pattern, path) in [
            ("/v1/rings", "/v1/rings"),
            ("/v1/keys/{key}/encrypt", "/v1/keys/orders%2Fmain/encrypt"),
            ("/v1/log/{*path}", "/v1/log/root/checkpoint"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
            for other in ["/", "/v1/rings/", "/v1/keys/x", "/v1/keys//encrypt", "/v1/keys/x/encrypt/y"] {
                assert!(!fits(pattern, other), "{pattern} {other}");
            }
        }
    }

    #[test]
    fn no_route_is_described_twice() {
        for routes in [control_routes(), data_routes()] {
            let distinct: BTreeSet<_> =
                routes.iter().map(|route| (route.method.as_str(), route.path)).collect();
            assert_eq!(distinct.len(), routes.len());
        }
    }

    #[test]
    fn golden_documents_are_unchanged() {
        for (surface, file) in
            [(Surface::Control, "openapi-control.json"), (Surface::Data, "openapi-data.json")]
        {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(file);
            let printed = openapi(surface) + "\n";
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &printed).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == printed,
                "golden/{file} differs; UPDATE_GOLDEN=1 rewrites it, and the diff is the change"
            );
        }
    }
}
