//! What a component's binary really imports and exports, read from the binary.

use crate::kind::{CONTRACT, Kind};
use crate::manifest::Manifest;
use crate::power::Power;
use std::collections::BTreeSet;
use wasmparser::{Chunk, Parser, Payload};

/// Interfaces of ours that a component may import from this host, beside `types`.
const OFFERED: [&str; 7] = ["log", "clock", "settings", "state", "secrets", "turn", "inbox"];

/// Whether this host serves an interface of ours.
fn served(name: &str) -> bool {
    name == "types" || OFFERED.contains(&name) || Power::named(name).is_some()
}

/// Having an `Interfaces` tells you: these are the imports and exports of the binary itself, all of which this host
/// offers or knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    kinds: Vec<Kind>,
}

/// Why a binary cannot be a component of this host.
#[derive(Debug, thiserror::Error)]
pub enum InterfacesError {
    /// The bytes are not a WebAssembly component.
    #[error("the file is not a WebAssembly component")]
    NotComponent(#[source] wasmparser::BinaryReaderError),
    /// An import that this host does not offer.
    #[error(
        "the component imports `{0}`, which this host does not offer\nhint: this host offers {CONTRACT} and WASI 0.2 without files and sockets"
    )]
    NotOffered(String),
    /// No export that this host can call.
    #[error(
        "the component exports no provider, no tool and no channel\nhint: build it against {CONTRACT} with `cara_sdk`"
    )]
    NoKind,
}

/// Where binary and manifest disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The binary uses what the manifest does not ask for.
    #[error(
        "component `{id}` imports `{import}`, but its manifest has no `{table}`\nhint: declare it with the reason why, or remove the import"
    )]
    Undeclared {
        /// The component.
        id: String,
        /// The import.
        import: String,
        /// What the manifest lacks.
        table: &'static str,
    },
    /// The manifest asks for what the binary does not use.
    #[error("component `{id}` declares `{table}`, but does not import `{import}`\nhint: remove the declaration")]
    Unused {
        /// The component.
        id: String,
        /// The import that is missing.
        import: String,
        /// What is declared.
        table: &'static str,
    },
    /// A kind is exported without its declaration, or declared without its export.
    #[error(
        "component `{id}`: its manifest and its exports disagree about being a {kind}\nhint: a {kind} exports `cara:plugin/{kind}` and has `{}`",
        kind.table()
    )]
    Kind {
        /// The component.
        id: String,
        /// The kind.
        kind: Kind,
    },
}

impl Interfaces {
    /// Reads a component's top-level imports and exports. Parts inside it, which are nearly all of the file, are passed by.
    pub fn read(component: &[u8]) -> Result<Self, InterfacesError> {
        let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
        let (mut parser, mut rest) = (Parser::new(0), component);
        loop {
            let chunk = parser.parse(rest, true).map_err(InterfacesError::NotComponent)?;
            // With the whole file at hand, what is missing is an error of the parser.
            let Chunk::Parsed { consumed, payload } = chunk else { break };
            rest = &rest[consumed..];
            match payload {
                Payload::ModuleSection { unchecked_range: inside, .. }
                | Payload::ComponentSection { unchecked_range: inside, .. } => {
                    rest = rest.get(inside.len()..).unwrap_or_default();
                }
                Payload::End(_) => break,
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        imports.insert(import.map_err(InterfacesError::NotComponent)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        exports.insert(export.map_err(InterfacesError::NotComponent)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        if let Some(import) = imports.iter().find(|import| !offered(import)) {
            return Err(InterfacesError::NotOffered(import.chars().take(120).collect()));
        }
        let exported = |name| exports.iter().any(|export| ours(export) == Some(name));
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| exported(kind.name())).collect();
        if kinds.is_empty() { Err(InterfacesError::NoKind) } else { Ok(Self { imports, exports, kinds }) }
    }

    /// The imported interfaces, sorted, as the binary writes them.
    pub fn imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str)
    }

    /// The exported interfaces, sorted.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().map(String::as_str)
    }

    /// What the component is.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether the binary can make HTTP requests.
    pub fn imports_http(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("wasi:http/outgoing-handler@"))
    }

    /// Whether it can sign with secrets, and ask which are at hand.
    pub fn imports_secrets(&self) -> bool {
        self.imports_ours("secrets")
    }

    /// Whether the binary can keep state.
    pub fn imports_state(&self) -> bool {
        self.imports_ours("state")
    }

    /// Whether it can use a service of the host.
    pub fn imports_power(&self, power: Power) -> bool {
        self.imports_ours(power.name())
    }

    fn imports_ours(&self, name: &str) -> bool {
        self.imports.iter().any(|import| ours(import) == Some(name))
    }

    /// Checks that binary and manifest say the same.
    pub fn agree(&self, manifest: &Manifest) -> Result<(), Disagreement> {
        let id = || manifest.id().to_string();
        let settings = self.imports_ours("settings");
        // Places need no import; to ask which secrets are at hand, one without a key may be imported for.
        let (secrets, keys) = (!manifest.secrets().is_empty(), manifest.secrets().iter().any(|one| one.key.is_some()));
        let secrets = if self.imports_secrets() { secrets } else { keys };
        let mut both = vec![
            (self.imports_http(), !manifest.http().is_empty(), "wasi:http/outgoing-handler".to_owned(), "[[http]]"),
            (self.imports_secrets(), secrets, "cara:plugin/secrets".to_owned(), "[[secret]]"),
            (self.imports_state(), manifest.state().is_some(), "cara:plugin/state".to_owned(), "[state]"),
            (settings, !manifest.setting_keys().is_empty(), "cara:plugin/settings".to_owned(), "[[setting]]"),
            (self.imports_ours("turn"), manifest.provider().is_some(), "cara:plugin/turn".to_owned(), "[provider]"),
        ];
        both.extend(Power::ALL.iter().map(|power| {
            let declared = manifest.powers().iter().any(|declared| declared.name == *power);
            (self.imports_power(*power), declared, format!("cara:plugin/{power}"), "[[power]]")
        }));
        // A channel may have nothing to hand in.
        let inbox = self.imports_ours("inbox");
        both.push((inbox, inbox && manifest.channel().is_some(), "cara:plugin/inbox".to_owned(), "[channel]"));
        for (imported, declared, import, table) in both {
            match (imported, declared) {
                (true, false) => return Err(Disagreement::Undeclared { id: id(), import, table }),
                (false, true) => return Err(Disagreement::Unused { id: id(), import, table }),
                _ => {}
            }
        }
        match Kind::ALL.iter().find(|kind| self.kinds.contains(kind) != manifest.is_a(**kind)) {
            Some(kind) => Err(Disagreement::Kind { id: id(), kind: *kind }),
            None => Ok(()),
        }
    }
}

/// The name of an interface of ours in a version this host speaks.
fn ours(name: &str) -> Option<&str> {
    let (name, version) = name.strip_prefix("cara:plugin/")?.split_once('@')?;
    version.strip_prefix("0.2.").and_then(|patch| patch.parse::<u32>().ok())?;
    Some(name)
}

fn offered(import: &str) -> bool {
    if let Some(name) = ours(import) {
        return served(name);
    }
    let Some((package, rest)) = import.split_once('/') else { return false };
    let Some((interface, version)) = rest.split_once('@') else { return false };
    let version_fits = version.strip_prefix("0.2.").is_some_and(|patch| patch.parse::<u32>().is_ok());
    let package_fits = match package {
        "wasi:http" => matches!(interface, "types" | "outgoing-handler"),
        "wasi:cli" => interface != "command",
        "wasi:io" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" | "wasi:sockets" => true,
        _ => false,
    };
    version_fits && package_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_served_is_offered() {
        for good in [
            "cara:plugin/log@0.2.0",
            "cara:plugin/types@0.2.7",
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:io/streams@0.2.12",
        ] {
            assert!(offered(good), "{good}");
        }
        for bad in [
            "cara:plugin/exec@0.2.0",
            "cara:plugin/sockets@0.2.0",
            "cara:plugin/log@0.1.0",
            "cara:plugin/log@0.3.0",
            "cara:plugin/log",
            "wasi:http/incoming-handler@0.2.3",
            "wasi:http/outgoing-handler@0.3.0",
            "evil:host/everything@0.1.0",
            "log",
        ] {
            assert!(!offered(bad), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        for bytes in [&b""[..], b"hello", b"\0asm\x0d\0\x01\0\x07\xff"] {
            assert!(Interfaces::read(bytes).is_err());
        }
    }
}
