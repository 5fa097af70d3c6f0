//! How many files the process may have open, and how many connections that
//! allows.

use super::places::Bounds;
use cara_control::GatewayLimits;

/// What is left for all else: the ledger, the log, components, processes of tools.
const OTHERS: usize = 256;

/// Raises the bound on open files as far as the system lets this process do it: connections beside what they cause.
#[cfg(unix)]
pub(crate) fn raise() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// More than this helps nobody, and slows down what goes through all of them.
    const ENOUGH: u64 = 65_536;
    let limits = getrlimit(Resource::Nofile);
    let wanted = limits.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let raised = limits.current.is_some_and(|current| current < wanted)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limits.maximum }).is_ok();
    let current = if raised { Some(wanted) } else { limits.current };
    current.and_then(|current| usize::try_from(current).ok())
}

/// Elsewhere files are not counted so.
#[cfg(not(unix))]
pub(crate) fn raise() -> Option<usize> {
    None
}

/// The bounds on connections, with so many open files; each may cause one to somewhere else.
pub(crate) fn bounds(limits: GatewayLimits, files: Option<usize>) -> Bounds {
    let allowed = files.map_or(usize::MAX, |files| (files.saturating_sub(OTHERS) / 2).max(16));
    let overall = (limits.connections as usize).min(allowed);
    Bounds { overall, each: (limits.connections_per_source as usize).min(overall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        let limits = GatewayLimits::default();
        assert_eq!(bounds(limits, None), Bounds { overall: 4096, each: 2048 });
        assert_eq!(bounds(limits, Some(1024)), Bounds { overall: 384, each: 384 });
        assert_eq!(bounds(limits, Some(64)), Bounds { overall: 16, each: 16 });
    }
}
