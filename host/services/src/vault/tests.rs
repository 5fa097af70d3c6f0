//! The vault as its users see it:
//! round trips, damage, races, and the choice of a store.
#![allow(clippy::unwrap_used)]

use super::*;
use keyring_core::{CredentialStore, mock};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

fn fast() -> Kdf {
    Kdf::argon2id(12 * 1024, 3, 1).unwrap()
}

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

fn id(text: &str) -> SecretId {
    SecretId::parse(text).unwrap()
}

fn no_keystore() -> OpenKeystore {
    Arc::new(|kind| Err(VaultError::NoSuchStore(kind)))
}

fn file_options(password: &'static str) -> VaultOptions {
    let prompt = Arc::new(move |_: Purpose, _: &Path| Ok(secret(password)));
    VaultOptions { choice: StoreChoice::Auto, kdf: fast(), prompt, keystore: no_keystore() }
}

fn with_file(home: &TempDir, password: &'static str) -> Vault {
    Vault::open(home.path(), file_options(password)).unwrap()
}

/// A vault whose password must not be asked for.
fn unasked(home: &TempDir) -> Vault {
    let prompt =
        Arc::new(|_: Purpose, _: &Path| -> Result<SecretValue, PromptError> { panic!("asked for the password") });
    Vault::open(home.path(), VaultOptions { prompt, ..file_options("") }).unwrap()
}

fn with_keystore(home: &TempDir, store: &Arc<CredentialStore>, choice: StoreChoice) -> Vault {
    let store = store.clone();
    let keystore: OpenKeystore = Arc::new(move |_| Ok(store.clone()));
    Vault::open(home.path(), VaultOptions { keystore, choice, ..file_options("pass") }).unwrap()
}

fn read(vault: &Vault, name: &str) -> Option<String> {
    vault.get(&id(name)).unwrap().map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
}

fn file(home: &TempDir) -> PathBuf {
    home.path().join("vault.json")
}

#[test]
fn secrets_come_back_under_both_derivations() {
    for kdf in [fast(), Kdf::pbkdf2()] {
        let home = tempfile::tempdir().unwrap();
        let vault = Vault::open(home.path(), VaultOptions { kdf, ..file_options("pass") }).unwrap();
        vault.set(&id("a/one"), secret("first")).unwrap();
        vault.set(&id("b/one"), secret("other")).unwrap();
        vault.set(&id("a/one"), secret("second")).unwrap();
        assert_eq!((read(&vault, "a/one").as_deref(), vault.kind().unwrap()), (Some("second"), StoreKind::File));
        let again = with_file(&home, "pass");
        assert_eq!(again.list().unwrap(), [id("a/one"), id("b/one")]);
        assert_eq!(read(&again, "b/one").as_deref(), Some("other"));
        assert!(fs::read_to_string(file(&home)).unwrap().contains(kdf.name()));
        assert!(again.remove(&id("a/one")).unwrap() && !again.remove(&id("a/one")).unwrap());
        assert_eq!((read(&vault, "a/one"), vault.list().unwrap()), (None, vec![id("b/one")]));
    }
}

#[test]
fn the_password_is_asked_for_once_and_only_when_needed() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "pass").set(&id("a/b"), secret("x")).unwrap();
    let vault = unasked(&home);
    assert_eq!((read(&vault, "a/other"), vault.list().unwrap()), (None, vec![id("a/b")]));
    assert!(!vault.remove(&id("a/other")).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let prompt = Arc::new(move |_: Purpose, _: &Path| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(secret("pass"))
    });
    let vault = Vault::open(home.path(), VaultOptions { prompt, ..file_options("") }).unwrap();
    vault.set(&id("a/c"), secret("y")).unwrap();
    assert_eq!((read(&vault, "a/b").as_deref(), read(&vault, "a/c").as_deref()), (Some("x"), Some("y")));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_wrong_password_is_told_from_damage_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "pass").set(&id("a/b"), secret("x")).unwrap();
    let before = fs::read(file(&home)).unwrap();
    let wrong = with_file(&home, "word");
    for error in [
        wrong.get(&id("a/b")).err().unwrap(),
        wrong.set(&id("a/c"), secret("y")).unwrap_err(),
        wrong.remove(&id("a/b")).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.starts_with("wrong password for the vault `") && text.contains("\nhint: "), "{text}");
    }
    assert_eq!(fs::read(file(&home)).unwrap(), before);
    let vault = with_file(&home, "pass");
    assert_eq!((read(&vault, "a/b").as_deref(), vault.list().unwrap()), (Some("x"), vec![id("a/b")]));
}

#[test]
fn a_file_changed_in_any_byte_or_cut_anywhere_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "pass").set(&id("a/b"), secret("x")).unwrap();
    let good = fs::read(file(&home)).unwrap();
    let flipped =
        (0..good.len()).map(|at| good.iter().enumerate().map(|(i, b)| b ^ u8::from(i == at)).collect::<Vec<_>>());
    let cut = (0..good.len()).map(|length| good[..length].to_vec());
    // Nobody is asked: damage shows before a key is needed.
    let vault = unasked(&home);
    for bad in flipped.chain(cut) {
        fs::write(file(&home), &bad).unwrap();
        for error in [vault.get(&id("a/b")).err().unwrap(), vault.set(&id("a/c"), secret("y")).unwrap_err()] {
            let text = error.to_string();
            assert!(
                text.contains("was changed or is damaged\nhint: ")
                    || text.contains("which this cara does not read\nhint: "),
                "{text}"
            );
        }
        assert!(vault.rotate_password(&secret("pass"), &secret("new"), fast()).is_err());
        assert_eq!(fs::read(file(&home)).unwrap(), bad);
    }
    fs::write(file(&home), &good).unwrap();
    assert_eq!(read(&with_file(&home, "pass"), "a/b").as_deref(), Some("x"));
}

#[test]
fn concurrent_writers_lose_nothing_not_even_while_the_file_is_made() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in ["a", "b", "c"] {
            let vault = with_file(&home, "pass");
            scope.spawn(move || {
                for n in 0..8 {
                    vault.set(&id(&format!("{writer}/n{n}")), secret(&format!("{writer}{n}"))).unwrap();
                }
            });
        }
    });
    let vault = with_file(&home, "pass");
    assert_eq!(vault.list().unwrap().len(), 24);
    assert!(
        ["a", "b", "c"].iter().all(|w| (0..8).all(|n| read(&vault, &format!("{w}/n{n}")) == Some(format!("{w}{n}"))))
    );
}

#[test]
fn what_a_crash_left_behind_is_ignored() {
    let home = tempfile::tempdir().unwrap();
    let vault = with_file(&home, "pass");
    vault.set(&id("a/b"), secret("x")).unwrap();
    for left in [".vault.json.Ab12.tmp", ".vault-index.json.Ab12.tmp"] {
        fs::write(home.path().join(left), b"half a fi").unwrap();
    }
    // The file was written and the index not: the next change finds the name again.
    let index = fs::read(home.path().join("vault-index.json")).unwrap();
    vault.set(&id("a/c"), secret("y")).unwrap();
    fs::write(home.path().join("vault-index.json"), index).unwrap();
    let again = with_file(&home, "pass");
    again.set(&id("a/d"), secret("z")).unwrap();
    assert_eq!(again.list().unwrap(), [id("a/b"), id("a/c"), id("a/d")]);
    assert_eq!(read(&again, "a/c").as_deref(), Some("y"));
}

#[test]
fn a_lost_index_is_made_again_from_the_file_and_a_lost_file_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "pass").set(&id("a/b"), secret("x")).unwrap();
    fs::remove_file(home.path().join("vault-index.json")).unwrap();
    // A keystore that works is no reason to leave the file.
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let vault = with_keystore(&home, &store, StoreChoice::Auto);
    assert_eq!((vault.kind().unwrap(), vault.list().unwrap()), (StoreKind::File, vec![id("a/b")]));
    assert_eq!(read(&vault, "a/b").as_deref(), Some("x"));
    vault.set(&id("a/c"), secret("y")).unwrap();
    assert_eq!(unasked(&home).list().unwrap(), [id("a/b"), id("a/c")]);
    fs::remove_file(file(&home)).unwrap();
    for vault in [&vault, &unasked(&home)] {
        assert!(matches!(vault.get(&id("a/b")), Err(VaultError::Missing(_))));
        assert!(matches!(vault.set(&id("a/b"), secret("z")), Err(VaultError::Missing(_))));
    }
    assert!(!file(&home).exists());
}

#[cfg(unix)]
#[test]
fn the_files_are_private_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = tempfile::tempdir().unwrap();
    let vault = with_file(&home, "pass");
    vault.set(&id("a/b"), secret("x")).unwrap();
    for name in ["vault.json", "vault-index.json", "vault.lock"] {
        assert_eq!(fs::metadata(home.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    fs::set_permissions(file(&home), fs::Permissions::from_mode(0o604)).unwrap();
    let text = vault.get(&id("a/b")).err().unwrap().to_string();
    assert!(text.contains("hint: run `chmod 600 '"), "{text}");
    fs::set_permissions(file(&home), fs::Permissions::from_mode(0o600)).unwrap();
    let elsewhere = home.path().join("elsewhere");
    fs::rename(file(&home), &elsewhere).unwrap();
    symlink(&elsewhere, file(&home)).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    for error in [vault.get(&id("a/b")).err().unwrap(), vault.set(&id("a/b"), secret("y")).unwrap_err()] {
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn a_rotated_password_is_the_only_one_that_opens() {
    let home = tempfile::tempdir().unwrap();
    let running = with_file(&home, "pass");
    running.set(&id("a/b"), secret("x")).unwrap();
    let vault = with_file(&home, "new");
    let before = fs::read(file(&home)).unwrap();
    assert!(matches!(vault.rotate_password(&secret("no"), &secret("new"), fast()), Err(VaultError::WrongPassword(_))));
    assert_eq!(fs::read(file(&home)).unwrap(), before);
    let left = home.path().join(".vault.json.Ab12.tmp");
    fs::copy(file(&home), &left).unwrap();
    vault.rotate_password(&secret("pass"), &secret("new"), Kdf::pbkdf2()).unwrap();
    assert_eq!(read(&with_file(&home, "new"), "a/b").as_deref(), Some("x"));
    assert!(matches!(with_file(&home, "pass").get(&id("a/b")), Err(VaultError::WrongPassword(_))));
    // Nor is there a copy under the old one.
    assert!(!left.exists());
    // A process that was unlocked before has no way round the new password.
    assert!(matches!(running.set(&id("a/c"), secret("y")), Err(VaultError::WrongPassword(_))));
    assert!(fs::read_to_string(file(&home)).unwrap().contains("pbkdf2-hmac-sha256"));
}

#[test]
fn there_is_no_password_to_rotate_without_a_vault() {
    let home = tempfile::tempdir().unwrap();
    let error = unasked(&home).rotate_password(&secret("a"), &secret("b"), fast()).unwrap_err();
    assert!(matches!(error, VaultError::NoVault(_)));
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let vault = with_keystore(&home, &store, StoreChoice::Auto);
    vault.set(&id("a/b"), secret("x")).unwrap();
    assert!(matches!(vault.rotate_password(&secret("a"), &secret("b"), fast()), Err(VaultError::NoPasswordHere(_))));
}

#[test]
fn a_value_for_this_run_goes_first_and_is_never_stored() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "pass").set(&id("a/b"), secret("stored")).unwrap();
    let vault = unasked(&home);
    vault.overlay(id("a/b"), secret("from-environment"));
    vault.overlay(id("a/new"), secret("from-environment"));
    assert_eq!((read(&vault, "a/b").as_deref(), vault.overlaid().len()), (Some("from-environment"), 2));
    assert_eq!(vault.list().unwrap(), [id("a/b")]);
    assert_eq!(read(&with_file(&home, "pass"), "a/b").as_deref(), Some("stored"));
}

#[test]
fn a_keystore_that_works_is_used_and_homes_in_it_are_apart() {
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let vaults = homes.each_ref().map(|home| with_keystore(home, &store, StoreChoice::Auto));
    for (vault, value) in vaults.iter().zip(["first-canary", "second-canary"]) {
        vault.set(&id("a/b"), secret(value)).unwrap();
    }
    assert_eq!(read(&vaults[0], "a/b").as_deref(), Some("first-canary"));
    assert_eq!(read(&with_keystore(&homes[1], &store, StoreChoice::Auto), "a/b").as_deref(), Some("second-canary"));
    assert_eq!(vaults[0].kind().unwrap(), StoreKind::Keystore);
    assert!(!file(&homes[0]).exists());
    assert!(!fs::read_to_string(homes[0].path().join("vault-index.json")).unwrap().contains("canary"));
    assert!(vaults[0].remove(&id("a/b")).unwrap());
    assert_eq!((read(&vaults[0], "a/b"), read(&vaults[1], "a/b").as_deref()), (None, Some("second-canary")));
}

#[test]
fn a_value_the_keystore_refuses_leaves_no_name_behind() {
    let home = tempfile::tempdir().unwrap();
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let vault = with_keystore(&home, &store, StoreChoice::Auto);
    vault.set(&id("a/b"), secret("x")).unwrap();
    let account = format!("{}/a/c", vault.index().unwrap().unwrap().home);
    let refuse = || {
        let entry = store.build("cara", &account, None).unwrap();
        entry
            .as_any()
            .downcast_ref::<mock::Cred>()
            .unwrap()
            .set_error(keyring_core::Error::TooLong("secret".into(), 3));
    };
    refuse();
    assert!(matches!(vault.set(&id("a/c"), secret("long")), Err(VaultError::ValueTooLong { bytes: 4, max: 3 })));
    assert_eq!(vault.list().unwrap(), [id("a/b")]);
    vault.set(&id("a/c"), secret("old")).unwrap();
    refuse();
    assert!(vault.set(&id("a/c"), secret("long")).is_err());
    assert_eq!((vault.list().unwrap().len(), read(&vault, "a/c").as_deref()), (2, Some("old")));
}

#[test]
fn a_keystore_that_stops_answering_is_an_error_and_no_reason_to_switch() {
    let home = tempfile::tempdir().unwrap();
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    with_keystore(&home, &store, StoreChoice::Auto).set(&id("a/b"), secret("x")).unwrap();
    let later = unasked(&home);
    assert!(matches!(later.get(&id("a/b")), Err(VaultError::NoSuchStore(StoreKind::Keystore))));
    assert!(matches!(later.set(&id("a/c"), secret("y")), Err(VaultError::NoSuchStore(StoreKind::Keystore))));
    assert_eq!((file(&home).exists(), later.list().unwrap()), (false, vec![id("a/b")]));
}

#[test]
fn the_operators_choice_is_kept_or_refused_but_never_guessed() {
    let home = tempfile::tempdir().unwrap();
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let forced = VaultOptions { choice: StoreChoice::Keystore, ..file_options("pass") };
    let text = Vault::open(home.path(), forced).unwrap().set(&id("a/b"), secret("x")).unwrap_err().to_string();
    assert!(text.contains("hint: choose the encrypted file"), "{text}");
    with_keystore(&home, &store, StoreChoice::File).set(&id("a/b"), secret("x")).unwrap();
    let moved = with_keystore(&home, &store, StoreChoice::Keystore);
    for error in [moved.get(&id("a/b")).err().unwrap(), moved.set(&id("a/c"), secret("y")).unwrap_err()] {
        assert!(matches!(error, VaultError::OtherStore { recorded: StoreKind::File, wanted: StoreKind::Keystore }));
    }
    let vault = with_keystore(&home, &store, StoreChoice::Auto);
    assert_eq!((vault.kind().unwrap(), read(&vault, "a/b").as_deref()), (StoreKind::File, Some("x")));
    vault.remove(&id("a/b")).unwrap();
    moved.set(&id("a/c"), secret("y")).unwrap();
    assert_eq!((moved.kind().unwrap(), read(&moved, "a/c").as_deref()), (StoreKind::Keystore, Some("y")));
}

/// Runs on what the system really has; a desktop's keystore is a person's own, so that one is touched only when asked.
#[allow(clippy::print_stderr)]
fn on_the_system(choice: StoreChoice, kind: StoreKind) {
    let home = tempfile::tempdir().unwrap();
    let keystore = Arc::new(open_system_keystore);
    let vault = Vault::open(home.path(), VaultOptions { choice, keystore, ..file_options("pass") }).unwrap();
    if let Err(error) = vault.kind() {
        return eprintln!("skipped: {error}");
    }
    vault.set(&id("a/b"), secret("x")).unwrap();
    vault.set(&id("a/b"), secret("y")).unwrap();
    vault.set(&id("a/long"), secret(&"z".repeat(2000))).unwrap();
    assert_eq!((read(&vault, "a/b").as_deref(), vault.kind().unwrap()), (Some("y"), kind));
    assert_eq!(read(&vault, "a/long").unwrap().len(), 2000);
    assert!(vault.remove(&id("a/b")).unwrap() && vault.remove(&id("a/long")).unwrap());
    assert_eq!((read(&vault, "a/b"), file(&home).exists()), (None, false));
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_keyring_keeps_a_secret_where_the_kernel_allows() {
    on_the_system(StoreChoice::Session, StoreKind::Session);
}

#[allow(clippy::print_stderr)]
#[test]
fn the_systems_keystore_keeps_a_secret_when_the_tester_allows() {
    if std::env::var_os("CARA_TEST_KEYSTORE").is_none() {
        return eprintln!("skipped: set CARA_TEST_KEYSTORE=1 to write to the keystore of this user");
    }
    on_the_system(StoreChoice::Keystore, StoreKind::Keystore);
}
