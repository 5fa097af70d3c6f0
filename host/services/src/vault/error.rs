//! What goes wrong with stored secrets, each with its cure;
//! no text holds a value.

use super::store_kind::StoreKind;
use crate::files::FileError;
use crate::keys::KeyError;
use cara_authority::id::BadName;
use std::path::PathBuf;

/// Why a password could not be had: given by whoever asks for it.
pub type PromptError = Box<dyn std::error::Error + Send + Sync>;

/// Why the vault did not do what was asked. After every one of these the stored secrets are as they were before.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A file or folder of the vault could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The vault's plain key file could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A component id or secret name that is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Not `component/name`.
    #[error("`{0}` does not name a secret\nhint: write `component/name`, like `acme/api-key`")]
    NotAnId(String),
    /// The id of no component.
    #[error(
        "`{0}` names keys of cara itself, not secrets of a component\nhint: `cara secrets list` shows the stored secrets"
    )]
    Reserved(String),
    /// A secret or password without a byte.
    #[error("an empty value is not a secret\nhint: type or pipe the value in")]
    EmptyValue,
    /// A secret longer than the vault takes.
    #[error("the value has {bytes} bytes, more than the {max} that fit\nhint: a secret is a key or token, not a file")]
    ValueTooLong {
        /// The length of the file.
        bytes: usize,
        /// The most that fits.
        max: usize,
    },
    /// A new password that is guessed too soon.
    #[error("a password of the vault has at least {min} characters\nhint: choose a longer one; nothing was changed")]
    ShortPassword {
        /// The least taken.
        min: usize,
    },
    /// The password does not open the file.
    #[error("wrong password for the vault `{}`\nhint: try again; nothing was changed", .0.display())]
    WrongPassword(PathBuf),
    /// The file is not as it was written.
    #[error(
        "the vault file `{}` was changed or is damaged\nhint: put it back from your backup: without it the stored secrets \
         and signing keys are lost. To give them up, move the file away and store them again. cara has not touched it",
        .0.display()
    )]
    Damaged(PathBuf),
    /// A later version of cara wrote the file.
    #[error("`{}` has format {version}, which this cara does not read\nhint: use the newer cara that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that the file names.
        version: u32,
    },
    /// Parameters for deriving the key that are too weak, or would take too long.
    #[error(
        "key derivation `{name}` with {parameter} {value} is outside {min} to {max}\nhint: choose a value in that range"
    )]
    KdfBounds {
        /// `argon2id` or `pbkdf2-hmac-sha256`.
        name: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// The parameter's value.
        value: u32,
        /// The least taken.
        min: u32,
        /// The most taken.
        max: u32,
    },
    /// The key derivation itself failed, for want of memory.
    #[error("the key could not be derived: {0}\nhint: free some memory and try again")]
    Kdf(argon2::Error),
    /// Nobody gave the password of the vault that is there.
    #[error(
        "the vault `{}` is locked: {source}\nhint: run in a terminal, or set `CARA_VAULT_PASSWORD`, or \
         `CARA_VAULT_PASSWORD_FILE` to a file with the password",
        path.display()
    )]
    Locked {
        /// The vault file.
        path: PathBuf,
        /// The asker's reason.
        source: PromptError,
    },
    /// Nobody gave a password for a new vault.
    #[error(
        "secrets go into an encrypted file whose key has to come from you, for no keystore answers here: {source}\nhint: set \
         `CARA_VAULT_PASSWORD`, or `CARA_VAULT_PASSWORD_FILE` to a file (mode 0600), with a password of at least 8 \
         characters; or add `--plain-key-file`, which keeps the key in `keys/vault` (0600), readable by whoever reads your files"
    )]
    NoPassword {
        /// The asker's reason.
        source: PromptError,
    },
    /// There is nothing yet to change the password of.
    #[error("there is no vault `{}` yet\nhint: `cara secrets set` makes it", .0.display())]
    NoVault(PathBuf),
    /// There is a vault, and it keeps its password.
    #[error("there is a vault `{}` already\nhint: `cara secrets rotate-password` changes its password", .0.display())]
    Exists(PathBuf),
    /// Another process changed the vault again and again meanwhile.
    #[error("the vault is being changed by another process\nhint: try again")]
    Busy,
    /// More than the file takes.
    #[error("the vault is full: {max} secrets or 8 MiB\nhint: remove some with `cara secrets remove`")]
    Full {
        /// The most secrets.
        max: usize,
    },
    /// The vault's key is somewhere else than asked for.
    #[error(
        "the key of this home's vault comes from the {recorded}, not from the {wanted}\nhint: leave `vault.store` in \
         `config.toml` (or `--plain-key-file`) away, or set it to what it was"
    )]
    OtherStore {
        /// The source of the key, as the vault records it.
        recorded: StoreKind,
        /// What was asked for.
        wanted: StoreKind,
    },
    /// The system's store cannot be used.
    #[error(
        "the {kind} cannot be used: {reason}\nhint: unlock or start it; a new home can do without: `vault.store = \"file\"`"
    )]
    Keystore {
        /// The keystore.
        kind: StoreKind,
        /// The keystore's words; never a value.
        reason: String,
    },
    /// The key that the store held is gone.
    #[error(
        "the {kind} has no key for the vault `{}`\nhint: restore that store from your backup: without the key the stored \
         secrets are lost. To give them up, move the file away and store them again",
        path.display()
    )]
    KeyGone {
        /// Where the key was.
        kind: StoreKind,
        /// The vault file.
        path: PathBuf,
    },
    /// There is no such store here.
    #[error("this system has no {0}\nhint: a new home can do without: `vault.store = \"file\"`")]
    NoSuchStore(StoreKind),
    /// Asked to change the password of a vault that has none.
    #[error("the key of this vault comes from the {0}, not from a password\nhint: there is no password to change")]
    NoPasswordHere(StoreKind),
    /// No randomness from the system.
    #[error("no random bytes from the system: {0}\nhint: see whether `/dev/urandom` is there")]
    Random(getrandom::Error),
}
