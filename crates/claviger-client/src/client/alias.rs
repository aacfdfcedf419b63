//! Calls about aliases.

use http::Method;

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::Page;
use crate::types::alias::{Alias, CreateAlias, ListAliases, MoveAlias};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Gives a key another name.
    pub async fn create_alias(&self, alias: &CreateAlias) -> Reply<Alias> {
        self.create("/v1/aliases").json(alias).answer().await
    }

    /// Moves an alias to another key.
    pub async fn move_alias(&self, alias: &str, to: &MoveAlias) -> Reply<Alias> {
        self.change(Method::PUT, path(alias)).json(to).answer().await
    }

    /// Takes an alias away.
    pub async fn remove_alias(&self, alias: &str) -> Reply<Alias> {
        self.change(Method::DELETE, path(alias)).answer().await
    }

    /// Reads an alias.
    pub async fn read_alias(&self, alias: &str) -> Reply<Alias> {
        self.get(Plane::Control, path(alias)).answer().await
    }

    /// Lists aliases in the order of their names.
    pub async fn list_aliases(&self, query: &ListAliases) -> Reply<Page<Alias>> {
        self.get(Plane::Control, "/v1/aliases".into()).query(query).answer().await
    }
}

fn path(alias: &str) -> String {
    format!("/v1/aliases/{}", segment(alias))
}
