//! From a core module to a component with its manifest, checked.

use crate::arguments::ArgumentsError;
use cara_authority::interfaces::{Disagreement, InterfacesError};
use cara_authority::manifest::ManifestError;
use cara_authority::{Interfaces, Manifest};
use cara_signing::PackageError;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Why a module does not become a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// The module is not WebAssembly.
    #[error("the compiled module is not WebAssembly\nhint: remove the target folder and build again")]
    Module(#[source] wasmparser::BinaryReaderError),
    /// The module does not fit a world.
    #[error(
        "the compiled module fits no world: {0:#}\nhint: export a world with `cara_sdk::export_provider!` or `export_tool!`"
    )]
    World(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The arguments of its tools are not those of the manifest.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest cannot be put into the component.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component imports or exports what no host offers.
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    /// Component and manifest say different things.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
}

/// Whether a component that the host will refuse may be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// A value is required.
    Required,
    /// It may: it is made to be refused.
    Unchecked,
}

/// The component, with `manifest` inside it word for word.
pub(crate) fn make(module: &[u8], manifest: &str, agreement: Agreement) -> Result<Vec<u8>, ComponentError> {
    let module = stripped(module).map_err(ComponentError::Module)?;
    let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(|mut encoder| encoder.encode());
    let component = encoded.map_err(|error| ComponentError::World(error.into()))?;
    if agreement == Agreement::Required {
        Interfaces::read(&component)?.agree(&Manifest::parse(manifest)?)?;
    }
    Ok(cara_sdk_sign::embed(&component, manifest)?)
}

/// The module without the custom sections that nobody reads: names of functions and debug information may hold paths,
/// and are a fifth of the size. What describes the world and names the tools stays.
fn stripped(module: &[u8]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut kept = Vec::with_capacity(module.len());
    let mut copied = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let Some((_, range)) = payload.as_section() else { continue };
        let end = range.end;
        if let Payload::CustomSection(section) = &payload
            && !section.name().starts_with("component-type")
            && section.name() != "producers"
        {
            copied = end;
            continue;
        }
        // From the end of the last section: the header before `range` belongs to this one.
        kept.extend_from_slice(&module[copied..end]);
        copied = end;
    }
    Ok(kept)
}
