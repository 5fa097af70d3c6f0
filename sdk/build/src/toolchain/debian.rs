//! A compiler with std's source from Debian's packages,
//! unpacked into a folder.
//!
//! Needs no root and changes nothing in the system: own package lists where the
//! system has none, `dpkg -x` instead of an installation. apt checks signatures
//! and digests as ever.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Reason, Step};
use crate::tools::{Tools, ask, command, run};

/// How long the lists (25 MB) and the packages (115 MB) may take.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// What is always wanted: the compiler, its host std, and std's source. The version and the libraries they need are
/// asked for.
const WANTED: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"];

/// The compiler in `folder`, put there at the first call. The caller holds the lock of the folder.
pub(crate) fn unpacked(tools: &Tools, folder: &Path, progress: &mut dyn FnMut(Step<'_>)) -> Result<PathBuf, Reason> {
    let root = folder.join("root");
    let rustc = folder.join("rustc");
    if !root.is_dir() {
        std::fs::create_dir_all(folder).map_err(Reason::file(folder))?;
        let packages = Lists::known_or_fetched(tools, folder)?.download(folder, progress)?;
        let draft = folder.join("root.draft");
        emptied(&draft)?;
        for package in packages {
            run(command(&tools.dpkg).arg("-x").arg(&package).arg(&draft), Some(DOWNLOAD_DEADLINE))?;
            std::fs::remove_file(&package).map_err(Reason::file(&package))?;
        }
        prune(&draft)?;
        // Renamed when whole: what is interrupted before is unpacked again.
        std::fs::rename(&draft, &root).map_err(Reason::file(&root))?;
    }
    wrap(&root, &rustc)?;
    ask(command(&rustc).arg("--version"), None)?;
    Ok(rustc)
}

/// Package lists that know the packages.
struct Lists<'a> {
    tools: &'a Tools,
    /// Options that make apt use other lists than the system's.
    options: Vec<String>,
}

impl<'a> Lists<'a> {
    /// The system's lists, or where they do not know the compiler, our own copy of the newest.
    fn known_or_fetched(tools: &'a Tools, folder: &Path) -> Result<Self, Reason> {
        let system = Self { tools, options: Vec::new() };
        match system.version("rustc-web") {
            Ok(_) => return Ok(system),
            Err(Reason::NoPackage(_)) => {}
            Err(other) => return Err(other),
        }
        let (lists, cache) = (folder.join("lists"), folder.join("cache"));
        for folder in [lists.join("partial"), cache.join("archives/partial")] {
            std::fs::create_dir_all(&folder).map_err(Reason::file(&folder))?;
        }
        let own = Self {
            tools,
            options: vec![
                format!("-oDir::State::Lists={}", lists.display()),
                format!("-oDir::Cache={}", cache.display()),
                // As root apt would download as another user, who may not enter this folder.
                "-oAPT::Sandbox::User=root".to_owned(),
            ],
        };
        run(own.apt(&tools.apt_get).arg("update"), Some(DOWNLOAD_DEADLINE))?;
        own.version("rustc-web")?;
        Ok(own)
    }

    fn apt(&self, program: &Path) -> Command {
        let mut command = command(program);
        command.args(&self.options);
        command
    }

    /// The version apt would install.
    fn version(&self, package: &str) -> Result<String, Reason> {
        let shown = ask(self.apt(&self.tools.apt_cache).args(["show", "--no-all-versions", package]), None);
        let missing = || Reason::NoPackage(package.to_owned());
        let shown = shown.map_err(|error| match error {
            crate::RunError::Failed { .. } => missing(),
            other => other.into(),
        })?;
        shown.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned).ok_or_else(missing)
    }

    /// Everything a package needs, down to the C library.
    fn needs(&self, package: &str) -> Result<BTreeSet<String>, Reason> {
        let mut cache = self.apt(&self.tools.apt_cache);
        cache.args(["depends", "--recurse", "--important", package]);
        let shown = ask(&mut cache, None)?;
        let names = shown.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric()));
        Ok(names.map(str::to_owned).collect())
    }

    fn installed(&self) -> Result<BTreeSet<String>, Reason> {
        let format = "-f=${db:Status-Status} ${Package}\\n";
        let shown = ask(command(&self.tools.dpkg_query).args(["-W", format]), None)?;
        Ok(shown.lines().filter_map(|line| line.strip_prefix("installed ")).map(str::to_owned).collect())
    }

    /// Downloads the compiler and what it needs beyond the installed; gives the files.
    fn download(&self, folder: &Path, progress: &mut dyn FnMut(Step<'_>)) -> Result<Vec<PathBuf>, Reason> {
        let version = self.version("rustc-web")?;
        // The compiler's own packages are of one source and must be of one version: the newest rust-web-src that apt
        // knows could belong to another.
        let mut packages: Vec<String> = WANTED.iter().map(|name| format!("{name}={version}")).collect();
        let installed = self.installed()?;
        // Debian's `rustc-web` also needs a C compiler; that one is there, or the host could not be built.
        let libraries = self.needs("libstd-rust-web-dev")?;
        let missing =
            libraries.into_iter().filter(|name| !WANTED.contains(&name.as_str()) && !installed.contains(name));
        packages.extend(missing);
        progress(Step::Downloading(&packages));
        let downloads = folder.join("packages");
        emptied(&downloads)?;
        let mut get = self.apt(&self.tools.apt_get);
        run(get.arg("download").args(&packages).current_dir(&downloads), Some(DOWNLOAD_DEADLINE))?;
        let files = std::fs::read_dir(&downloads).map_err(Reason::file(&downloads))?;
        Ok(files.flatten().map(|file| file.path()).collect())
    }
}

/// Removes the sources of the compiler and its tests, which come along with std's: half of 840 MB.
fn prune(root: &Path) -> Result<(), Reason> {
    for source in std::fs::read_dir(root.join("usr/src")).into_iter().flatten().flatten() {
        for unused in ["compiler", "src"].map(|name| source.path().join(name)) {
            if unused.is_dir() {
                std::fs::remove_dir_all(&unused).map_err(Reason::file(&unused))?;
            }
        }
    }
    Ok(())
}

/// Makes the folder, without what an interrupted run may have left in it.
fn emptied(folder: &Path) -> Result<(), Reason> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Reason::file(folder))?;
    }
    std::fs::create_dir_all(folder).map_err(Reason::file(folder))
}

/// A program that starts the unpacked compiler with its own libraries.
fn wrap(root: &Path, rustc: &Path) -> Result<(), Reason> {
    let mut folders = Vec::new();
    for libraries in [root.join("usr/lib"), root.join("lib")] {
        // Older Debian has some libraries in `/lib`, newer has none there.
        let entries = std::fs::read_dir(&libraries).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("-linux-")));
    }
    folders.sort();
    let folders: Vec<String> = folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
    let program = root.join("usr/bin/rustc").to_string_lossy().into_owned();
    let script =
        format!("#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n", quoted(&folders.join(":")), quoted(&program));
    if std::fs::read_to_string(rustc).is_ok_and(|found| found == script) {
        return Ok(());
    }
    std::fs::write(rustc, script).map_err(Reason::file(rustc))?;
    executable(rustc).map_err(Reason::file(rustc))
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_stays_one_word_for_the_shell() {
        assert_eq!(quoted("/a b/c"), "'/a b/c'");
        assert_eq!(quoted("/it's; rm"), "'/it'\\''s; rm'");
    }
}
