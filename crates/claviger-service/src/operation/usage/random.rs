//! Random bytes.

use claviger_core::Action;
use claviger_crypto::SecretBytes;

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::TargetRef;
use crate::view::View;

/// Most bytes of one call.
const MOST: u32 = 1024;

/// Draws random bytes, from the token where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    /// How many: 1 to 1,024.
    pub bytes: u32,
}

impl Operation for Random {
    type Output = SecretBytes;

    fn action(&self) -> Action {
        Action::Random
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<SecretBytes>, ServiceError> {
        if !(1..=MOST).contains(&self.bytes) {
            return Err(ServiceError::invalid(format!("1 to {MOST} random bytes can be drawn at once")));
        }
        let drawn = view.draw(usize::try_from(self.bytes).unwrap_or_default()).await?;
        Ok(Staged::reading(drawn, view.detail()))
    }
}
