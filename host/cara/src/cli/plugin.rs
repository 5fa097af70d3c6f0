//! The commands for components: installing, reviewing, signing, trusting,
//! granting.

use cara_authority::ComponentId;
use cara_authority::limits::Time;
use cara_sdk_new::{Kind, Language};
use clap::{Args, Subcommand};
use semver::Version;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// List the installed components.
    List,
    /// Show one: version, digest, signer, imports, manifest, grants, limits.
    Inspect {
        /// The component's id.
        id: ComponentId,
    },
    /// Show what a person needs to decide about a package; exits with 1 when it could not be installed.
    Review {
        /// A file, folder, URL, `oci://` reference, or the id of an installed component.
        what: String,
        /// Compare with this version instead of the one in use.
        #[arg(long, value_name = "VERSION")]
        against: Option<Version>,
    },
    /// Call a component in every way its kind has to stand, in the real sandbox, without a network; signed or not.
    Check {
        /// The package.
        file: PathBuf,
    },
    /// Make a new component's project in a folder of its name: sources, manifest, tests.
    New {
        /// `provider` or `tool`.
        kind: Kind,
        /// Its name, which becomes the component's id.
        name: String,
        /// What to write it in: `rust`, `js` or `python`.
        #[arg(long, value_name = "LANGUAGE", default_value_t = Language::Rust)]
        lang: Language,
    },
    /// Put the SDK of this cara into a project that was made with another one; only its `.cara/` changes.
    Refresh {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Build a project and write `dist/ID.wasm`.
    Build(Build),
    /// Build, sign and install a project whenever one of its files changes; a running `cara chat` uses it from the next call on.
    Dev {
        #[command(flatten)]
        build: Build,
        #[command(flatten)]
        consent: Consent,
    },
    /// Run the scripted tests of a project (`tests/*.toml`) on what was built (`dist/*.wasm`), in the real sandbox.
    Test {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Fetch a package, verify it, review it, ask for its grants, and use it from the next call on.
    Install(Install),
    /// Fetch newer versions from where each came from. What asks for more than before waits for you.
    Update(Update),
    /// Return to the version that was in use before.
    Rollback {
        /// The component.
        id: ComponentId,
    },
    /// Switch a component on again.
    Enable {
        /// The component.
        id: ComponentId,
    },
    /// Switch a component off; it stays installed.
    Disable {
        /// The component.
        id: ComponentId,
    },
    /// Remove an installed component and what was granted to it. What is built in under its id returns.
    Remove {
        /// The component.
        id: ComponentId,
        /// Remove what it kept between calls, too.
        #[arg(long)]
        state: bool,
    },
    /// Find components in an index.
    Search {
        /// Words that its id or summary must have.
        words: Vec<String>,
        /// The index: a file, URL or `oci://` reference; cara knows none of its own.
        #[arg(long, value_name = "REF", env = "CARA_PLUGIN_INDEX")]
        index: Option<String>,
    },
    /// Put a signed package into an OCI registry.
    Push {
        /// The package, its signature file beside it.
        file: PathBuf,
        /// Where to: `oci://registry/repository:tag`.
        to: String,
        /// The user to log in as; the password is read from a prompt or stdin.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Make a key to sign with. The secret part goes into the vault, or a file; the public part is printed.
    Keygen {
        /// What to call it.
        name: String,
        /// Keep the secret part in this file instead of the vault (PKCS#8 PEM, mode 0600).
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        /// Trust it at once, for what it may sign here: an id, a prefix with `*`, or `*`. May be repeated.
        #[arg(long = "trust", value_name = "PATTERN")]
        trust: Vec<String>,
    },
    /// Print the public part of a key that was made here.
    Pubkey {
        /// The name of a key in the vault, or the path of a PEM file.
        #[arg(value_name = "NAME|PATH")]
        key: String,
    },
    /// Sign a package: writes `FILE.sigstore.json`.
    Sign(Sign),
    /// Check a package's signature against whom you trust.
    Verify {
        /// The package, its signature file beside it.
        file: PathBuf,
        /// Check it against this public key alone (PEM); no home is needed.
        #[arg(long, value_name = "PATH")]
        key: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Where to leave what is made on the way; `target` in the folder unless said. Projects may share one.
    #[arg(long, value_name = "PATH", env = "CARA_PLUGIN_TARGET_DIR")]
    pub(crate) target_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The package.
    pub(crate) file: PathBuf,
    /// The name of a key in the vault, or the path of a PEM file.
    #[arg(long, value_name = "NAME|PATH", required_unless_present = "keyless", conflicts_with = "keyless")]
    pub(crate) key: Option<String>,
    /// Sign with a certificate for the one whom an identity token names; this is public for ever.
    #[arg(long)]
    pub(crate) keyless: bool,
    /// The file with the token, made for `sigstore`; `SIGSTORE_ID_TOKEN` holds the token itself.
    #[arg(long, value_name = "PATH", requires = "keyless")]
    pub(crate) token: Option<PathBuf>,
    /// The certificate authority: a Fulcio.
    #[arg(long, value_name = "URL", default_value = "https://fulcio.sigstore.dev", requires = "keyless")]
    pub(crate) authority: String,
    /// The transparency log: a Rekor.
    #[arg(long, value_name = "URL", default_value = "https://rekor.sigstore.dev", requires = "keyless")]
    pub(crate) log: String,
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// A file, folder, URL or `oci://` reference.
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Install although a newer version was here before.
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The components; all that were installed when none is named.
    pub(crate) ids: Vec<ComponentId>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// How a person agrees when nobody can be asked.
#[derive(Debug, Args, Clone)]
pub(crate) struct Consent {
    /// Agree to everything the review shows.
    #[arg(long, conflicts_with = "grants")]
    pub(crate) yes: bool,
    /// Agree, and grant only what this TOML file lists: `grants = ["http https://api.example.com", "state"]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) grants: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Trust a key, or an identity that signs without one, to sign components.
    Add {
        /// What to call whoever has it.
        name: String,
        /// The public key: a PEM file. When left out, that of the key which `cara plugin keygen` made under this name.
        #[arg(conflicts_with = "identity")]
        key: Option<PathBuf>,
        /// Instead of a key: the e-mail address or URI in the certificate; a workflow's may end in `@refs/tags/*`.
        #[arg(long, value_name = "ID", requires = "issuer")]
        identity: Option<String>,
        /// Who has to have vouched for the identity: the URL of an OpenID Connect issuer.
        #[arg(long, value_name = "URL", requires = "identity")]
        issuer: Option<String>,
        /// What it may sign: an id, a prefix with `*`, or `*`. May be repeated.
        #[arg(long = "may", value_name = "PATTERN", required = true)]
        may: Vec<String>,
    },
    /// List whom you trust, for what, since when, and what was revoked.
    List,
    /// Stop trusting a key or an identity; what it signed is not used from the next call on.
    Remove {
        /// Its name, or the beginning of its id.
        name: String,
    },
    /// Say which Sigstore instance's certificates count; without one, none does.
    Root {
        /// Its `trusted_root.json`, or `public-good` for the public instance as this program knows it.
        #[arg(value_name = "FILE|public-good", required_unless_present = "remove", conflicts_with = "remove")]
        root: Option<String>,
        /// Trust the certificates of no instance any more.
        #[arg(long)]
        remove: bool,
    },
    /// Revoke for good: a key by its id as `cara trust list` shows it, or a component's digest `sha256:...`.
    Revoke {
        /// What is revoked.
        what: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// The component.
    pub(crate) component: ComponentId,
    /// What: `https://api.example.com`, `secret api-key`, `environment REGION`, `state`, or a service such as `memory`.
    #[arg(required = true, num_args = 1..)]
    pub(crate) capability: Vec<String>,
    /// Let it speak HTTP without TLS to that address on another machine: whoever is on the way reads and changes what is
    /// sent, keys too.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Let it reach that address in a private network (RFC 1918, RFC 4193).
    #[arg(long)]
    pub(crate) private: bool,
    /// For how long: `30m`, at most `24h` as `1440m`; for good when left out.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasts: Option<Time>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The component.
    pub(crate) component: ComponentId,
    /// What; everything when left out.
    pub(crate) capability: Vec<String>,
}

fn time(text: &str) -> Result<Time, serde::de::value::Error> {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    Time::deserialize(text.into_deserializer())
}
