//! The log of a house as an outsider verifies and replays it, held against the live states.

use claviger_audit::verify::{Files, NoFile, ROOT_VKEY, Request, States, differences, verify};
use claviger_core::KeyId;
use claviger_core::key::State;
use claviger_core::port::store::Page;
use claviger_service::operation::{ReadLogResource, ReadStates};
use tokio::runtime::Handle;

use crate::house::House;

struct Exported<'a>(&'a House);

impl Files for Exported<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        if name == ROOT_VKEY {
            return Ok(self.0.road.facts().root_key.to_string().into_bytes());
        }
        let read = ReadLogResource { path: name.to_owned() };
        let found =
            tokio::task::block_in_place(|| Handle::current().block_on(self.0.ask("vera", read))).unwrap();
        found.output.ok_or(NoFile::Missing)
    }
}

/// Verifies the whole log, and that what it yields is what is live.
pub(crate) async fn hold(house: &House) {
    house.road.cut().await.unwrap();
    let verified = verify(&Exported(house), &Request::new(&house.road.facts().root_key)).unwrap();
    assert_eq!(verified.findings, []);
    let page = ReadStates { page: Page { after: None, limit: 1000 } };
    let live = house.ask("vera", page).await.unwrap().output;
    let live: States = live.into_iter().map(|(version, state, key)| (version, (state, key))).collect();
    assert_eq!(differences(&verified.states, &live), Vec::<String>::new());
}

/// The live states of a key's versions and of the key.
pub(crate) async fn states(house: &House, key: KeyId) -> Vec<(State, State)> {
    let page = ReadStates { page: Page { after: None, limit: 1000 } };
    let live = house.ask("vera", page).await.unwrap().output;
    live.into_iter().filter(|(version, ..)| version.key == key).map(|(_, state, key)| (state, key)).collect()
}
