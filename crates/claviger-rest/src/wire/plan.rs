//! Plans.

use claviger_client::types::plan as wire;
use claviger_service::operation::{Plan, WeighedAct};

use crate::error::to_wire;

/// What is planned. Whether it reads, the service says.
#[must_use]
pub fn plan_from_wire(wire: wire::AskPlan) -> Plan {
    Plan { acts: wire.acts.iter().map(|act| act.as_ref().to_vec()).collect() }
}

/// What is said of an act.
#[must_use]
pub fn act_to_wire(act: WeighedAct) -> wire::CheckedAct {
    let WeighedAct { action, approvers } = act;
    let refused = approvers.as_ref().err().map(|error| wire::RefusedAct {
        code: to_wire(error.kind()).code.to_owned(),
        detail: error.public_message().to_owned(),
    });
    wire::CheckedAct { action: action.into(), approvers: approvers.ok(), refused }
}
