//! Finding a way to compile for the target, the cheapest first.
//!
//! 1. the target's std is in the sysroot;
//! 2. `rustup target add` puts it there;
//! 3. std's source is in the sysroot: cargo compiles std itself (`-Zbuild-std`);
//! 4. Debian's packages hold a compiler with that source (see `debian`);
//! 5. none: an error that says what each of them lacked.
//!
//! Each is proven before it is used: 1 and 2 compile an empty library, 3 compiles
//! std, 4 runs the compiler it unpacked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::TARGET;
mod debian;

use crate::environment::remap;
use crate::tools::{RunError, Tools, ask, command, run};

/// The environment variable that allows one way only: `sysroot`, `rustup`, `build-std` or `debian`.
pub const TOOLCHAIN_VARIABLE: &str = "CARA_WASM_TOOLCHAIN";

/// How long `rustup` may take: it is asked first where it may never answer.
const RUSTUP_DEADLINE: Duration = Duration::from_secs(60);

/// What the host's WebAssembly has beside the target's minimum: searching and copying go sixteen bytes at a time.
const FEATURES: &str = "\x1f-Ctarget-feature=+simd128";

/// A way to compile for the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The target's std is installed.
    Sysroot,
    /// rustup installs it.
    Rustup,
    /// Cargo compiles std from the source in the sysroot.
    BuildStd,
    /// The same with a compiler and source from Debian's packages, in the target folder.
    Debian,
}

impl Way {
    /// All ways, in the order they are tried.
    pub const ORDER: [Self; 4] = [Self::Sysroot, Self::Rustup, Self::BuildStd, Self::Debian];

    /// The way that [`TOOLCHAIN_VARIABLE`] asks for, if it is set.
    pub(crate) fn from_environment() -> Result<Option<Self>, UnknownWay> {
        let value = std::env::var_os(TOOLCHAIN_VARIABLE).filter(|value| !value.is_empty());
        value.map(|value| value.to_string_lossy().parse()).transpose()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sysroot => "sysroot",
            Self::Rustup => "rustup",
            Self::BuildStd => "build-std",
            Self::Debian => "debian",
        })
    }
}

impl FromStr for Way {
    type Err = UnknownWay;

    fn from_str(text: &str) -> Result<Self, UnknownWay> {
        let way = Self::ORDER.into_iter().find(|way| way.to_string() == text);
        way.ok_or_else(|| UnknownWay(text.to_owned()))
    }
}

/// A name that is no way.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no way `{0}` to build for `{TARGET}`\n\
     hint: set `{TOOLCHAIN_VARIABLE}` to sysroot, rustup, build-std or debian, or unset it"
)]
pub struct UnknownWay(String);

/// Progress, for somebody who waits.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A way is tried.
    Trying(Way),
    /// It does not work here; the next one is tried.
    Rejected(Way, &'a Reason),
    /// The tool works and is used.
    Found(Way),
    /// Packages are downloaded.
    Downloading(&'a [String]),
    /// std is compiled, once in a target folder; takes about a minute.
    CompilingStd,
    /// The packages are compiled.
    Compiling(&'a [String]),
    /// This package's component is put together and checked.
    Componentizing(&'a str),
}

/// Why a way does not work here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A program failed or is missing.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The sysroot has no std for the target.
    #[error("`{}` is not there", .0.display())]
    NoStd(PathBuf),
    /// The sysroot has no source of std.
    #[error("`{}` is not there; it comes with `rust-src`", .0.display())]
    NoSource(PathBuf),
    /// Nothing that links WebAssembly.
    #[error("no `rust-lld` in `{}`", .0.display())]
    NoLinker(PathBuf),
    /// The package lists name no such package.
    #[error("no package `{0}` is known to apt")]
    NoPackage(String),
    /// A file could not be read or written.
    #[error("`{}`: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Reason {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Every way that was tried, and what it lacked. Its text ends with what to do.
#[derive(Debug)]
pub struct Tried {
    reasons: Vec<(Way, Reason)>,
    only: Option<Way>,
}

impl Tried {
    /// The ways in the order they were tried.
    pub fn reasons(&self) -> impl Iterator<Item = (Way, &Reason)> {
        self.reasons.iter().map(|(way, reason)| (*way, reason))
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (way, reason) in &self.reasons {
            writeln!(f, "  {way}: {reason}")?;
        }
        match self.only {
            Some(way) => write!(f, "hint: only `{way}` was allowed; unset `{TOOLCHAIN_VARIABLE}` to try the others"),
            None => write!(f, "hint: run `rustup target add {TARGET}`"),
        }
    }
}

/// Having a `Toolchain` tells you: it was tried and compiles for the target.
#[derive(Debug)]
pub(crate) struct Toolchain {
    way: Way,
    rustc: PathBuf,
    sysroot: PathBuf,
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// Makes a `cargo build` use it.
    pub(crate) fn apply(&self, cargo: &mut Command, workspace: &Path, target: &Path) {
        cargo.env("RUSTC", &self.rustc);
        let mut flags = remap(workspace, target, &self.sysroot);
        flags.push(FEATURES);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
        if matches!(self.way, Way::BuildStd | Way::Debian) {
            // -Zbuild-std is for nightly compilers; this variable makes a stable one take it. It reaches only the
            // nested build, and no crate there may use unstable features because of it unless it asks for them.
            cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
        }
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

/// Looks for a toolchain.
pub(crate) struct Search<'a> {
    /// The programs that may be run.
    pub(crate) tools: &'a Tools,
    /// Where it may write: probes, packages, the compiled std.
    pub(crate) folder: &'a Path,
    /// What will be built. Of one workspace the flags are the same, so what is compiled for one build serves the next.
    pub(crate) workspace: &'a Path,
    /// `[profile.*]` of the workspace, so that the std compiled here is the one the build wants.
    pub(crate) profiles: &'a str,
    /// The arguments that choose the profile.
    pub(crate) profile: &'a [&'a str],
    /// The listener that is told of each step.
    pub(crate) progress: &'a mut dyn FnMut(Step<'_>),
}

impl Search<'_> {
    /// The first way that works, or of `only` that one.
    pub(crate) fn find(&mut self, only: Option<Way>) -> Result<Toolchain, Tried> {
        let mut reasons = Vec::new();
        for way in Way::ORDER.into_iter().filter(|way| only.is_none_or(|only| only == *way)) {
            (self.progress)(Step::Trying(way));
            match self.attempt(way) {
                Ok(toolchain) => {
                    (self.progress)(Step::Found(way));
                    return Ok(toolchain);
                }
                Err(reason) => {
                    (self.progress)(Step::Rejected(way, &reason));
                    reasons.push((way, reason));
                }
            }
        }
        Err(Tried { reasons, only })
    }

    fn attempt(&mut self, way: Way) -> Result<Toolchain, Reason> {
        match way {
            Way::Sysroot => self.sysroot(way),
            Way::Rustup => {
                run(command(&self.tools.rustup).args(["target", "add", TARGET]), Some(RUSTUP_DEADLINE))?;
                self.sysroot(way)
            }
            Way::BuildStd => self.build_std(),
            Way::Debian => self.debian(),
        }
    }

    /// The std of the target is there, and an empty library compiles and links.
    fn sysroot(&self, way: Way) -> Result<Toolchain, Reason> {
        let sysroot = sysroot_of(&self.tools.rustc)?;
        let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        let std = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("libstd-");
        if !std::fs::read_dir(&libraries).into_iter().flatten().flatten().any(std) {
            return Err(Reason::NoStd(libraries.join("libstd-*.rlib")));
        }
        let probe = self.folder.join("probe");
        let source = probe.join("empty.rs");
        write(&source, "//! Nothing.\n")?;
        let mut rustc = command(&self.tools.rustc);
        rustc.args(["--target", TARGET, "--crate-type", "cdylib", "--out-dir"]).arg(&probe).arg(&source);
        run(&mut rustc, None)?;
        Ok(Toolchain { way, rustc: self.tools.rustc.clone(), sysroot, linker: None })
    }

    /// The source of std is there, and std compiles; the build that follows finds it compiled.
    fn build_std(&mut self) -> Result<Toolchain, Reason> {
        let sysroot = sysroot_of(&self.tools.rustc)?;
        let source = sysroot.join("lib/rustlib/src/rust/library");
        if !source.join("std/Cargo.toml").is_file() {
            return Err(Reason::NoSource(source));
        }
        let toolchain = Toolchain {
            way: Way::BuildStd,
            linker: Some(linker(&self.tools.rustc, &sysroot)?),
            rustc: self.tools.rustc.clone(),
            sysroot,
        };
        let probe = self.folder.join("probe");
        write(&probe.join("src/lib.rs"), "//! Nothing.\n")?;
        let manifest = probe.join("Cargo.toml");
        let package =
            "[package]\nname = \"probe\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
        write(&manifest, &format!("{package}{}", self.profiles))?;
        (self.progress)(Step::CompilingStd);
        let mut cargo = command(&self.tools.cargo);
        cargo.args(["build", "--quiet", "--target", TARGET]).args(self.profile);
        cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(self.folder);
        toolchain.apply(&mut cargo, self.workspace, self.folder);
        run(&mut cargo, None)?;
        Ok(toolchain)
    }

    /// Debian's compiler is unpacked and runs, and the first toolchain's linker is there.
    fn debian(&mut self) -> Result<Toolchain, Reason> {
        // The packages have no linker for WebAssembly.
        let linker = linker(&self.tools.rustc, &sysroot_of(&self.tools.rustc)?)?;
        let rustc = debian::unpacked(self.tools, &self.folder.join("debian"), self.progress)?;
        let sysroot = sysroot_of(&rustc)?;
        let source = sysroot.join("lib/rustlib/src/rust/library");
        if !source.join("std/Cargo.toml").is_file() {
            return Err(Reason::NoSource(source));
        }
        (self.progress)(Step::CompilingStd);
        Ok(Toolchain { way: Way::Debian, rustc, sysroot, linker: Some(linker) })
    }
}

pub(crate) fn sysroot_of(rustc: &Path) -> Result<PathBuf, RunError> {
    Ok(ask(command(rustc).args(["--print", "sysroot"]), None)?.into())
}

/// `rust-lld`, not `gcc-ld/wasm-ld`: rustc passes `-flavor wasm`, which only the former takes.
fn linker(rustc: &Path, sysroot: &Path) -> Result<PathBuf, Reason> {
    let host = ask(command(rustc).args(["--print", "host-tuple"]), None)?;
    let folder = sysroot.join("lib/rustlib").join(host).join("bin");
    let linker = folder.join(format!("rust-lld{}", std::env::consts::EXE_SUFFIX));
    if linker.is_file() { Ok(linker) } else { Err(Reason::NoLinker(folder)) }
}

/// Leaves a file that is as wanted untouched, so that cargo sees no change.
fn write(path: &Path, text: &str) -> Result<(), Reason> {
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Reason::file(folder))?;
    }
    std::fs::write(path, text).map_err(Reason::file(path))
}
