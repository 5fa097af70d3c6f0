//! Versions alternate while calls are made: none fails, none is mixed.
#![allow(clippy::unwrap_used)]

use super::{InstallPlugin, PrepareInstall, RemovePlugin};
use crate::application::{Application, Options};
use crate::event::Events;
use crate::holder::{HomeLock, Role};
use crate::home_files::HomeFiles;
use crate::installed::{BuiltIn, Embedded};
use crate::operation::Operation;
use cara_authority::{Capability, ComponentId, Grants, PersonId, PersonRole, Principal};
use cara_kernel::Checked;
use cara_packages::lock::Pinned;
use cara_packages::store::Store;
use cara_sdk_sign::{SecretKey, sign};
use cara_services::egress::KnownSecrets;
use cara_services::files;
use cara_services::home::Home;
use cara_signing::{Bundle, Package, TrustStore, TrustedKey, verify};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

#[path = "../../../cara/tests/commands/wasm.rs"]
mod wasm;

const ID: &str = "echo";
const SWAPS: usize = 100;
/// The most steps after which a change is cut off.
const STEPS: usize = 24;

/// A home that keeps its secrets in a file.
pub(crate) fn with_a_file_for_secrets(folder: &Path) -> Home {
    let home = Home::at(folder).unwrap();
    files::write_private_atomic(&home.config(), b"[vault]\nstore = \"file\"\n").unwrap();
    home
}

/// A key that the operator of a home trusts.
fn trusted_key(home: &Home) -> (SecretKey, TrustStore) {
    let key = SecretKey::generate().unwrap();
    let mut trust = TrustStore::empty();
    trust.add(TrustedKey::new(key.public(), "acme", vec!["*".parse().unwrap()])).unwrap();
    files::write_private_atomic(&home.trust(), trust.to_toml().as_bytes()).unwrap();
    (key, trust)
}

/// A component of this version.
fn echo(version: &str) -> Package {
    let line = format!("version = \"{version}\"");
    let changes = [("id = \"rehearsal\"", "id = \"echo\""), ("version = \"0.1.0\"", line.as_str())];
    Package::read(wasm::package("rehearsal", &changes)).unwrap()
}

/// A home whose operator trusts a key, and two versions signed with it in the store.
fn two_versions(home: &Home) -> [Pinned; 2] {
    let (key, trust) = trusted_key(home);
    let store = Store::of(home);
    ["1.0.0", "1.1.0"].map(|version| {
        let package = echo(version);
        let bundle = sign(&package, &key);
        let verified = verify(package, &bundle, &trust, None).unwrap();
        let pinned = Pinned {
            version: version.parse().unwrap(),
            digest: verified.digest(),
            signer: "acme".into(),
            key: key.public().id().to_hex(),
            from: "./echo.wasm".into(),
            since: Timestamp::UNIX_EPOCH,
        };
        let mut change = store.change().unwrap();
        change.put(&verified, &bundle.to_json()).unwrap();
        change.lock.entry(&ComponentId::parse(ID).unwrap()).activate(pinned.clone());
        change.commit().unwrap();
        pinned
    })
}

/// The application over a home.
pub(crate) fn open(home: &Home) -> Arc<Application> {
    let embedded = |built_in: &cara_bundle::Embedded| Embedded {
        id: built_in.id,
        wasm: built_in.wasm,
        manifest: built_in.manifest,
        digest: built_in.digest,
        bundle: built_in.bundle_json,
    };
    let components = cara_bundle::components().iter().map(embedded).collect();
    Application::open(Options {
        lock: HomeLock::take(home).unwrap().unwrap(),
        built_in: BuiltIn::new(components, cara_bundle::public_key()).unwrap(),
        store: None,
        known: KnownSecrets::new(),
        command: "a test".to_owned(),
        role: Role::Command,
    })
    .unwrap()
}

/// A version in the store, verified.
fn verified(application: &Application, pinned: &Pinned) -> Arc<Checked> {
    let stored = application.plugins.store().get(&pinned.digest).unwrap();
    let bundle = Bundle::from_json(&stored.bundle).unwrap();
    let trust = application.plugins.trusted().unwrap();
    Arc::new(Checked::new(verify(Package::read(stored.wasm).unwrap(), &bundle, &trust, None).unwrap()).unwrap())
}

#[tokio::test]
async fn what_was_verified_to_be_installed_is_used_only_where_the_lock_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = with_a_file_for_secrets(folder.path());
    let versions = two_versions(&home);
    let application = open(&home);
    let (plugins, id) = (&application.plugins, ComponentId::parse(ID).unwrap());
    let new = verified(&application, &versions[1]);
    let commit = |pinned: Option<&Pinned>| {
        let mut change = plugins.store().change().unwrap();
        match pinned {
            Some(pinned) => change.lock.entry(&id).activate(pinned.clone()),
            None => drop(change.lock.0.remove(&id)),
        }
        change.commit().unwrap();
    };
    let in_use = || plugins.now().unwrap().usable.get(&id).cloned();
    // Whoever installed it is told so after somebody else removed it, and after this process looked.
    commit(None);
    assert!(in_use().is_none());
    plugins.remember(&new, plugins.trusted_at().unwrap());
    assert!(in_use().is_none(), "removed code can be called");
    commit(Some(&versions[1]));
    assert!(Arc::ptr_eq(&in_use().unwrap(), &new), "verified again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_alternate_under_load_and_no_call_fails() {
    let folder = tempfile::tempdir().unwrap();
    let home = with_a_file_for_secrets(folder.path());
    let versions = two_versions(&home);
    let application = open(&home);
    let id = ComponentId::parse(ID).unwrap();
    // Both are compiled before the load begins, as `cara plugin install` does it.
    for pinned in &versions {
        let (kernel, cache) = application.plugins.engine();
        kernel.compile(&verified(&application, pinned), cache).unwrap();
    }
    let over = Arc::new(AtomicBool::new(false));
    let calls: Arc<[AtomicU64; 2]> = Arc::default();
    let callers = (0..4).map(|_| {
        let (application, over, calls, versions, id) =
            (application.clone(), over.clone(), calls.clone(), versions.clone(), id.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while !over.load(Ordering::Relaxed) {
                tick.tick().await;
                let component = application.plugins.component(&id).await.unwrap();
                let checked = component.checked();
                let settings = checked.manifest().settings(&BTreeMap::new()).unwrap();
                let overrides = Default::default();
                let grants = Grants::intersect(checked.manifest(), checked.interfaces(), &[], settings, &overrides);
                let called = component.models(&Arc::new(grants), &application.services).await.unwrap();
                assert!(!called.answer.unwrap().is_empty());
                // What was called is what the lock named when it was asked for, whole.
                let at = versions.iter().position(|pinned| pinned.digest == checked.package().digest()).unwrap();
                assert_eq!(checked.manifest().version(), &versions[at].version);
                calls[at].fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for swap in 0..SWAPS {
        let before = [&calls[0], &calls[1]].map(|count| count.load(Ordering::Relaxed));
        let next = versions[swap % 2].clone();
        tokio::task::spawn_blocking({
            let (store, id, next) = (application.plugins.store().clone(), id.clone(), next.clone());
            move || {
                let mut change = store.change().unwrap();
                change.lock.entry(&id).activate(next);
                change.commit().unwrap();
            }
        })
        .await
        .unwrap();
        // It takes over: the next calls are of the new version.
        let component = application.plugins.component(&id).await.unwrap();
        assert_eq!(component.checked().package().digest(), next.digest);
        while calls[swap % 2].load(Ordering::Relaxed) == before[swap % 2] {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(calls.iter().all(|count| count.load(Ordering::Relaxed) >= SWAPS as u64 / 2));
    assert_eq!(files::names(&home.path().join("packages")).unwrap().len(), 4, "two versions, each with its signature");
}

#[tokio::test]
async fn a_rewrite_of_the_lock_verifies_only_what_changed_and_a_change_of_trust_everything() {
    let folder = tempfile::tempdir().unwrap();
    let home = with_a_file_for_secrets(folder.path());
    let [_, active] = two_versions(&home);
    let application = open(&home);
    let id = ComponentId::parse(ID).unwrap();
    assert!(application.plugins.now().unwrap().usable.contains_key(&id));
    // Whoever reads the file again notices.
    let shown = active.digest.to_hex();
    let stored = walk(folder.path())
        .into_iter()
        .find(|path| path.to_string_lossy().contains(&shown) && path.extension().is_some_and(|kind| kind == "wasm"));
    files::write_private_atomic(&stored.unwrap(), b"damaged").unwrap();
    let mut change = application.plugins.store().change().unwrap();
    // Another count than the one an update begins with, which would change nothing.
    assert_ne!(change.lock.entry(&id).trial.replace(2), Some(2));
    change.commit().unwrap();
    let now = application.plugins.now().unwrap();
    assert!(now.lock.0[&id].trial == Some(2) && now.usable.contains_key(&id), "it was not read again");
    files::write_private_atomic(&home.trust(), b"").unwrap();
    assert!(!application.plugins.now().unwrap().usable.contains_key(&id), "nobody is trusted any more");
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A signed package as a file; its path.
fn offered(folder: &Path, name: &str, version: &str, key: &SecretKey) -> String {
    let (package, file) = (echo(version), folder.join(name));
    std::fs::write(&file, package.bytes()).unwrap();
    std::fs::write(super::signature_path(&file), sign(&package, key).to_json()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Reviews a package; its digest.
async fn reviewed(application: &Arc<Application>, from: &str, allow_downgrade: bool) -> String {
    let prepare = PrepareInstall { from: from.to_owned(), allow_downgrade };
    let prepared = prepare.run(application, &Principal::of_account("test"), &Events::nobody()).await.unwrap();
    prepared.review.digest.to_string()
}

/// Installs it without granting anything.
fn installing(from: &str, digest: &str, allow_downgrade: bool) -> InstallPlugin {
    let (from, digest) = (from.to_owned(), digest.to_owned());
    InstallPlugin { from, digest, grants: Some(Vec::new()), allow_downgrade, act: "a test".to_owned() }
}

/// What is in use.
fn in_use(application: &Application) -> Option<Pinned> {
    application.installed().unwrap().lock.0.get(&ComponentId::parse(ID).unwrap())?.active.clone()
}

#[tokio::test]
async fn trust_floor_and_place_count_when_it_is_installed_and_not_when_it_was_reviewed() {
    let (folder, offers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = with_a_file_for_secrets(folder.path());
    let (key, trust) = trusted_key(&home);
    let application = open(&home);
    let [old, new, copy] = [("old.wasm", "1.0.0"), ("new.wasm", "1.1.0"), ("copy.wasm", "1.1.0")]
        .map(|(name, version)| offered(offers.path(), name, version, &key));
    let install = async |from: &str, digest: &str, allow_downgrade: bool| {
        installing(from, digest, allow_downgrade)
            .run(&application, &Principal::of_account("test"), &Events::nobody())
            .await
    };

    // Somebody else reviewed the same bytes from another place.
    let newest = reviewed(&application, &new, false).await;
    assert_eq!(newest, reviewed(&application, &copy, false).await);
    install(&new, &newest, false).await.unwrap();
    assert_eq!(in_use(&application).unwrap().from, new);

    // Somebody else reviewed it as a downgrade.
    let oldest = reviewed(&application, &old, true).await;
    let refused = install(&old, &oldest, false).await.unwrap_err();
    assert!(refused.message.contains("`--allow-downgrade`"), "{refused}");
    install(&old, &oldest, true).await.unwrap();

    // The signer is not trusted any more.
    let newest = reviewed(&application, &new, false).await;
    files::write_private_atomic(&home.trust(), b"").unwrap();
    let refused = install(&new, &newest, false).await.unwrap_err();
    assert!(refused.message.contains("is not trusted"), "{refused}");
    files::write_private_atomic(&home.trust(), trust.to_toml().as_bytes()).unwrap();
    assert_eq!(in_use(&application).unwrap().version.to_string(), "1.0.0");
}

/// Goes on with work so many times, and drops what is not done by then. How far it comes with each depends on how fast the
/// database answers.
async fn cut<T>(work: impl Future<Output = T>, times: usize) -> Option<T> {
    let (mut work, mut left) = (pin!(work), times);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_change_that_is_cut_off_anywhere_leaves_nothing_granted_that_was_taken_away() {
    let (folder, offers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = with_a_file_for_secrets(folder.path());
    let (key, _) = trusted_key(&home);
    let application = open(&home);
    let [old, new] = [("old.wasm", "1.0.0"), ("new.wasm", "1.1.0")]
        .map(|(name, version)| offered(offers.path(), name, version, &key));
    let (id, power) = (ComponentId::parse(ID).unwrap(), [Capability::parse("http https://example.com").unwrap()]);
    let [oldest, newest] = [reviewed(&application, &old, true).await, reviewed(&application, &new, true).await];
    let (mut cuts, mut done) = ([0, 0], [0, 0]);
    for times in (1..=STEPS).cycle().take(8 * STEPS) {
        installing(&old, &oldest, true)
            .run(&application, &Principal::of_account("test"), &Events::nobody())
            .await
            .unwrap();
        application.ledger.grant(&id, &power, "a test", None).await.unwrap();
        let work = installing(&new, &newest, true);
        let whole =
            cut(work.run(&application, &Principal::of_account("test"), &Events::nobody()), times).await.is_some();
        *(if whole { &mut done[0] } else { &mut cuts[0] }) += 1;
        if in_use(&application).unwrap().digest.to_string() == newest {
            assert_eq!(application.ledger.granted(&id).await.unwrap(), [], "after {times} steps of an install");
        }

        application.ledger.grant(&id, &power, "a test", None).await.unwrap();
        let work = RemovePlugin { id: ID.to_owned(), state: true };
        let whole =
            cut(work.run(&application, &Principal::of_account("test"), &Events::nobody()), times).await.is_some();
        *(if whole { &mut done[1] } else { &mut cuts[1] }) += 1;
        if in_use(&application).is_none() {
            assert_eq!(application.ledger.granted(&id).await.unwrap(), [], "after {times} steps of a removal");
        }
        if cuts.iter().chain(&done).all(|times| *times >= STEPS) {
            return;
        }
    }
    panic!("cut off {cuts:?} times, whole {done:?} times");
}

#[tokio::test]
async fn a_change_is_done_to_its_end_when_whoever_asked_goes_away() {
    let (folder, offers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = with_a_file_for_secrets(folder.path());
    let (key, _) = trusted_key(&home);
    let application = open(&home);
    let from = offered(offers.path(), "new.wasm", "1.1.0", &key);
    let digest = reviewed(&application, &from, false).await;
    let install = crate::operations::Prepared::of(installing(&from, &digest, false));
    assert!(
        cut(install.run(application.clone(), Principal::of_account("test"), Events::nobody()), 1).await.is_none(),
        "it was done at once"
    );
    application.holder.work.close();
    application.holder.work.wait().await;
    assert_eq!(in_use(&application).unwrap().digest.to_string(), digest);
}

#[tokio::test]
async fn a_package_is_verified_once_until_others_are_trusted() {
    let (folder, offers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = with_a_file_for_secrets(folder.path());
    let (key, trust) = trusted_key(&home);
    let application = open(&home);
    let (id, from) = (ComponentId::parse(ID).unwrap(), offered(offers.path(), "new.wasm", "1.1.0", &key));
    let digest = reviewed(&application, &from, false).await;
    installing(&from, &digest, false)
        .run(&application, &Principal::of_account("test"), &Events::nobody())
        .await
        .unwrap();
    // What was verified on its way is in use; what lies in the store is not read back.
    let stored = home.path().join("packages").join(format!("{}.wasm", digest.trim_start_matches("sha256:")));
    std::fs::write(stored, b"damaged").unwrap();
    assert_eq!(application.checked(&id).unwrap().package().digest().to_string(), digest);
    files::write_private_atomic(&home.trust(), trust.to_toml().as_bytes()).unwrap();
    assert!(application.checked(&id).is_err(), "it was not verified again");

    // What was reviewed is verified again as well where its signer is trusted no more.
    let from = offered(offers.path(), "newer.wasm", "1.2.0", &key);
    let digest = reviewed(&application, &from, false).await;
    files::write_private_atomic(&home.trust(), TrustStore::empty().to_toml().as_bytes()).unwrap();
    let refused =
        installing(&from, &digest, false).run(&application, &Principal::of_account("test"), &Events::nobody()).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn no_use_case_is_for_anybody_but_the_owner() {
    let folder = tempfile::tempdir().unwrap();
    let application = open(&with_a_file_for_secrets(folder.path()));
    for role in [PersonRole::Member, PersonRole::Guest] {
        let other = || Principal::of_address(PersonId::parse("anna").unwrap(), role, "chat:main");
        for entry in crate::operations() {
            // Its arguments are looked at before; those that fit are refused.
            let read = if entry.route.reads_query() { (entry.from_query)("") } else { (entry.from_json)(b"{}") };
            let Ok(prepared) = read else { continue };
            let done = prepared.run(application.clone(), other(), Events::nobody()).await;
            assert_eq!(done.unwrap_err().kind, crate::ErrorKind::Refused, "{}", entry.route.name);
        }
    }
    let own = Principal::of_account("account");
    let listed =
        crate::Prepared::of(crate::sessions::ListSessions { limit: 1 }).run(application, own, Events::nobody()).await;
    assert_eq!(listed.unwrap().get(), "[]");
}
