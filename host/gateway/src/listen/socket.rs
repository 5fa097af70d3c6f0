//! The socket of a home: for processes of the same account, and nobody else.
//!
//! The file has mode 0600 in a folder of mode 0700, and the other side's account is asked of the kernel: whoever is let in
//! could as well read the home's files.

use super::accepting::Refusals;
use super::activity::Activity;
use super::connection::Server;
use super::peer::Peer;
use axum::Router;
use cara_control::{Error, ErrorKind};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(not(unix))]
pub use elsewhere::*;
#[cfg(unix)]
pub use unix::*;

/// How many connections are served at once; others wait until one ends. Far more than the clients of one person, and far
/// fewer than the files that a process may have open.
const MOST: usize = 64;

/// How many requests go on at once.
const REQUESTS: usize = 512;

/// A door that is open.
pub struct Listener {
    path: PathBuf,
    server: Server,
    serving: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Opens the door of a home whose lock this process holds: a socket that is there belongs to a process that died.
    pub fn open(path: PathBuf, router: Router) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            let text = format!(
                "the socket `{}` cannot be opened: {error}\nhint: CARA_HOME has to be in a file system that knows sockets",
                path.display()
            );
            Error::new(ErrorKind::Internal, text)
        };
        let listener = bind(&path).map_err(failed)?;
        let server = Server::new(REQUESTS);
        let until = server.draining.clone();
        let serving = let_in(listener, router, server.clone());
        let serving = tokio::spawn(async move {
            let _closed = until.run_until_cancelled(serving).await;
        });
        Ok(Self { path, server, serving })
    }

    /// Closes the door, and waits until those who are in have their answers.
    pub async fn close(self) {
        self.server.draining.cancel();
        // Nothing can be done where the file cannot be removed: who connects to it is refused.
        let _ = remove(&self.path);
        let _ = self.serving.await;
        self.server.open.close();
        self.server.open.wait().await;
    }
}

/// Serves everybody who connects.
async fn let_in(listener: Bound, router: Router, server: Server) {
    let (free, mut refusals) = (Arc::new(Semaphore::new(MOST)), Refusals::default());
    loop {
        match next(&listener, &free).await {
            Ok((stream, place)) => {
                let (server, router) = (server.clone(), router.clone());
                tokio::spawn(async move {
                    server.serve(stream, Peer::of_account(), router, Activity::new(None)).await;
                    drop(place);
                });
            }
            Err(error) => refusals.pause(&error).await,
        }
    }
}

/// The next connection, once there is a place for it.
async fn next(listener: &Bound, free: &Arc<Semaphore>) -> io::Result<(Stream, OwnedSemaphorePermit)> {
    let place = free.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((accept(listener).await?, place))
}

#[cfg(unix)]
mod unix {
    use super::*;
    use cara_services::files;
    use rustix::fs::{Mode, OFlags, chmod, open, rename};
    use std::os::fd::{AsRawFd, OwnedFd};
    use tokio::net::{UnixListener, UnixStream};

    /// A connection.
    pub type Stream = UnixStream;

    /// What connections come in through.
    pub(super) type Bound = UnixListener;

    /// The longest path of a socket: the least that systems take (macOS), with its end.
    const LONGEST: usize = 103;

    /// A way to the same file that is short enough: through the open folder, where the system has one.
    fn short(path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
        if path.as_os_str().len() <= LONGEST {
            return Ok((path.to_owned(), None));
        }
        let too_long = || io::Error::other("the path of the home is too long for a socket");
        let (folder, name) = (path.parent().ok_or_else(too_long)?, path.file_name().ok_or_else(too_long)?);
        if !cfg!(target_os = "linux") {
            return Err(too_long());
        }
        let folder = open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let number = folder.as_raw_fd();
        Ok((PathBuf::from(format!("/proc/self/fd/{number}")).join(name), Some(folder)))
    }

    pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
        // Nobody finds the socket before it is private: it gets its name last.
        let fresh = path.with_extension("new");
        remove(&fresh)?;
        let (near, _folder) = short(&fresh)?;
        let listener = UnixListener::bind(&near)?;
        chmod(&fresh, Mode::RUSR | Mode::WUSR)?;
        rename(&fresh, path)?;
        Ok(listener)
    }

    pub(super) async fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
        let (stream, _) = listener.accept().await?;
        same_account(&stream)?;
        Ok(stream)
    }

    pub(super) fn remove(path: &Path) -> io::Result<()> {
        files::remove(path).map_err(io::Error::other)
    }

    /// Refuses a process of another account.
    fn same_account(stream: &UnixStream) -> io::Result<()> {
        let (theirs, ours) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
        if theirs == ours {
            return Ok(());
        }
        Err(io::Error::other(format!("the other side is account {theirs}, not {ours}")))
    }

    /// Connects to whoever holds the home, if that is a process of this account.
    pub async fn connect(path: &Path) -> io::Result<UnixStream> {
        let (near, _folder) = short(path)?;
        let stream = UnixStream::connect(&near).await?;
        same_account(&stream)?;
        Ok(stream)
    }

    /// The number of the process that answers at a socket.
    pub async fn holder(path: &Path) -> Option<u32> {
        let pid = connect(path).await.ok()?.peer_cred().ok()?.pid()?;
        u32::try_from(pid).ok()
    }
}

/// Systems without such sockets: nobody comes in, so every command has to hold the home itself. Untested.
#[cfg(not(unix))]
mod elsewhere {
    use std::io;
    use std::path::Path;

    /// A connection, of which there is none.
    pub type Stream = tokio::io::DuplexStream;

    pub(super) type Bound = ();

    pub(super) fn bind(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) async fn accept((): &()) -> io::Result<Stream> {
        std::future::pending().await
    }

    pub(super) fn remove(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Connects to nobody.
    pub async fn connect(_: &Path) -> io::Result<Stream> {
        Err(io::ErrorKind::NotFound.into())
    }

    /// No process answers.
    pub async fn holder(_: &Path) -> Option<u32> {
        None
    }
}
