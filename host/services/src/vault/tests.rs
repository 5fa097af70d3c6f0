//! The vault as its users see it:
//! round trips, damage, races, and where the key comes from.
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
    let seen: Seen = Arc::new(|_| {});
    VaultOptions { choice: None, kdf: fast(), prompt, keystore: no_keystore(), seen }
}

fn vault(home: &TempDir, options: VaultOptions) -> Vault {
    Vault::new(&Home::at(home.path()).unwrap(), options)
}

fn with_file(home: &TempDir, password: &'static str) -> Vault {
    vault(home, file_options(password))
}

/// A vault whose password must not be asked for.
fn unasked(home: &TempDir) -> Vault {
    let prompt =
        Arc::new(|_: Purpose, _: &Path| -> Result<SecretValue, PromptError> { panic!("asked for the password") });
    vault(home, VaultOptions { prompt, ..file_options("") })
}

fn with_keystore(home: &TempDir, store: &Arc<CredentialStore>, choice: Option<StoreKind>) -> Vault {
    let store = store.clone();
    let keystore: OpenKeystore = Arc::new(move |_| Ok(store.clone()));
    vault(home, VaultOptions { keystore, choice, ..file_options("password") })
}

fn read(vault: &Vault, name: &str) -> Option<String> {
    vault.get(&id(name)).unwrap().map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
}

fn folder(home: &TempDir) -> PathBuf {
    home.path().join("vault")
}

fn file(home: &TempDir) -> PathBuf {
    folder(home).join("vault.json")
}

#[test]
fn the_password_is_asked_for_once_and_only_when_needed() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "password").set(&id("a/b"), secret("x")).unwrap();
    let vault = unasked(&home);
    assert_eq!((read(&vault, "a/other"), vault.list().unwrap()), (None, vec![id("a/b")]));
    assert!(!vault.remove(&id("a/other")).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let prompt = Arc::new(move |_: Purpose, _: &Path| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(secret("password"))
    });
    let vault = self::vault(&home, VaultOptions { prompt, ..file_options("") });
    vault.set(&id("a/c"), secret("y")).unwrap();
    assert_eq!((read(&vault, "a/b").as_deref(), read(&vault, "a/c").as_deref()), (Some("x"), Some("y")));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_wrong_password_is_told_from_damage_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "password").set(&id("a/b"), secret("x")).unwrap();
    let before = fs::read(file(&home)).unwrap();
    let wrong = with_file(&home, "pass-two");
    for error in [
        wrong.get(&id("a/b")).err().unwrap(),
        wrong.set(&id("a/c"), secret("y")).unwrap_err(),
        wrong.remove(&id("a/b")).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.starts_with("wrong password for the vault `") && text.contains("\nhint: "), "{text}");
    }
    assert_eq!(fs::read(file(&home)).unwrap(), before);
    let vault = with_file(&home, "password");
    assert_eq!((read(&vault, "a/b").as_deref(), vault.list().unwrap()), (Some("x"), vec![id("a/b")]));
}

#[test]
fn a_file_changed_in_any_byte_or_cut_anywhere_is_named_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "password").set(&id("a/b"), secret("x")).unwrap();
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
        assert!(vault.rotate_password(&secret("password"), &secret("new-password"), fast()).is_err());
        assert_eq!(fs::read(file(&home)).unwrap(), bad);
    }
    fs::write(file(&home), &good).unwrap();
    assert_eq!(read(&with_file(&home, "password"), "a/b").as_deref(), Some("x"));
}

#[test]
fn concurrent_writers_lose_nothing_not_even_while_the_file_is_made() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in ["a", "b", "c"] {
            let vault = with_file(&home, "password");
            scope.spawn(move || {
                for n in 0..8 {
                    vault.set(&id(&format!("{writer}/n{n}")), secret(&format!("{writer}{n}"))).unwrap();
                }
            });
        }
    });
    let vault = with_file(&home, "password");
    assert_eq!(vault.list().unwrap().len(), 24);
    assert!(
        ["a", "b", "c"].iter().all(|w| (0..8).all(|n| read(&vault, &format!("{w}/n{n}")) == Some(format!("{w}{n}"))))
    );
}

#[cfg(unix)]
#[test]
fn the_files_are_private_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = tempfile::tempdir().unwrap();
    let vault = with_file(&home, "password");
    vault.set(&id("a/b"), secret("x")).unwrap();
    for name in ["vault.json", "vault.lock"] {
        assert_eq!(fs::metadata(folder(&home).join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    fs::set_permissions(file(&home), fs::Permissions::from_mode(0o604)).unwrap();
    let text = unasked(&home).get(&id("a/b")).err().unwrap().to_string();
    assert!(text.contains("hint: run `chmod 600 '"), "{text}");
    fs::set_permissions(file(&home), fs::Permissions::from_mode(0o600)).unwrap();
    let elsewhere = home.path().join("elsewhere");
    fs::rename(file(&home), &elsewhere).unwrap();
    symlink(&elsewhere, file(&home)).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    for error in [unasked(&home).get(&id("a/b")).err().unwrap(), vault.set(&id("a/b"), secret("y")).unwrap_err()] {
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn a_rotated_password_is_the_only_one_that_opens() {
    let home = tempfile::tempdir().unwrap();
    let running = with_file(&home, "password");
    running.set(&id("a/b"), secret("x")).unwrap();
    let vault = with_file(&home, "new-password");
    let before = fs::read(file(&home)).unwrap();
    assert!(matches!(
        vault.rotate_password(&secret("not-this"), &secret("new-password"), fast()),
        Err(VaultError::WrongPassword(_))
    ));
    assert_eq!(fs::read(file(&home)).unwrap(), before);
    let left = folder(&home).join(".vault.json.Ab12.tmp");
    fs::copy(file(&home), &left).unwrap();
    vault.rotate_password(&secret("password"), &secret("new-password"), Kdf::pbkdf2()).unwrap();
    assert_eq!(read(&with_file(&home, "new-password"), "a/b").as_deref(), Some("x"));
    assert!(matches!(with_file(&home, "password").get(&id("a/b")), Err(VaultError::WrongPassword(_))));
    // Nor is there a copy under the old one.
    assert!(!left.exists());
    // A process that was unlocked before has no way round the new password.
    assert!(matches!(running.set(&id("a/c"), secret("y")), Err(VaultError::WrongPassword(_))));
    assert!(fs::read_to_string(file(&home)).unwrap().contains("pbkdf2-hmac-sha256"));
}

#[test]
fn secrets_come_back_under_both_derivations() {
    for kdf in [fast(), Kdf::pbkdf2()] {
        let home = tempfile::tempdir().unwrap();
        let first = vault(&home, VaultOptions { kdf, ..file_options("password") });
        assert_eq!((first.list().unwrap(), first.kind().unwrap()), (vec![], None));
        assert!(!folder(&home).exists(), "nothing is made before the first value");
        first.set(&id("a/one"), secret("first")).unwrap();
        first.set(&id("b/one"), secret("other")).unwrap();
        first.set(&id("a/one"), secret("second")).unwrap();
        assert_eq!((read(&first, "a/one").as_deref(), first.kind().unwrap()), (Some("second"), Some(StoreKind::File)));
        let again = with_file(&home, "password");
        assert_eq!(again.list().unwrap(), [id("a/one"), id("b/one")]);
        assert_eq!(read(&again, "b/one").as_deref(), Some("other"));
        assert!(fs::read_to_string(file(&home)).unwrap().contains(kdf.name()));
        assert!(again.remove(&id("a/one")).unwrap() && !again.remove(&id("a/one")).unwrap());
        assert_eq!((read(&first, "a/one"), first.list().unwrap()), (None, vec![id("b/one")]));
    }
}

#[test]
fn a_new_password_has_8_characters_wherever_it_comes_from() {
    let home = tempfile::tempdir().unwrap();
    for short in ["x", "1234567", "äöüäöüä"] {
        let error = with_file(&home, short).set(&id("a/b"), secret("x")).unwrap_err();
        assert!(matches!(error, VaultError::ShortPassword { min: 8 }), "{error}");
    }
    assert!(!file(&home).exists());
    let vault = with_file(&home, "12345678");
    vault.set(&id("a/b"), secret("x")).unwrap();
    let before = fs::read(file(&home)).unwrap();
    let error = vault.rotate_password(&secret("12345678"), &secret("x"), fast()).unwrap_err();
    assert!(matches!(error, VaultError::ShortPassword { min: 8 }), "{error}");
    assert_eq!(fs::read(file(&home)).unwrap(), before);
}

#[test]
fn every_value_is_told_of_as_soon_as_it_is_in_memory() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "password").set(&id("a/b"), secret("stored-one")).unwrap();
    with_file(&home, "password").set(&id("a/c"), secret("stored-two")).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let seen: Seen = Arc::new(move |value| tell.lock().unwrap().push(value.expose().to_vec()));
    let vault = vault(&home, VaultOptions { seen, ..file_options("password") });
    assert_eq!(read(&vault, "a/b").as_deref(), Some("stored-one"));
    assert_eq!(*told.lock().unwrap(), [&b"stored-one"[..], b"stored-two"]);
    with_file(&home, "password").set(&id("a/e"), secret("stored-later")).unwrap();
    assert!(vault.at_hand(&id("a/e")).unwrap().is_some());
    assert!(told.lock().unwrap().contains(&b"stored-later".to_vec()));
}

#[test]
fn at_hand_is_what_needs_nobody_to_type() {
    let home = tempfile::tempdir().unwrap();
    with_file(&home, "password").set(&id("a/b"), secret("x")).unwrap();
    let vault = unasked(&home);
    assert!(vault.holds(&id("a/b")).unwrap() && vault.at_hand(&id("a/b")).unwrap().is_none());
    let vault = with_file(&home, "password");
    assert!(read(&vault, "a/b").is_some() && vault.at_hand(&id("a/b")).unwrap().is_some());
    // Sealed anew by somebody else: asking would be needed, and is not done here.
    with_file(&home, "password").rotate_password(&secret("password"), &secret("new-password"), fast()).unwrap();
    with_file(&home, "new-password").set(&id("a/c"), secret("y")).unwrap();
    assert!(vault.at_hand(&id("a/c")).unwrap().is_none());
}

#[test]
fn what_a_crash_left_behind_is_ignored() {
    let home = tempfile::tempdir().unwrap();
    let vault = with_file(&home, "password");
    vault.set(&id("a/b"), secret("x")).unwrap();
    fs::write(folder(&home).join(".vault.json.Ab12.tmp"), b"half a fi").unwrap();
    vault.set(&id("a/c"), secret("y")).unwrap();
    let again = with_file(&home, "password");
    assert_eq!((again.list().unwrap(), read(&again, "a/c").as_deref()), (vec![id("a/b"), id("a/c")], Some("y")));
    assert!(!folder(&home).join(".vault.json.Ab12.tmp").exists());
}

#[test]
fn there_is_no_password_to_rotate_without_one() {
    let home = tempfile::tempdir().unwrap();
    let error = unasked(&home).rotate_password(&secret("a"), &secret("new-password"), fast()).unwrap_err();
    assert!(matches!(error, VaultError::NoVault(_)));
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let vault = with_keystore(&home, &store, None);
    vault.set(&id("a/b"), secret("x")).unwrap();
    let error = vault.rotate_password(&secret("a"), &secret("new-password"), fast()).unwrap_err();
    assert!(matches!(error, VaultError::NoPasswordHere(StoreKind::Keystore)));
}

#[test]
fn a_password_is_checked_also_where_the_vault_is_open_and_makes_no_vault() {
    let home = tempfile::tempdir().unwrap();
    let vault = unasked(&home);
    assert!(matches!(vault.open_with(&secret("password")), Err(VaultError::NoVault(_))));
    assert!(!folder(&home).join("vault.json").exists());
    vault.make(&secret("password")).unwrap();
    vault.set(&id("a/b"), secret("x")).unwrap();
    assert!(matches!(vault.open_with(&secret("another-one")), Err(VaultError::WrongPassword(_))));
    assert!(matches!(vault.make(&secret("another-one")), Err(VaultError::Exists(_))));
    vault.open_with(&secret("password")).unwrap();
    assert_eq!(read(&vault, "a/b").as_deref(), Some("x"));
    let other = unasked(&home);
    assert!(matches!(other.open_with(&secret("another-one")), Err(VaultError::WrongPassword(_))));
    assert!(other.at_hand(&id("a/b")).unwrap().is_none());
    other.open_with(&secret("password")).unwrap();
    assert_eq!(read(&other, "a/b").as_deref(), Some("x"));
}

#[test]
fn a_keystore_that_works_holds_the_key_and_nothing_else() {
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let vaults = homes.each_ref().map(|home| with_keystore(home, &store, None));
    for (vault, value) in vaults.iter().zip(["first-canary", "second-canary"]) {
        vault.set(&id("a/b"), secret(value)).unwrap();
    }
    assert_eq!(read(&with_keystore(&homes[1], &store, None), "a/b").as_deref(), Some("second-canary"));
    assert_eq!(vaults[0].kind().unwrap(), Some(StoreKind::Keystore));
    let text = fs::read_to_string(file(&homes[0])).unwrap();
    assert!(text.contains("\"from\": \"keystore\"") && !text.contains("canary"), "{text}");
    assert!(vaults[0].remove(&id("a/b")).unwrap());
    assert_eq!((read(&vaults[0], "a/b"), read(&vaults[1], "a/b").as_deref()), (None, Some("second-canary")));
    // The file of one home is of no use with the key of another.
    fs::copy(file(&homes[0]), file(&homes[1])).unwrap();
    let other: Arc<CredentialStore> = mock::Store::new().unwrap();
    let text = with_keystore(&homes[1], &other, None).set(&id("a/c"), secret("x")).unwrap_err().to_string();
    assert!(text.contains("has no key for the vault") && text.contains("lost"), "{text}");
}

#[test]
fn a_keystore_that_stops_answering_is_an_error_and_no_reason_to_switch() {
    let home = tempfile::tempdir().unwrap();
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    with_keystore(&home, &store, None).set(&id("a/b"), secret("x")).unwrap();
    let before = fs::read(file(&home)).unwrap();
    let later = unasked(&home);
    assert!(matches!(later.get(&id("a/b")), Err(VaultError::NoSuchStore(StoreKind::Keystore))));
    assert!(matches!(later.set(&id("a/c"), secret("y")), Err(VaultError::NoSuchStore(StoreKind::Keystore))));
    assert_eq!((fs::read(file(&home)).unwrap(), later.list().unwrap()), (before, vec![id("a/b")]));
}

#[test]
fn the_operators_choice_is_kept_or_refused_but_never_guessed() {
    let home = tempfile::tempdir().unwrap();
    let store: Arc<CredentialStore> = mock::Store::new().unwrap();
    let forced = VaultOptions { choice: Some(StoreKind::Keystore), ..file_options("password") };
    let text = vault(&home, forced).set(&id("a/b"), secret("x")).unwrap_err().to_string();
    assert!(text.contains("hint: a new home can do without"), "{text}");
    with_keystore(&home, &store, Some(StoreKind::File)).set(&id("a/b"), secret("x")).unwrap();
    let moved = with_keystore(&home, &store, Some(StoreKind::Keystore));
    for error in [moved.get(&id("a/b")).err().unwrap(), moved.set(&id("a/c"), secret("y")).unwrap_err()] {
        assert!(matches!(error, VaultError::OtherStore { recorded: StoreKind::File, wanted: StoreKind::Keystore }));
    }
    let vault = with_keystore(&home, &store, None);
    assert_eq!((vault.kind().unwrap(), read(&vault, "a/b").as_deref()), (Some(StoreKind::File), Some("x")));
}

#[test]
fn a_plain_key_file_asks_nobody_and_its_loss_is_told() {
    let home = tempfile::tempdir().unwrap();
    let plain = || vault(&home, VaultOptions { choice: Some(StoreKind::KeyFile), ..file_options("") });
    plain().set(&id("a/b"), secret("x")).unwrap();
    assert_eq!(read(&unasked(&home), "a/b").as_deref(), Some("x"));
    let key = home.path().join("keys/vault");
    assert_eq!(fs::metadata(&key).unwrap().len(), 32);
    fs::remove_file(&key).unwrap();
    for error in [unasked(&home).get(&id("a/b")).err().unwrap(), plain().set(&id("a/c"), secret("y")).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("is missing\nhint: put the file back"), "{text}");
    }
    assert!(!key.exists());
}

#[test]
fn a_vault_that_was_moved_away_is_not_there_and_one_that_is_put_back_is() {
    let home = tempfile::tempdir().unwrap();
    let vault = with_file(&home, "password");
    vault.set(&id("a/b"), secret("x")).unwrap();
    let away = home.path().join("away");
    fs::rename(file(&home), &away).unwrap();
    assert_eq!((vault.list().unwrap(), read(&vault, "a/b")), (vec![], None));
    fs::rename(&away, file(&home)).unwrap();
    assert_eq!(read(&vault, "a/b").as_deref(), Some("x"));
}

/// Runs on what the system really has; a desktop's keystore is a person's own, so that one is touched only when asked.
#[allow(clippy::print_stderr)]
fn on_the_system(choice: Option<StoreKind>, kind: StoreKind) {
    let home = tempfile::tempdir().unwrap();
    let keystore: OpenKeystore = Arc::new(open_system_keystore);
    let real = || vault(&home, VaultOptions { choice, keystore: keystore.clone(), ..file_options("password") });
    if let Err(error) = real().set(&id("a/b"), secret("x")) {
        return eprintln!("skipped: {error}");
    }
    real().set(&id("a/long"), secret(&"z".repeat(2000))).unwrap();
    assert_eq!((read(&real(), "a/b").as_deref(), real().kind().unwrap()), (Some("x"), Some(kind)));
    let sealed = real().find().unwrap().sealed.unwrap();
    let (KeySource::Keystore { account } | KeySource::Session { account }) = sealed.source else { panic!("{kind}") };
    open_system_keystore(kind).unwrap().build("cara", &account, None).unwrap().delete_credential().unwrap();
    assert!(matches!(real().get(&id("a/b")), Err(VaultError::KeyGone { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_keyring_keeps_a_key_where_the_kernel_allows() {
    on_the_system(Some(StoreKind::Session), StoreKind::Session);
}

#[allow(clippy::print_stderr)]
#[test]
fn the_systems_keystore_keeps_a_key_when_the_tester_allows() {
    if std::env::var_os("CARA_TEST_KEYSTORE").is_none() {
        return eprintln!("skipped: set CARA_TEST_KEYSTORE=1 to write to the keystore of this user");
    }
    on_the_system(Some(StoreKind::Keystore), StoreKind::Keystore);
}
