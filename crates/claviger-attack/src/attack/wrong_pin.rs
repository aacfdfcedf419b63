//! A wrong PIN, shown until the token locks.
//!
//! **Attack.** None is needed: somebody writes a wrong PIN into the configuration, and whatever supervises the server starts it
//! again 2 seconds after it failed, for 40 seconds, as the shipped unit says. Only what ended by status 5 is left alone
//! (`RestartPreventExitStatus`).
//!
//! **Breaks.** The token is shown the wrong PIN more than once: those that count lock after 3 to 10.
//!
//! **Holds.** It is shown once.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::machine;
use crate::site::{Lab, Site};
use crate::token::Token;
use crate::verdict::Verdict;

const SPAN: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_secs(2);
/// What the unit does not start again.
const LEFT_ALONE: i32 = 5;

pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let token = Token::watched()?;
    let mut site = Site::set_up_in(lab, &token)?;
    site.stop()?;
    let before = token.logins()?;
    site.set(&token.variables("0000-0000"));
    let (begun, mut starts, mut left_alone) = (machine::now(), 0, false);
    while machine::now() - begun < SPAN {
        if !left_alone {
            starts += 1;
            let Some(status) = site.try_serve()? else { bail!("it serves by a wrong PIN") };
            left_alone = status.code() == Some(LEFT_ALONE);
        }
        std::thread::sleep(PAUSE);
    }
    let attempts = token.logins()? - before;
    let what = format!("{attempts} logins in {} s, {starts} starts", SPAN.as_secs());
    Ok(if attempts == 1 { Verdict::Held(what) } else { Verdict::Broken(what) })
}
