//! Components whose binary and manifest disagree are not loaded.

use cara_harness::{Testbed, component_of, manifest_of};
use cara_kernel::{Checked, Kernel, PoolSize};
use cara_signing::{Bundle, Package, TrustStore, TrustedKey, verify};
use std::sync::Arc;

/// What loading the guest with an edited manifest comes to.
async fn loaded_with(guest: &str, edit: impl FnOnce(String) -> String) -> String {
    let testbed = Testbed::new().await;
    let package = component_of(guest, &edit(manifest_of(guest)));
    testbed.package(package).try_load().err().expect("a refusal").to_string()
}

/// A manifest without the tables of this name.
fn without(manifest: String, table: &str) -> String {
    let mut kept = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == table;
        }
        if !inside {
            kept.push(line);
        }
    }
    kept.join("\n")
}

#[tokio::test]
async fn an_import_the_manifest_does_not_declare_is_refused() {
    for (table, import) in [
        ("[state]", "cara:plugin/state"),
        ("[[secret]]", "cara:plugin/secrets"),
        ("[[http]]", "wasi:http/outgoing-handler"),
    ] {
        let refusal = loaded_with("hostile", |manifest| without(manifest, table)).await;
        assert_eq!(
            refusal,
            format!(
                "component `hostile` imports `{import}`, but its manifest has no `{table}`\nhint: declare it with the reason why, or remove the import"
            )
        );
    }
}

#[tokio::test]
async fn a_declaration_without_its_import_is_refused() {
    let refusal = loaded_with("hostile-provider", |manifest| manifest + "\n[state]\nwhy = \"for later\"\n").await;
    assert_eq!(
        refusal,
        "component `hostile-provider` declares `[state]`, but does not import `cara:plugin/state`\nhint: remove the declaration"
    );
}

#[tokio::test]
async fn a_kind_that_is_declared_and_not_exported_is_refused() {
    let provider = "\n[provider]\ndefault-model = \"m\"\nrank = 1\ndetect = \"always\"\n";
    let refusal = loaded_with("hostile", |manifest| manifest + provider).await;
    assert_eq!(
        refusal,
        "component `hostile` declares `[provider]`, but does not import `cara:plugin/turn`\nhint: remove the declaration"
    );
    let refusal = loaded_with("hostile", |manifest| without(manifest, "[[tool]]")).await;
    assert_eq!(
        refusal,
        "component `hostile`: its manifest and its exports disagree about being a tool\nhint: a tool exports `cara:plugin/tool` and has `[[tool]]`"
    );
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let refusal = loaded_with("hostile-provider", |manifest| manifest + "\n[powers]\nroot = true\n").await;
    assert!(
        refusal.starts_with("the manifest cannot be read:") && refusal.contains("unknown field `powers`"),
        "{refusal}"
    );
}

#[tokio::test]
async fn limits_above_the_hosts_change_nothing() {
    let testbed = Testbed::new().await;
    let manifest = manifest_of("hostile") + "\n[limits]\nfuel = 999000000000\nmemory = \"4GiB\"\nwall = \"24m\"\n";
    let subject = testbed.package(component_of("hostile", &manifest)).load();
    let limits = subject.grants.limits();
    assert_eq!((limits.fuel, limits.memory, limits.wall.as_secs()), (1_000_000_000, 64 << 20, 30));
}

#[tokio::test]
async fn an_id_that_the_host_keeps_for_itself_is_refused() {
    for id in ["cara", "cara-host", "cara-signing"] {
        let named = |manifest: String| manifest.replacen("\"hostile-provider\"", &format!("\"{id}\""), 1);
        let refusal = loaded_with("hostile-provider", named).await;
        let expected =
            format!("component `{id}` has a name that is cara's own\nhint: its author has to give it another id");
        assert_eq!(refusal, expected);
    }
}

#[tokio::test]
async fn a_key_whose_signatures_could_go_beyond_its_audience_is_refused() {
    let narrow = |manifest: String| manifest.replacen(", \"{setting:other-url}\"", "", 1);
    let refusal = loaded_with("hostile", narrow).await;
    assert_eq!(
        refusal,
        "component `hostile`: what key `signing-key` signs could be sent to `{setting:other-url}`, which is not in its `audience`\nhint: name every host of `[[http]]` in the `audience` of a key, or sign in a component that reaches no other"
    );
}

#[test]
fn what_is_built_in_and_was_altered_is_not_compiled() {
    let kernel = Kernel::new(PoolSize::new(1)).unwrap();
    let embedded = cara_bundle::components().iter().find(|embedded| embedded.id == "time").unwrap();
    let mut trust = TrustStore::empty();
    let key = cara_bundle::public_key().parse().unwrap();
    trust.add(TrustedKey::new(key, "built-in", vec!["*".parse().unwrap()])).unwrap();
    let bundle = Bundle::from_json(embedded.bundle_json).unwrap();
    // A section more, with a name and nothing else: a valid component that does the same.
    let altered = Box::leak([embedded.wasm, &[0, 2, 1, b'x']].concat().into_boxed_slice());
    let package = Package::built_in(altered, embedded.manifest, embedded.digest.parse().unwrap()).unwrap();
    let checked = Checked::new(verify(package, &bundle, &trust, None).unwrap()).unwrap();
    assert_eq!(
        kernel.load(Arc::new(checked), None).err().expect("a refusal").to_string(),
        "component `time` has other bytes than those that were signed\nhint: install cara anew, from where you trust it"
    );
}
