//! A connection to the token: the slot, the holder session that keeps the login, and the root keys by handle.
//!
//! The holder session also owns the session objects, so that a worker can replace its own session at any time without
//! taking keys away from the others. If the token goes away the whole link is dropped and a new one made.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_crypto::SecretBytes;
use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::MechanismType;
use cryptoki::object::AttributeType;
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use super::attempt::{self, FewAttempts};
use super::error::Pkcs11OpenError;
use super::library::{Library, LibraryGuard};
use super::root::{self, Roots};
use super::{CreateRoot, TokenSelector};

/// A live connection.
pub(super) struct Link {
    /// Counts the connections of one provider: handles of objects are valid in one of them.
    pub(super) generation: u64,
    /// The library's epoch in which its sessions were opened.
    pub(super) library_epoch: u64,
    pub(super) slot: Slot,
    pub(super) token: TokenName,
    pub(super) roots: Roots,
    pub(super) mechanisms: Vec<MechanismType>,
    holder: Mutex<Option<Session>>,
    library: Arc<Library>,
}

/// What a token calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenName {
    pub(super) label: String,
    pub(super) serial: String,
    pub(super) model: String,
    pub(super) firmware: String,
    /// Does the slot say that a hardware device is behind it (`CKF_HW_SLOT`)?
    pub(super) hardware: bool,
}

/// What a link is made from.
pub(super) struct ConnectOptions<'a> {
    pub(super) library: &'a Arc<Library>,
    pub(super) selector: &'a TokenSelector,
    pub(super) pin: &'a SecretBytes,
    pub(super) prefix: &'a str,
    /// Whether the PIN is shown although few attempts are left.
    pub(super) few: FewAttempts,
    /// The token of the first connection: no PIN is shown to another.
    pub(super) known: Option<&'a TokenName>,
}

impl Link {
    /// Connects: finds the token, logs in once, finds the root (or makes it) and checks it.
    pub(super) fn connect(
        options: &ConnectOptions<'_>,
        create: CreateRoot,
        generation: u64,
    ) -> Result<Self, Pkcs11OpenError> {
        let entry = options.library.enter();
        let pkcs11 = entry.pkcs11();
        let slot = find_slot(pkcs11, options.selector)?;
        let token = name_of(pkcs11, slot)?;
        if options.known.is_some_and(|known| known.serial != token.serial || known.label != token.label) {
            return Err(Pkcs11OpenError::RootReplaced);
        }
        let mechanisms = pkcs11.get_mechanism_list(slot)?;
        if !mechanisms.contains(&MechanismType::AES_GCM) {
            return Err(Pkcs11OpenError::MissingMechanism("CKM_AES_GCM"));
        }
        let session = pkcs11.open_ro_session(slot)?;
        attempt::log_in(pkcs11, slot, &session, options.pin, options.few)?;
        if create == CreateRoot::IfMissing {
            root::create(&pkcs11.open_rw_session(slot)?, &mechanisms, options.prefix)?;
        }
        let roots = root::find(&session, options.prefix)?;
        Ok(Self {
            generation,
            library_epoch: entry.library_epoch(),
            slot,
            token,
            roots,
            mechanisms,
            holder: Mutex::new(Some(session)),
            library: options.library.clone(),
        })
    }

    /// Works with the session that owns the session objects.
    pub(super) fn with_holder<T>(&self, work: impl FnOnce(&Session) -> T) -> Option<T> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(work)
    }

    /// Does the token answer for the root?
    pub(super) fn answers(&self) -> bool {
        self.with_holder(|session| {
            session
                .get_attributes(self.roots.seal, &[AttributeType::Class])
                .is_ok_and(|found| found.len() == 1)
        })
        .unwrap_or(false)
    }

    /// Opens a session for a worker; it is logged in because the holder is.
    pub(super) fn open_session(&self, entry: &LibraryGuard<'_>) -> Result<Session, Error> {
        entry.pkcs11().open_ro_session(self.slot)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let session = self.holder.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            self.library.enter().retire(session, self.library_epoch);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("generation", &self.generation)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

fn find_slot(pkcs11: &Pkcs11, selector: &TokenSelector) -> Result<Slot, Pkcs11OpenError> {
    let (mut found, mut labels) = (Vec::new(), Vec::new());
    for slot in pkcs11.get_slots_with_token()? {
        // A slot whose token does not give its name is not the one that is looked for.
        let Ok(info) = pkcs11.get_token_info(slot) else { continue };
        let matches = match selector {
            TokenSelector::Label(label) => info.label() == label,
            TokenSelector::Slot(id) => slot.id() == *id,
        };
        if info.token_initialized() {
            labels.push(format!("`{}` in slot {}", info.label(), slot.id()));
            if matches {
                found.push(slot);
            }
        }
    }
    match *found.as_slice() {
        [one] => Ok(one),
        [] => Err(Pkcs11OpenError::NoToken { selector: selector.to_string(), seen: seen(&labels) }),
        _ => Err(Pkcs11OpenError::AmbiguousToken { label: selector.to_string() }),
    }
}

fn seen(labels: &[String]) -> String {
    if labels.is_empty() {
        return "the library shows no initialized token at all; initialize one, or let this user see it"
            .to_owned();
    }
    format!("there are {}; correct `root.token`, or `root.slot`", labels.join(", "))
}

fn name_of(pkcs11: &Pkcs11, slot: Slot) -> Result<TokenName, Pkcs11OpenError> {
    let token = pkcs11.get_token_info(slot)?;
    Ok(TokenName {
        label: token.label().to_owned(),
        serial: token.serial_number().to_owned(),
        model: token.model().to_owned(),
        firmware: token.firmware_version().to_string(),
        hardware: pkcs11.get_slot_info(slot)?.hardware_slot(),
    })
}
