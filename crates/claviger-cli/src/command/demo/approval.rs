//! What one person cannot do alone: one asks, two others look and sign, each by a command of their own, and then it is done.

use std::path::Path;
use std::process::Stdio;

use claviger_client::types::approval::{Approval, ApprovalState};
use claviger_client::types::key::{Key, ScheduleDestroy};
use claviger_client::{Client, ClientError};
use claviger_core::ApprovalId;

use super::instance::{Instance, this_program};
use super::steps::check;
use crate::failure::Failure;

/// Those who approve; there is one more of them.
const CUSTODIANS: [&str; 2] = ["custodian-1", "custodian-2"];

/// Has a key destroyed: the administrator asks, one custodian approves, which is not enough, then another; then the same call begins the
/// wait.
///
/// # Errors
/// When it goes another way.
pub(super) async fn destroy(
    administrator: &Client,
    auditor: &Client,
    instance: &Instance,
    key: &str,
) -> Result<String, Failure> {
    let reason = Some("shown in the demonstration".to_owned());
    let wish = ScheduleDestroy { reason, ..ScheduleDestroy::default() };
    let ask = async || administrator.schedule_destroy(key, &wish).await.map(|answer| answer.value);
    let asked = pending(ask().await)?;
    for (number, custodian) in CUSTODIANS.iter().enumerate() {
        let again = pending(ask().await)?;
        check(again == asked, || format!("with {number} approvals the call asked for another one: {again}"))?;
        approve(instance.profile(custodian)?, asked)?;
    }
    stands(auditor, asked, ApprovalState::Ready).await?;
    let waiting = ask().await.map_err(|error| Failure::from(error).during("the call that was approved"))?;
    stands(auditor, asked, ApprovalState::Executed).await?;
    let [one, other] = CUSTODIANS;
    match &waiting.destroy_at {
        Some(at) => Ok(format!(
            "approval {asked}: the call waited until `{one}` and `{other}` had signed; now `{}` waits until {at}",
            waiting.name
        )),
        None => Err(Failure::unverified("the key does not wait for its destruction")),
    }
}

/// The approval that the call waits for, which must not be done yet.
fn pending(answer: Result<Key, ClientError>) -> Result<ApprovalId, Failure> {
    match answer {
        Ok(_) => Err(Failure::unverified("a key was to be destroyed, and not enough people had approved it")),
        Err(error) => error
            .approval()
            .ok_or_else(|| Failure::from(error).during("the destruction was to wait for approval, but")),
    }
}

/// Approves by the command that people use, which takes apart and shows what it signs.
fn approve(profile: &Path, approval: ApprovalId) -> Result<(), Failure> {
    let output = this_program().and_then(|mut command| {
        command.arg("--profile").arg(profile).args(["approval", "approve", "--yes"]);
        command.arg(approval.to_string()).stdin(Stdio::null()).output()
    });
    let output = output.map_err(|error| Failure::failed(format!("the command does not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    let failure = Failure::unverified(format!("`approval approve` ended, {}", output.status));
    Err(failure.with_findings(said))
}

/// Is the approval in that state?
async fn stands(auditor: &Client, id: ApprovalId, state: ApprovalState) -> Result<(), Failure> {
    let approval: Approval = auditor.read_approval(id).await?.value;
    check(*approval.state == state, || format!("approval {id} is {}, and not {state}", approval.state))
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Problem;

    use super::*;

    #[test]
    fn only_a_call_that_waits_for_approval_is_pending() {
        let id = ApprovalId::from_bytes([7; 16]);
        let problem = |approval: Option<ApprovalId>| {
            let problem = Problem::new(403, "approval-required", "title");
            ClientError::Problem(Box::new(Problem { approval: approval.map(Into::into), ..problem }))
        };
        assert_eq!(pending(Err(problem(Some(id)))).unwrap(), id);
        assert!(pending(Err(problem(None))).is_err());
        let transport = pending(Err(ClientError::Transport("gone".into()))).unwrap_err();
        assert!(transport.to_string().contains("to wait for approval"), "{transport}");
    }
}
