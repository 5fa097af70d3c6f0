//! What goes wrong with stored secrets, each with its cure;
//! no text holds a value.

use super::StoreKind;
use crate::files::FileError;
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
    /// A component id or secret name that is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Not `component/name`.
    #[error("`{0}` does not name a secret\nhint: write `component/name`, like `acme/api-key`")]
    NotAnId(String),
    /// A secret or password without a byte.
    #[error("an empty value is not a secret\nhint: type or pipe the value in")]
    EmptyValue,
    /// A secret longer than the store takes.
    #[error("the value has {bytes} bytes, more than the {max} that fit\nhint: a secret is a key or token, not a file")]
    ValueTooLong {
        /// Its length.
        bytes: usize,
        /// The most that fits.
        max: usize,
    },
    /// The password does not open the file.
    #[error("wrong password for the vault `{}`\nhint: try again; nothing was changed", .0.display())]
    WrongPassword(PathBuf),
    /// The file is not as it was written.
    #[error(
        "the vault file `{}` was changed or is damaged\nhint: put back a copy from your backup; to begin again without its \
         secrets, move the file away. cara has not touched it",
        .0.display()
    )]
    Damaged(PathBuf),
    /// A later version of cara wrote the file.
    #[error("`{}` has format {version}, which this cara does not read\nhint: use the newer cara that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// Parameters for deriving the key that are too weak, or would take too long.
    #[error(
        "key derivation `{name}` with {parameter} {value} is outside {min} to {max}\nhint: choose a value in that range"
    )]
    KdfBounds {
        /// `argon2id` or `pbkdf2-hmac-sha256`.
        name: &'static str,
        /// Which number.
        parameter: &'static str,
        /// What it is.
        value: u32,
        /// The least taken.
        min: u32,
        /// The most taken.
        max: u32,
    },
    /// The key derivation itself failed, for want of memory.
    #[error("the key could not be derived: {0}\nhint: free some memory and try again")]
    Kdf(argon2::Error),
    /// Nobody gave a password.
    #[error("the vault `{}` needs its password: {source}\nhint: run in a terminal, or set `CARA_VAULT_PASSWORD`", path.display())]
    NoPassword {
        /// The vault file.
        path: PathBuf,
        /// The asker's reason.
        source: PromptError,
    },
    /// There is nothing yet to change the password of.
    #[error("there is no vault `{}` yet\nhint: `cara secrets set` makes it", .0.display())]
    NoVault(PathBuf),
    /// The index names secrets of a file that is gone.
    #[error(
        "the vault file `{}` is missing, though its index names secrets\nhint: put it back from your backup; to begin again \
         without them, delete `vault-index.json` beside it",
        .0.display()
    )]
    Missing(PathBuf),
    /// The list of names cannot be read.
    #[error(
        "the list of secrets `{}` was changed or is damaged\nhint: put it back from your backup; if there is a `vault.json` \
         beside it, move it away: it is made again from that",
        .0.display()
    )]
    IndexDamaged(PathBuf),
    /// Another process changed the vault again and again meanwhile.
    #[error("the vault is being changed by another process\nhint: try again")]
    Busy,
    /// More than the file takes.
    #[error("the vault is full: {max} secrets or 8 MiB\nhint: remove some with `cara secrets remove`")]
    Full {
        /// The most secrets.
        max: usize,
    },
    /// The home's secrets are in another store than the one asked for.
    #[error(
        "the secrets of this home are in the {recorded}, not in the {wanted}\nhint: remove them from there first, or choose that store"
    )]
    OtherStore {
        /// Where they are.
        recorded: StoreKind,
        /// What was asked for.
        wanted: StoreKind,
    },
    /// The system's store cannot be used.
    #[error("the {kind} cannot be used: {reason}\nhint: unlock or start it, or choose the encrypted file as the store")]
    Keystore {
        /// Which one.
        kind: StoreKind,
        /// What it said; never a value.
        reason: String,
    },
    /// There is no such store here.
    #[error("this system has no {0}\nhint: choose the encrypted file as the store")]
    NoSuchStore(StoreKind),
    /// Asked to change the password of a store that has none of ours.
    #[error("the {0} has no password of cara's\nhint: change it with the system's own tool")]
    NoPasswordHere(StoreKind),
    /// A key file that cara did not write.
    #[error("the key file `{}` does not hold 32 bytes\nhint: delete it; what it guarded is made again", .0.display())]
    BadLocalKey(PathBuf),
    /// No randomness from the system.
    #[error("no random bytes from the system: {0}\nhint: see whether `/dev/urandom` is there")]
    Random(getrandom::Error),
}
