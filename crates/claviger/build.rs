//! Builds what has to stand in the place of a function of the C library, which only C can say without `unsafe`.

fn main() {
    println!("cargo::rerun-if-changed=src/madvise.c");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        cc::Build::new().file("src/madvise.c").cargo_metadata(false).compile("claviger_madvise");
        let out = std::env::var("OUT_DIR").unwrap_or_default();
        println!("cargo::rustc-link-search=native={out}");
        println!("cargo::rustc-link-lib=static:+whole-archive=claviger_madvise");
    }
}
