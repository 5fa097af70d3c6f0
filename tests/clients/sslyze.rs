//! sslyze looks at the listener over TLS, and judges it by what Mozilla
//! recommends (`intermediate`).
//!
//! That covers versions, ciphers, curves, the certificate and its chain, and the known attacks: Heartbleed, ROBOT, CCS
//! injection, renegotiation, compression, downgrades. testssl.sh is another look, for minutes: `CARA_TESTSSL=1`,
//! host/cara/tests/commands/listen.rs.

use super::installed::{is_on, python, run};
use super::served::Served;
use cara_control::tls::MakeAuthority;
use cara_control::vault::MakeVault;
use serde_json::Value;
use std::process::Command;

/// What is installed from PyPI.
const PACKAGES: [&str; 1] = ["sslyze==6.3.1"];

#[tokio::test(flavor = "multi_thread")]
async fn sslyze_finds_the_listener_as_mozilla_recommends() {
    if !is_on() {
        return;
    }
    let served = Served::with("[vault]\nstore = 'file'\n[gateway.tls]\nmode = 'ca'").await;
    served.does(MakeVault { password: "correct horse".into() }).await;
    served.does(MakeAuthority { name: None }).await;
    let door = served.door().await;
    let (authority, found) = (served.home.path().join("cara/tls/ca.pem"), served.home.path().join("found.json"));
    let mut look = Command::new(python("sslyze", &PACKAGES).join("sslyze"));
    look.args(["--mozilla_config", "intermediate", "--certinfo", "--certinfo_ca_file"]).arg(authority);
    look.arg(format!("--json_out={}", found.display())).arg(format!("localhost:{}", door.address.port()));
    // Whether all is as recommended, its exit code says.
    let told = tokio::task::spawn_blocking(move || run(&mut look)).await.unwrap();
    assert!(told.contains("OK - Compliant."), "{told}");
    let found: Value = serde_json::from_slice(&std::fs::read(&found).unwrap()).unwrap();
    let result = |of: &str| &found["server_scan_results"][0]["scan_result"][of]["result"];
    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"] {
        let accepted = result(&format!("{version}_cipher_suites"))["accepted_cipher_suites"].as_array().unwrap().len();
        assert_eq!(accepted, if version > "tls_1_1" { 3 } else { 0 }, "{version}: {told}");
    }
    for (attack, field) in [
        ("heartbleed", "is_vulnerable_to_heartbleed"),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"),
        ("tls_compression", "supports_compression"),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"),
    ] {
        assert_eq!(result(attack)[field], false, "{attack}: {told}");
    }
    door.close().await;
}
