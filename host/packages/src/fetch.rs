//! From a reference to the bytes behind it and the signatures beside them.

use crate::access::Access;
use crate::client::{Client, ClientError};
use crate::kind::NotWasm;
use crate::oci::{self, OciError, Registry};
use crate::reference::Reference;
use cara_services::files::FileError;
use cara_signing::Digest;
use std::path::PathBuf;
use std::time::Duration;

mod file;
mod https;

pub(crate) use file::capped;

/// The signature file is named like the component, with this behind it.
const SIGNATURE: &str = ".sigstore.json";

/// What was fetched. Nothing about it is verified but the digests that were pinned.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The component.
    pub wasm: Vec<u8>,
    /// Signature files, one to eight: from a registry there may be several, of which one has to fit.
    pub bundles: Vec<String>,
    /// Where it came from, pinned: fetching this gives the same bytes or an error.
    pub source: Reference,
    /// The digest of the component.
    pub digest: Digest,
    /// The digest of its manifest, when it came from a registry.
    pub manifest: Option<Digest>,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The registry did not give it.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// There is nothing at that path.
    #[error("there is no `{}`\nhint: check the path; a package is a `.wasm` file or a folder with one", .0.display())]
    Missing(PathBuf),
    /// A folder without a component.
    #[error("`{}` has no `.wasm` file, nor has its `dist`\nhint: build the component first: `cara plugin build`", .0.display())]
    NoComponent(PathBuf),
    /// A folder with more than one component.
    #[error("`{}` has {count} `.wasm` files\nhint: name the one that is meant", folder.display())]
    Several {
        /// The folder.
        folder: PathBuf,
        /// How many.
        count: usize,
    },
    /// A file of another kind.
    #[error("`{}` is {kind}", path.display())]
    NotWasm {
        /// The file.
        path: PathBuf,
        /// The kind of the file.
        #[source]
        kind: NotWasm,
    },
    /// A file over the limit.
    #[error("`{}` is larger than {most} bytes, which is the most that is read\nhint: ask the author for a smaller file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        most: usize,
    },
    /// No signature beside the component.
    #[error(
        "`{package}` has no signature: there is no `{signature}`\nhint: its author has to sign it: `cara plugin sign`"
    )]
    Unsigned {
        /// The component.
        package: String,
        /// Where the signature should be.
        signature: String,
    },
    /// A signature file that is not text.
    #[error("the signature file of `{0}` is not text\nhint: its author has to sign the component again")]
    NotText(String),
    /// Other bytes than were pinned.
    #[error(
        "`{package}` has the digest `{found}`, not `{wanted}`\nhint: it changed; if you expect that, name it without the digest"
    )]
    Pinned {
        /// The component.
        package: String,
        /// What was pinned.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
}

/// Fetches a component and its signatures.
pub async fn fetch(reference: &Reference, access: Access<'_>) -> Result<Fetched, FetchError> {
    let client = Client::new(access);
    let (wasm, bundles, source, manifest) = match reference {
        Reference::File(file) => {
            let (found, wasm, bundle) = file::read(file).await?;
            let digest = checked(&found, &wasm, file.digest())?;
            (wasm, vec![bundle], file::pinned(found, digest), None)
        }
        Reference::Url(url) => {
            let (wasm, bundle) = https::read(&client, url).await?;
            let digest = checked(url.url(), &wasm, url.digest())?;
            (wasm, vec![bundle], Reference::Url(url.with(digest)), None)
        }
        Reference::Registry(name) => {
            let mut registry = Registry::new(&client, name, oci::Scope::Pull);
            let pulled = oci::pull(&mut registry, &oci::COMPONENT).await?;
            let bundles = oci::bundles(&mut registry, &pulled).await?;
            let source = Reference::Registry(name.with(pulled.manifest));
            (pulled.bytes, bundles, source, Some(pulled.manifest))
        }
    };
    let digest = Digest::of(&wasm);
    Ok(Fetched { wasm, bundles, source, digest, manifest, took: client.took() })
}

/// The digest of a file, when it is the pinned one or none is pinned.
pub(crate) fn checked(
    package: impl std::fmt::Display,
    bytes: &[u8],
    pinned: Option<Digest>,
) -> Result<Digest, FetchError> {
    let found = Digest::of(bytes);
    match pinned.filter(|wanted| *wanted != found) {
        Some(wanted) => Err(FetchError::Pinned { package: package.to_string(), wanted, found }),
        None => Ok(found),
    }
}
