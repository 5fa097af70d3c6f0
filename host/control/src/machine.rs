//! What Linux says of this machine and this process; elsewhere nothing.

use cara_services::files;
use std::path::Path;

/// The most bytes of a file in `/proc` that is read.
const MOST: u64 = 64 << 10;

/// The memory of this machine in bytes.
pub(crate) fn memory() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemTotal:")
}

/// How much memory this process has resident, bytes.
pub(crate) fn resident() -> Option<u64> {
    kibibytes("/proc/self/status", "VmRSS:")
}

fn kibibytes(file: &str, field: &str) -> Option<u64> {
    let told = files::read_capped(Path::new(file), MOST).ok()??;
    let line = std::str::from_utf8(&told).ok()?.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}
