//! Which cryptographic module is linked, said truthfully, and its self-test.

mod self_test;

use core::fmt;

pub use self_test::{SelfTestFailure, self_test};

/// The linked cryptographic module, as it reports itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleDescription {
    /// The module's name: `aws-lc`.
    pub name: &'static str,
    /// The release of the linked library, as in `5.1.0`.
    pub version: &'static str,
    /// Whether the library was built as the FIPS module and runs in that mode. It is asked at run time; the cargo
    /// feature alone proves nothing. It does not say that this release holds a certificate.
    pub fips: bool,
    /// The major version of the FIPS module that the build corresponds to, if it is a FIPS release.
    pub fips_module: Option<u32>,
}

/// The construction of the library's generator.
pub const DRBG: &str = "CTR_DRBG with AES-256 (SP 800-90A)";
/// What seeds it, as this release of the library is built: each thread's generator from a tree whose root is seeded by the jitter of
/// the CPU, with bytes of the operating system beside it. Where the kernel reports snapshots of a virtual machine, the operating
/// system seeds it, with bytes of the CPU's own generator beside them.
pub const ENTROPY: &str = "seeded by jitter of the CPU and by the operating system";

/// Describes the linked module.
#[must_use]
pub fn module() -> ModuleDescription {
    let fips = aws_lc_rs::try_fips_mode().is_ok();
    ModuleDescription {
        name: "aws-lc",
        version: aws_lc_rs::awslc_version(),
        fips,
        fips_module: if fips { aws_lc_rs::fips_version() } else { None },
    }
}

impl fmt::Display for ModuleDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.version)?;
        match (self.fips, self.fips_module) {
            (true, Some(module)) => write!(f, "(FIPS module {module})"),
            (true, None) => f.write_str("(FIPS)"),
            (false, _) => f.write_str("(not FIPS)"),
        }
    }
}
