//! Compiled code on disk, authenticated: a wrong MAC means compile again.

use cara_services::clock::Clock;
use cara_services::files;
use cara_services::files::disposable::{self, Keep};
use cara_signing::Digest;
use ring::hmac;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of the MAC (HMAC-SHA256) in front of the code.
const MAC: usize = 32;
/// The largest file read: native code of the largest component there may be.
const LARGEST: u64 = 512 << 20;

/// Code of a component that was removed, or of an earlier program, is not loaded any more, and goes.
const KEEP: Keep = Keep { days: 30, files: 512 };

/// A folder of compiled components under one key. The key lives in a private file of the same home: who can read it
/// could as well replace the program (see docs/decisions).
pub struct CompiledCache {
    folder: PathBuf,
    key: hmac::Key,
}

impl CompiledCache {
    /// A cache in a private folder, under a key of 32 random bytes.
    pub fn new(folder: PathBuf, key: &[u8; 32]) -> Self {
        Self { folder, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    fn file(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder.join(format!("{}-{:016x}.cwasm", digest.to_hex(), hasher.finish()))
    }

    fn context(&self, digest: &Digest) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"cara compiled component 1\0");
        context.update(digest.as_bytes());
        context
    }

    /// Whether code for this component is there; its MAC is checked only when it is loaded.
    pub fn holds(&self, engine: &Engine, digest: &Digest) -> bool {
        files::exists(&self.file(engine, digest)).unwrap_or(false)
    }

    /// The compiled component, if its code is there and authentic.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.file(engine, digest);
        let bytes = files::read_private(&path, LARGEST).ok()??;
        let (mac, code) = bytes.split_at_checked(MAC)?;
        let mut context = self.context(digest);
        context.update(code);
        // `ring` compares tags in constant time only with the whole message at hand; a fresh MAC over both tags hides
        // the position of the first difference just as well.
        let computed = context.sign();
        let blind = |tag: &[u8]| hmac::sign(&self.key, tag);
        if blind(computed.as_ref()).as_ref() != blind(mac).as_ref() {
            tracing::warn!(file = %path.display(), "compiled code failed its check and is compiled again");
            return None;
        }
        // SAFETY: these very bytes were made by `Component::serialize` in `store` of a program that holds the same key:
        // the MAC over them was just verified, and they are in memory, so nobody can change them in between.
        #[allow(unsafe_code, reason = "the one `deserialize` of authenticated code")]
        let component = unsafe { Component::deserialize(engine, code) };
        let component = component.inspect_err(|error| tracing::debug!(%error, "compiled code is of another wasmtime"));
        let component = component.ok()?;
        if let Err(error) = disposable::used(&path, Clock::system().now_ms()) {
            tracing::debug!(%error, "the use of compiled code was not noted");
        }
        Some(component)
    }

    /// Keeps a component's code. A failure costs only time at the next start, so it is logged and forgotten.
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, component: &Component) {
        let kept = component.serialize().map_err(|error| error.to_string()).and_then(|code| {
            let mut context = self.context(digest);
            context.update(&code);
            let mut bytes = Vec::with_capacity(MAC + code.len());
            bytes.extend_from_slice(context.sign().as_ref());
            bytes.extend_from_slice(&code);
            files::ensure_private_dir(&self.folder).map_err(|error| error.to_string())?;
            files::write_private_atomic(&self.file(engine, digest), &bytes).map_err(|error| error.to_string())?;
            disposable::shrink(&self.folder, KEEP, Clock::system().now_ms()).map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "compiled code could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::Kernel;
    use crate::pool::PoolSize;
    use std::time::{Duration, UNIX_EPOCH};

    /// The smallest component there is: a header and nothing else.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        Kernel::new(PoolSize::new(2)).unwrap().shared.engine.clone()
    }

    #[test]
    fn code_that_was_kept_is_loaded_by_who_holds_the_key_for_that_component_only() {
        let (engine, folder) = (engine(), tempfile::tempdir().unwrap());
        let cache = |key: u8| CompiledCache::new(folder.path().join("cache"), &[key; 32]);
        let digest = Digest::of(EMPTY);
        cache(1).store(&engine, &digest, &Component::from_binary(&engine, EMPTY).unwrap());
        assert!(cache(1).holds(&engine, &digest) && cache(1).load(&engine, &digest).is_some());
        assert!(cache(2).load(&engine, &digest).is_none(), "another key");
        let other = Digest::of(b"other");
        std::fs::rename(cache(1).file(&engine, &digest), cache(1).file(&engine, &other)).unwrap();
        assert!(cache(1).load(&engine, &other).is_none(), "another component's code");
    }

    #[test]
    fn code_that_nobody_loads_any_more_is_removed_when_other_code_is_kept() {
        let (engine, folder) = (engine(), tempfile::tempdir().unwrap());
        let folder = folder.path().join("cache");
        let cache = CompiledCache::new(folder.clone(), &[7; 32]);
        let component = Component::from_binary(&engine, EMPTY).unwrap();
        let [removed, installed, new] = [b"removed", b"install", b"the new"].map(|of| Digest::of(of));
        let aged = |digest: &Digest, days: u64| {
            let then = Clock::system().now_ms() - days * 24 * 60 * 60 * 1_000;
            let file = std::fs::File::options().write(true).open(cache.file(&engine, digest)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_millis(then)).unwrap();
        };
        for digest in [&removed, &installed] {
            cache.store(&engine, digest, &component);
            aged(digest, 40);
        }
        assert!(cache.load(&engine, &installed).is_some(), "which is a use");
        let leftover = folder.join(".x.tmp");
        std::fs::write(&leftover, b"of a crash").unwrap();
        std::fs::File::options().write(true).open(&leftover).unwrap().set_modified(UNIX_EPOCH).unwrap();
        cache.store(&engine, &new, &component);
        let left = [&removed, &installed, &new].map(|digest| cache.holds(&engine, digest));
        assert_eq!((left, leftover.exists()), ([false, true, true], false));
    }

    #[test]
    fn code_that_was_changed_or_cut_is_never_loaded() {
        let (engine, folder) = (engine(), tempfile::tempdir().unwrap());
        let cache = CompiledCache::new(folder.path().join("cache"), &[7; 32]);
        let digest = Digest::of(EMPTY);
        cache.store(&engine, &digest, &Component::from_binary(&engine, EMPTY).unwrap());
        let path = cache.file(&engine, &digest);
        let good = std::fs::read(&path).unwrap();
        let step = (good.len() / 97).max(1);
        for at in (0..MAC + 8).chain((MAC..good.len()).step_by(step)) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(cache.load(&engine, &digest).is_none(), "byte {at} flipped");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(cache.load(&engine, &digest).is_none(), "cut at {at}");
        }
        std::fs::write(&path, &good).unwrap();
        assert!(cache.load(&engine, &digest).is_some());
    }
}
