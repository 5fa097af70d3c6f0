//! What we sign, verified by Sigstore's own packages from npm.
//!
//! A lane of its own: with `CARA_FOREIGN=1` and a Node.js of 20 or newer they are installed below the target folder (CI
//! does). Without, the test says that it was skipped. The other way round, bundles that Sigstore's public instance made
//! are verified by us in `signing/tests/keyless.rs`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use cara_harness::{component_of, manifest_of};
use cara_sdk_sign::{SecretKey, sign};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with the packages, installed if that was asked for.
fn installed() -> Option<PathBuf> {
    std::env::var_os("CARA_FOREIGN")?;
    let version = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let major: u32 = version.strip_prefix('v')?.split('.').next()?.parse().ok()?;
    (major >= 20).then_some(())?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sigstore");
    std::fs::create_dir_all(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sigstore");
    for file in ["package.json", "verify.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let npm =
        Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder).output();
    let npm = npm.ok()?;
    assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    Some(folder)
}

#[test]
fn sigstores_verifier_accepts_what_we_sign_and_nothing_else() {
    let Some(folder) = installed() else {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 and Node.js 20 or newer to install from npm");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let (file, key, other) =
        (work.path().join("x.wasm"), SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let package = component_of("hostile", &manifest_of("hostile"));
    let write = |name: &str, bytes: &[u8]| std::fs::write(work.path().join(name), bytes).unwrap();
    write("x.wasm", package.bytes());
    write("x.wasm.sigstore.json", sign(&package, &key).to_json().as_bytes());
    write("own.pub", key.public().to_pem().as_bytes());
    write("other.pub", other.public().to_pem().as_bytes());
    let verify = |key: &str| -> Output {
        let mut node = Command::new("node");
        node.arg("verify.mjs").arg(&file).arg(work.path().join(key)).current_dir(&folder);
        node.output().unwrap()
    };

    let accepted = verify("own.pub");
    let told = String::from_utf8_lossy(&accepted.stdout).into_owned();
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    assert!(told.starts_with("https://in-toto.io/Statement/v1 hostile"), "{told}");
    let refused = verify("other.pub");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("signature verification failed"));
    write("x.wasm", &[package.bytes().as_ref(), b"x"].concat());
    let refused = verify("own.pub");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the statement is about another file"));
    write("x.wasm.sigstore.json", sign(&package, &other).to_json().as_bytes());
    assert!(!verify("own.pub").status.success());
}
