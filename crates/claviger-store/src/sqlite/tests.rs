//! The contract of stores, in a real one, and what is of the database alone. Every statement is held against its plan on the way.

mod grants;
mod inventory;
mod migration;
mod tags;

use std::sync::Arc;

use claviger_core::port::Store as _;
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_testkit::contract::store::shelf::{self, at, numbered, revoked};

use super::schema::EMPTY_ROOT;
use super::{SqliteOptions, SqliteStore};

type Shelf = shelf::Shelf<SqliteStore>;

fn row_key() -> Arc<HmacSha256> {
    Arc::new(HmacSha256::new(&SecretBytes::new(vec![1; 32])))
}

fn open() -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("data"), SqliteOptions::default()).unwrap();
    store.open_rows(row_key());
    (store, directory)
}

fn shelf() -> Shelf {
    let (store, directory) = open();
    Shelf::new(store, directory)
}

/// One that knows which rows there are.
async fn counted_shelf() -> Shelf {
    let (store, directory) = open();
    store.make_row_root(0, EMPTY_ROOT).await.unwrap();
    store.load_row_blocks().await.unwrap();
    Shelf::new(store, directory)
}

claviger_testkit::store_contract!(shelf());
