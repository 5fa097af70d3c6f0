//! Who holds a home, looked at from outside while processes come and go:
//! never two at once.
//!
//! Three things are looked at: who has the lock, who answers at the socket and what it is to others (`/control/v1/ready`), and who
//! has the ledger open.

use super::doors::Holder;
use super::home::{Home, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// The time between two looks: these tests share the machine with what they look at.
const BETWEEN: Duration = Duration::from_millis(3);

/// The process that has the lock of a home, as the kernel says.
fn locked_by(home: &Home) -> Option<u32> {
    let inode = fs::metadata(home.path("cara.holder")).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut of_file = fields
        .filter(|fields| fields[1] == "FLOCK" && fields[5].rsplit(':').next() == Some(inode.to_string().as_str()))
        .map(|fields| fields[4].parse().unwrap());
    // The list is read in pieces: who let go and who took it meanwhile may both be in it.
    of_file.next_back()
}

/// The process that answers at the socket of a home, and what it is to others.
fn answered_by(home: &Home) -> Option<(u32, String)> {
    let mut stream = UnixStream::connect(home.path("cara.sock")).ok()?;
    let other = rustix::net::sockopt::socket_peercred(&stream).ok()?.pid.as_raw_pid();
    // It may be killed at any moment.
    stream.write_all(b"GET /control/v1/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = text(&answer);
    let ready: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    Some((other.try_into().unwrap(), ready["role"].as_str().unwrap().to_owned()))
}

/// The processes that have a file open.
fn having_open(file: &Path) -> BTreeSet<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == file)
    };
    pids.filter(has).collect()
}

/// Processes that had the ledger of a home open at one moment.
fn at_the_ledger(home: &Home) -> BTreeSet<u32> {
    let ledger = fs::canonicalize(home.path("")).unwrap().join("ledger.db");
    let before = having_open(&ledger);
    if before.len() < 2 {
        return before;
    }
    // One may have ended before the next began. Who is there before and after was there in between.
    having_open(&ledger).intersection(&before).copied().collect()
}

/// Who held homes, by process, and what each was to others.
#[derive(Default)]
pub(crate) struct Holders(pub(crate) BTreeSet<(u32, String)>);

impl Holders {
    fn look(&mut self, home: &Home) {
        let before = locked_by(home);
        let answered = answered_by(home);
        let after = locked_by(home);
        if let Some((pid, role)) = answered {
            // Who had the lock before and after had it in between.
            let another = before.filter(|locked| before == after && *locked != pid);
            assert_eq!(another, None, "{pid} answers ({role}), and another process has the lock");
            self.0.insert((pid, role));
        }
        let open = at_the_ledger(home);
        assert!(open.len() < 2, "two processes hold the home at once: {open:?}");
    }

    /// Looks until nobody needs it any more.
    pub(crate) fn of(homes: &[Home], until: &Receiver<()>) -> Self {
        let mut holders = Self::default();
        while until.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
            homes.iter().for_each(|home| holders.look(home));
        }
        holders
    }

    /// How many held a home in this role.
    pub(crate) fn in_role(&self, role: &str) -> usize {
        self.0.iter().filter(|(_, held)| held == role).count()
    }
}

#[test]
fn a_second_process_at_a_home_is_seen() {
    let home = Home::new();
    let holder = Holder::of(&home);
    home.ok(&["status"]);
    let mut holders = Holders::default();
    holders.look(&home);
    let pid = holder.0.id();
    assert_eq!(holders.0, BTreeSet::from([(pid, "daemon".to_owned())]));
    assert_eq!((locked_by(&home), at_the_ledger(&home)), (Some(pid), BTreeSet::from([pid])));
    let is_seen = || catch_unwind(|| Holders::default().look(&home)).is_err();
    assert!(!is_seen());
    let second = fs::File::open(home.path("ledger.db")).unwrap();
    assert!(is_seen(), "two have the ledger open");
    drop(second);
    fs::remove_file(home.path("cara.holder")).unwrap();
    let lock = fs::File::create(home.path("cara.holder")).unwrap();
    lock.lock().unwrap();
    assert!(is_seen(), "one answers, and another has the lock");
}
