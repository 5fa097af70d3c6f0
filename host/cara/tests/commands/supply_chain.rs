//! Attacks on the way from an author to this machine: each refused, each with
//! its golden text, and nothing of it left on the disk.
//!
//! What a registry or web server can do on the way is in `host/packages/tests/fetch`, what a forged certificate or log can
//! in `signing/tests/keyless.rs`, each with golden texts of its own; here is what the person at the terminal sees.

use super::home::Home;
use super::wasm::package;
use super::watch::clock;
use crate::instance::{AUTHOR, ISSUER, Instance, Signing};
use cara_sdk_sign::{SecretKey, sign};
use cara_signing::Package;
use std::fmt::Write as _;

/// A stranger's clock of this version.
fn watch(version: &str) -> Vec<u8> {
    named("watch", version)
}

fn named(id: &str, version: &str) -> Vec<u8> {
    clock(id, version, &[("\"time_now\"", "\"watch_now\""), ("\"time_convert\"", "\"watch_convert\"")])
}

/// A home and what was refused in it.
struct Victim {
    home: Home,
    key: String,
    told: String,
}

impl Victim {
    fn new() -> Self {
        let (home, key) = Home::trusting();
        home.ok(&["plugin", "disable", "time"]);
        home.ok(&["plugin", "disable", "plan"]);
        Self { home, key, told: String::new() }
    }

    /// The author's key.
    fn author(&self) -> SecretKey {
        SecretKey::from_pem(&std::fs::read_to_string(&self.key).unwrap()).unwrap()
    }

    /// Writes a file and a signature that somebody made up.
    fn offer(&self, wasm: &[u8], bundle: &str) -> String {
        let file = self.home.write("watch.wasm", wasm);
        self.home.write("watch.wasm.sigstore.json", bundle.as_bytes());
        file
    }

    /// Tries to install it; the text is kept, and what the disk holds is as before.
    #[track_caller]
    fn refuses(&mut self, attack: &str, reference: &str) {
        let before = (self.home.stored(), std::fs::read_to_string(self.home.path("cara.lock")).unwrap_or_default());
        let told = self.home.fails(&["plugin", "install", reference, "--yes"]);
        let after = (self.home.stored(), std::fs::read_to_string(self.home.path("cara.lock")).unwrap_or_default());
        assert_eq!(before, after, "{attack}");
        writeln!(self.told, "{attack}\n{}", self.told_apart(&told)).unwrap();
    }

    /// Without what is another each time: the folder, and digests.
    fn told_apart(&self, text: &str) -> String {
        let text = text.replace(self.home.path("").to_str().unwrap(), "HOME/");
        let digit = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
        let words = text.split_inclusive(|letter: char| !digit(letter));
        let shown = words.map(|word| {
            let digits = word.trim_end_matches(|letter: char| !digit(letter));
            let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let random = (hex && digits.len() >= 16) || (digits.len() >= 43 && !digits.contains("//"));
            if random { word.replacen(digits, "…", 1) } else { word.to_owned() }
        });
        shown.collect()
    }
}

#[test]
fn every_attack_by_key_is_refused() {
    let mut victim = Victim::new();
    let author = victim.author();
    let good = Package::read(watch("1.0.0")).unwrap();
    let signature = sign(&good, &author).to_json();

    std::fs::remove_file(victim.home.path("watch.wasm.sigstore.json")).ok();
    let file = victim.home.write("watch.wasm", good.bytes());
    victim.refuses("no signature", &file);
    let stranger = SecretKey::generate().unwrap();
    victim.offer(good.bytes(), &sign(&good, &stranger).to_json());
    victim.refuses("an unknown key", &file);
    let mut flipped = good.bytes().to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    victim.offer(&flipped, &signature);
    victim.refuses("a flipped bit", &file);
    let manifest = Package::read(watch("1.0.0")).unwrap().manifest().replacen("The time now", "Obey. The time now", 1);
    let other = package("time", &[]);
    let own = Package::read(other.clone()).unwrap().manifest().to_owned();
    let other = package("time", &[(&own, &manifest)]);
    victim.offer(&other, &signature);
    victim.refuses("another manifest", &file);
    victim.offer(&named("clock", "1.0.0"), &signature);
    victim.refuses("the signature of another component", &file);
    victim.offer(&watch("2.0.0"), &signature);
    victim.refuses("the signature of another version", &file);
    victim.offer(good.bytes(), "{}");
    victim.refuses("no signature in the signature's file", &file);

    let greedy = package(
        "plan",
        &[
            ("id = \"plan\"", "id = \"watch\""),
            ("[state]\nbytes = 262144\nwhy = \"the to-do list of each conversation's current turn\"", ""),
        ],
    );
    let greedy = Package::read(greedy).unwrap();
    victim.offer(greedy.bytes(), &sign(&greedy, &author).to_json());
    victim.refuses("a manifest that asks for less than the code imports", &file);
    for (attack, bytes) in
        [("a zip", &b"PK\x03\x04..."[..]), ("a gzip", &[0x1f, 0x8b, 8, 0]), ("a core module", b"\0asm\x01\0\0\0")]
    {
        victim.offer(bytes, &signature);
        victim.refuses(attack, &file);
    }
    victim.offer(&vec![b'x'; Package::MAX_BYTES + 1], &signature);
    victim.refuses("64 MiB and a byte", &file);

    for (attack, id) in [
        ("two letters that look like one", "rnath"),
        ("a digit for a letter", "opena1"),
        ("a hyphen more", "open-ai"),
        ("a reserved name", "cara-host"),
    ] {
        let package = Package::read(named(id, "1.0.0")).unwrap();
        victim.offer(package.bytes(), &sign(&package, &author).to_json());
        victim.refuses(attack, &file);
    }

    victim.offer(good.bytes(), &signature);
    victim.refuses("another digest than the one that is pinned", &format!("{file}#sha256:{}", "0".repeat(64)));
    victim.home.ok(&["plugin", "install", &file, "--yes"]);
    let old = Package::read(watch("0.9.0")).unwrap();
    victim.offer(old.bytes(), &sign(&old, &author).to_json());
    victim.refuses("an older version", &file);
    victim.home.ok(&["trust", "revoke", &author.public().id().to_hex()]);
    victim.offer(good.bytes(), &signature);
    victim.refuses("a revoked key", &file);
    insta::assert_snapshot!("by_key", victim.told);
}

#[test]
fn every_attack_by_certificate_is_refused() {
    let mut victim = Victim::new();
    let (instance, forger) = (Instance::new(), Instance::new());
    let good = Package::read(watch("1.0.0")).unwrap();
    let bundle = |instance: &Instance, signing: Signing| instance.sign(&signing).to_string();
    let file = victim.offer(good.bytes(), &bundle(&instance, Signing::of(&good)));
    let trusts = |victim: &Victim, identity: &str, may: &str| {
        victim.home.ok(&["trust", "add", identity, "--identity", identity, "--issuer", ISSUER, "--may", may]);
    };
    victim.refuses("an identity that nobody named", &file);
    trusts(&victim, AUTHOR, "other-*");
    victim.refuses("an identity for other components", &file);
    victim.home.ok(&["trust", "remove", AUTHOR]);
    trusts(&victim, AUTHOR, "watch");
    victim.refuses("no trust root", &file);
    let root = victim.home.write("root.json", instance.root().to_string().as_bytes());
    victim.home.ok(&["trust", "root", &root]);

    let other = Signing { issuer: "https://evil.example".into(), ..Signing::of(&good) };
    victim.offer(good.bytes(), &bundle(&instance, other));
    victim.refuses("the right name at the wrong issuer", &file);
    let late = Signing { after: 3600, ..Signing::of(&good) };
    victim.offer(good.bytes(), &bundle(&instance, late));
    victim.refuses("an expired certificate", &file);
    victim.offer(good.bytes(), &bundle(&forger, Signing::of(&good)));
    victim.refuses("an authority of the attacker's own", &file);
    victim.offer(&watch("2.0.0"), &bundle(&instance, Signing::of(&good)));
    victim.refuses("the signature of another version", &file);
    insta::assert_snapshot!("by_certificate", victim.told);

    victim.offer(good.bytes(), &bundle(&instance, Signing::of(&good)));
    victim.home.ok(&["plugin", "install", &file, "--yes"]);
    let listed = victim.home.json(&["plugin", "list", "--json"]);
    let row = listed.as_array().unwrap().iter().find(|row| row["id"] == "watch").unwrap();
    assert_eq!(row["signer"], AUTHOR);
    victim.home.ok(&["trust", "root", "--remove"]);
    let listed = victim.home.json(&["plugin", "list", "--json"]);
    let row = listed.as_array().unwrap().iter().find(|row| row["id"] == "watch").unwrap();
    assert!(row["problem"].as_str().unwrap().contains("trust root"), "{row}");
}
