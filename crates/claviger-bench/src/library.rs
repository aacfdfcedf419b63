//! What the cryptographic module does by itself on one core: what signatures through the server are held against.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, KeyPair as _};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use clap::{Args, ValueEnum};
use tokio::time::Instant;

/// What is signed, here and through the server.
pub const MESSAGE: [u8; 32] = [0x5a; 32];

/// Which signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signature {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rsa2048,
}

/// Options of a measurement that is a process of its own.
#[derive(Debug, Args)]
pub struct LibraryArgs {
    signature: Signature,
    #[arg(long)]
    milliseconds: u64,
}

/// Measures for a while and prints signatures per second.
///
/// # Errors
/// When the module fails.
pub fn run(args: &LibraryArgs) -> Result<()> {
    let span = Duration::from_millis(args.milliseconds);
    let rate = match args.signature {
        Signature::P256 => ecdsa(span)?,
        Signature::Rsa2048 => rsa(span)?,
    };
    Ok(writeln!(std::io::stdout().lock(), "{rate}")?)
}

/// Signatures per second in a process of its own, which runs where this thread's children run.
///
/// # Errors
/// When it fails.
pub fn measured(signature: Signature, span: Duration) -> Result<f64> {
    let word = match signature {
        Signature::P256 => "p256",
        Signature::Rsa2048 => "rsa2048",
    };
    let span = span.as_millis().to_string();
    let output =
        Command::new(std::env::current_exe()?).args(["library", word, "--milliseconds", &span]).output()?;
    ensure!(output.status.success(), "the module fails: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.trim().parse().context("no rate was printed")
}

fn ecdsa(span: Duration) -> Result<f64> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let signature = pair.sign(&SystemRandom::new(), &MESSAGE)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
    public.verify(&MESSAGE, signature.as_ref())?;
    repeated(span, || {
        pair.sign(&SystemRandom::new(), &MESSAGE)?;
        Ok(())
    })
}

fn rsa(span: Duration) -> Result<f64> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    repeated(span, || Ok(pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &MESSAGE, &mut signature)?))
}

fn repeated(span: Duration, mut once: impl FnMut() -> Result<()>) -> Result<f64> {
    const AT_ONCE: u32 = 16;
    let begun = Instant::now();
    let mut done = 0.0;
    while begun.elapsed() < span {
        for _ in 0..AT_ONCE {
            once()?;
        }
        done += f64::from(AT_ONCE);
    }
    Ok(done / begun.elapsed().as_secs_f64())
}
