//! From a signed file to a component that can be called.

use crate::Counts;
use crate::bare::{Bare, wasm};
use crate::samples::{in_turns, timed};
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, anyhow};
use cara_kernel::{Checked, CompiledCache, Kernel, PoolSize};
use cara_signing::{Bundle, Digest, Package, TrustStore, TrustedKey, verify};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

/// The component that is loaded: one with a network, so with the most imports.
const COMPONENT: &str = "openai";

/// The key of the compiled code, which is in a temporary folder.
const CACHE_KEY: &[u8; 32] = &[7; 32];

/// What a load begins with.
struct Source {
    file: &'static [u8],
    signature: &'static str,
    trust: TrustStore,
    kernel: Kernel,
}

impl Source {
    fn new() -> Result<Self> {
        let embedded = cara_bundle::components().iter().find(|embedded| embedded.id == COMPONENT);
        let embedded = embedded.with_context(|| format!("no component `{COMPONENT}` comes with the program"))?;
        let mut trust = TrustStore::empty();
        let key = cara_bundle::public_key().parse()?;
        trust.add(TrustedKey::new(key, "built-in", vec![COMPONENT.parse()?]))?;
        let kernel = Kernel::new(PoolSize::default()).map_err(wasm)?;
        Ok(Self { file: embedded.wasm, signature: embedded.bundle_json, trust, kernel })
    }

    /// Reads, verifies, checks.
    fn check(&self) -> Result<Arc<Checked>> {
        let package = Package::read(self.file)?;
        let bundle = Bundle::from_json(self.signature)?;
        Ok(Arc::new(Checked::new(verify(package, &bundle, &self.trust, None)?)?))
    }

    /// All of it.
    fn load(&self, cache: &CompiledCache) -> Result<()> {
        self.kernel.load(self.check()?, Some(cache)).map(drop).map_err(|error| anyhow!("{error}"))
    }
}

/// Loads with code compiled before, and without.
pub(crate) fn measure(counts: Counts) -> Result<Vec<Row>> {
    let (source, bare) = (Source::new()?, Bare::new()?);
    let folder = tempfile::tempdir()?;
    let compiled = bare.compile(source.file)?;
    let linker = bare.linker(&compiled)?;
    let code = compiled.serialize().map_err(wasm)?;
    let link = |component| linker.instantiate_pre(&component).map(drop).map_err(wasm);

    let cache = CompiledCache::new(folder.path().join("warm"), CACHE_KEY);
    source.load(&cache)?;
    let warm = in_turns(
        counts.samples,
        || timed(|| source.load(&cache)),
        || timed(|| bare.deserialize(&code).and_then(&link)),
    )?;
    let checked =
        in_turns(counts.samples, || timed(|| source.check()), || timed(|| Ok(black_box(Digest::of(source.file)))))?;
    let fresh = Cell::new(0);
    let cold = in_turns(
        counts.cold,
        || {
            let cache = CompiledCache::new(folder.path().join(fresh.replace(fresh.get() + 1).to_string()), CACHE_KEY);
            timed(|| source.load(&cache))
        },
        || timed(|| bare.compile(source.file).and_then(&link)),
    )?;
    let row = |name: &str, against, (ours, floor)| {
        let name = format!("load: {name} ({} KB)", source.file.len() / 1000);
        Row { name, against, ours, floor, unit: Unit::Time, aim: Aim::None }
    };
    Ok(vec![
        row("signature and checks", "one SHA-256 of the file", checked),
        row("one component, warm", "wasmtime alone: deserialize, link", warm),
        row("one component, cold", "wasmtime alone: compile, link", cold),
    ])
}
