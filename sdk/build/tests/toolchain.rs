//! In which order the ways are tried, and what each lacks,
//! with programs that only play.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use cara_sdk_build::{Builder, Error, Step, Tools, Way};
use tempfile::TempDir;

use crate::support;

/// A machine of shell scripts. Its cargo describes packages but builds nothing.
struct Machine {
    folder: TempDir,
    tools: Tools,
}

impl Machine {
    /// With a compiler and an empty sysroot, and nothing else.
    fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::create_dir_all(folder.path().join("sysroot/lib/rustlib")).unwrap();
        let missing = PathBuf::from("/nowhere");
        let mut machine = Self {
            tools: Tools {
                cargo: PathBuf::new(),
                rustc: PathBuf::new(),
                rustup: missing.join("rustup"),
                apt_get: missing.join("apt-get"),
                apt_cache: missing.join("apt-cache"),
                dpkg: missing.join("dpkg"),
                dpkg_query: missing.join("dpkg-query"),
            },
            folder,
        };
        machine.tools.rustc = machine.program("rustc", &compiler("sysroot"));
        let build = "case $1 in build) echo \"error: with RUSTC=$RUSTC\" >&2; exit 101;; esac";
        let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        machine.tools.cargo = machine.program("cargo", &format!("{build}\nexec '{real}' \"$@\""));
        machine
    }

    /// A script that finds the machine's folder in `$M`.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\nM='{}'\n{script}\n", self.folder.path().display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn file(&self, path: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    fn with_linker(self) -> Self {
        self.file("sysroot/lib/rustlib/fake-host/bin/rust-lld");
        self
    }

    /// apt that knows the packages only from lists of our own, after `update`.
    fn with_debian(mut self) -> Self {
        let known = "case \"$*\" in *State::Lists*) ;; *) exit 0;; esac; test -e \"$M/updated\" || exit 0";
        let show = "case \"$*\" in *show*) echo 'Package: rustc-web'; echo 'Version: 9.9-1';;";
        let depends =
            "*depends*) printf 'libstd-rust-web-dev\\n  Depends: x\\nlibllvm99\\nlibc6\\n<virtual>\\n';; esac";
        self.tools.apt_cache = self.program("apt-cache", &format!("{known}\n{show}\n{depends}"));
        self.tools.dpkg_query = self.program("dpkg-query", "echo 'installed libc6'; echo 'config-files libllvm99'");
        let download = "*download*) shift 4; for p; do touch \"$p.deb\"; echo \"$p\" >>\"$M/downloaded\"; done;; esac";
        let get = format!("case \"$*\" in *update*) touch \"$M/updated\";;\n{download}");
        self.tools.apt_get = self.program("apt-get", &get);
        let unpack = "mkdir -p \"$3/usr/bin\" \"$3/usr/lib/any-linux-gnu\"; cp \"$M/bin/packed\" \"$3/usr/bin/rustc\"";
        self.tools.dpkg = self.program("dpkg", unpack);
        self.program("packed", &compiler("packed"));
        self.file("packed/lib/rustlib/src/rust/library/std/Cargo.toml");
        self
    }

    /// Builds the fixture, which must fail; gives the steps and the error.
    fn fail(&self, way: Option<Way>) -> (Vec<String>, Error) {
        let source = support::fixture(self.folder.path());
        let mut builder = Builder::new(source, self.folder.path().join("target")).tools(self.tools.clone());
        if let Some(way) = way {
            builder = builder.way(way);
        }
        let mut steps = Vec::new();
        let error = builder.build_with(&mut |step| steps.push(word(&step))).unwrap_err();
        (steps, error)
    }

    fn text(&self, error: &Error) -> String {
        error.to_string().replace(self.folder.path().to_str().unwrap(), "$M")
    }
}

fn compiler(sysroot: &str) -> String {
    format!(
        "case \"$*\" in '--print sysroot') echo \"$M/{sysroot}\";; '--print host-tuple') echo fake-host;; \
         --version) echo rustc;; *cdylib*) test ! -e \"$M/cannot-link\" || {{ echo 'error: no linker' >&2; exit 1; }};; esac"
    )
}

fn word(step: &Step<'_>) -> String {
    match step {
        Step::Trying(way) => format!("try {way}"),
        Step::Rejected(way, _) => format!("not {way}"),
        Step::Found(way) => format!("use {way}"),
        Step::Downloading(packages) => format!("download {}", packages.join(" ")),
        Step::CompilingStd => "std".to_owned(),
        Step::Compiling(packages) => format!("compile {}", packages.join(" ")),
        other => format!("{other:?}"),
    }
}

const STD: &str = "lib/rustlib/wasm32-unknown-unknown/lib/libstd-0.rlib";

#[test]
fn an_installed_std_is_used_and_nothing_else_is_tried() {
    let machine = Machine::bare();
    machine.file(&format!("sysroot/{STD}"));
    let (steps, error) = machine.fail(None);
    assert_eq!(steps, ["try sysroot", "use sysroot", "compile fixture"]);
    assert!(machine.text(&error).contains("RUSTC=$M/bin/rustc\n"), "{error}");
}

#[test]
fn rustup_is_asked_when_no_std_is_installed() {
    let mut machine = Machine::bare();
    let add =
        format!("test \"$*\" = 'target add wasm32-unknown-unknown' && mkdir -p \"$(dirname \"$M/sysroot/{STD}\")\"");
    machine.tools.rustup = machine.program("rustup", &format!("{add} && touch \"$M/sysroot/{STD}\""));
    let (steps, _) = machine.fail(None);
    assert_eq!(steps, ["try sysroot", "not sysroot", "try rustup", "use rustup", "compile fixture"]);
}

#[test]
fn a_std_that_does_not_link_is_not_used() {
    let machine = Machine::bare();
    machine.file(&format!("sysroot/{STD}"));
    machine.file("cannot-link");
    let (steps, error) = machine.fail(Some(Way::Sysroot));
    assert_eq!(steps, ["try sysroot", "not sysroot"]);
    assert!(error.to_string().contains("error: no linker"), "{error}");
}

#[test]
fn a_source_of_std_that_does_not_compile_leads_to_the_next_way() {
    let machine = Machine::bare().with_linker();
    machine.file("sysroot/lib/rustlib/src/rust/library/std/Cargo.toml");
    let (steps, error) = machine.fail(None);
    let after_rustup = ["try build-std", "std", "not build-std", "try debian", "not debian"];
    assert_eq!(steps[4..], after_rustup);
    assert!(machine.text(&error).contains("  build-std: `cargo build "), "{error}");
}

#[test]
fn debian_packages_are_the_last_way_and_bring_what_is_not_installed() {
    let machine = Machine::bare().with_linker().with_debian();
    let (steps, error) = machine.fail(None);
    let download = "download rustc-web=9.9-1 libstd-rust-web-dev=9.9-1 rust-web-src=9.9-1 libllvm99";
    assert_eq!(steps[5..], ["not build-std", "try debian", download, "std", "use debian", "compile fixture"]);
    assert!(machine.text(&error).contains("RUSTC=$M/target/components/debian/rustc\n"), "{error}");
    // The second time everything is there.
    let (steps, _) = machine.fail(Some(Way::Debian));
    assert_eq!(steps, ["try debian", "std", "use debian", "compile fixture"]);
    assert_eq!(fs::read_to_string(machine.folder.path().join("downloaded")).unwrap().lines().count(), 4);
}

#[test]
fn an_unpacking_that_was_interrupted_is_done_again() {
    let machine = Machine::bare().with_linker().with_debian();
    machine.file("target/components/debian/root.draft/usr/bin/half");
    machine.file("target/components/debian/packages/half.deb");
    let (steps, _) = machine.fail(Some(Way::Debian));
    assert_eq!(steps.last().unwrap(), "compile fixture");
    let root = machine.folder.path().join("target/components/debian/root");
    assert!(!root.join("usr/bin/half").exists(), "what was half unpacked is gone");
}

#[test]
fn when_nothing_works_the_error_says_what_each_way_lacked_and_what_to_run() {
    let mut machine = Machine::bare().with_linker();
    machine.tools.rustup = machine.program("rustup", "echo 'info: downloading' >&2; echo 'error: 404' >&2; exit 1");
    let (steps, error) = machine.fail(None);
    assert_eq!(steps.len(), 8);
    assert_eq!(
        machine.text(&error),
        "no way to build for `wasm32-unknown-unknown` works on this machine
  sysroot: `$M/sysroot/lib/rustlib/wasm32-unknown-unknown/lib/libstd-*.rlib` is not there
  rustup: `rustup target add wasm32-unknown-unknown` failed (exit status: 1): error: 404
  build-std: `$M/sysroot/lib/rustlib/src/rust/library` is not there; it comes with `rust-src`
  debian: `apt-cache` is not installed
hint: run `rustup target add wasm32-unknown-unknown`"
    );
}

#[test]
fn when_the_one_way_allowed_does_not_work_the_error_says_how_to_allow_the_others() {
    let (steps, error) = Machine::bare().fail(Some(Way::Rustup));
    assert_eq!(steps, ["try rustup", "not rustup"]);
    assert_eq!(
        error.to_string(),
        "no way to build for `wasm32-unknown-unknown` works on this machine
  rustup: `rustup` is not installed
hint: only `rustup` was allowed; unset `CARA_WASM_TOOLCHAIN` to try the others"
    );
}

#[test]
fn a_way_that_does_not_exist_is_refused() {
    let error = "cargo".parse::<Way>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no way `cargo` to build for `wasm32-unknown-unknown`\n\
         hint: set `CARA_WASM_TOOLCHAIN` to sysroot, rustup, build-std or debian, or unset it"
    );
    for way in Way::ORDER {
        assert_eq!(way.to_string().parse::<Way>().unwrap(), way);
    }
}
