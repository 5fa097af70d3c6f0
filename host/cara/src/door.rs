//! The way of this process to the application: it holds the home itself, or
//! is a client of the process that does.
//!
//! ```text
//! open ─→ lock free: open the application, serve `cara.sock`, call in process
//!      └→ lock held: call through the socket ─→ lost: the holder ended ─→ open again, and go on
//! ```

use crate::boot::Surroundings;
use crate::error::told;
use crate::output::{self, CallProgress, FnEvent, Output, show};
use crate::passwords;
use anyhow::{Result, anyhow};
use cara_control::environment::{self, Variables};
use cara_control::status::FollowEvents;
use cara_control::{Application, Error, ErrorKind, Event, HomeFiles, HomeLock, Operation, Role, vault};
use cara_gateway::{CallError, Called, Client, Listener, account_router};
use cara_terminal::password::is_asked;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, watch};

/// How long another process may take to begin or to end, before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long others are given to end what they do through this process when it ends.
const QUIET: Duration = Duration::from_millis(400);

/// How often a request is made again whose connection was lost.
const LOSSES: u32 = 200;

/// How often a password is asked for.
const TRIES: usize = 3;

/// The way to the application, which is connected when it is needed.
pub(crate) struct Door {
    surroundings: Surroundings,
    connection: Mutex<Option<Connection>>,
    /// Changes whenever a connection was opened.
    opened: watch::Sender<()>,
}

/// Where the application is.
enum Connection {
    InProcess { application: Arc<Application>, listener: Listener, client: Client },
    Socket(Client),
}

impl Connection {
    fn client(&self) -> &Client {
        match self {
            Self::InProcess { client, .. } | Self::Socket(client) => client,
        }
    }
}

impl Door {
    /// A door that is opened by the first call.
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, connection: Mutex::new(None), opened: watch::Sender::new(()) }
    }

    /// What of the command line concerns all parts.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Takes the home over if nobody holds it, else connects to whoever does.
    async fn open(&self) -> Result<Connection> {
        let socket = self.surroundings.home.socket();
        let mut wait = Duration::from_millis(2);
        let began = tokio::time::Instant::now();
        loop {
            let lock = HomeLock::take(&self.surroundings.home).map_err(told)?;
            // A lock file that somebody removed says nothing of the process that still answers.
            if let Some(lock) = lock
                && cara_gateway::holder(&socket).await.is_none()
            {
                let surroundings = self.surroundings.clone();
                let application = tokio::task::spawn_blocking(move || surroundings.application(lock)).await??;
                let router = account_router(application.clone());
                let listener = Listener::open(socket, router.clone()).map_err(told)?;
                return Ok(Connection::InProcess { application, listener, client: Client::InProcess(router) });
            }
            let client = Client::Socket(socket.clone());
            if let Some(holder) = client.holder().await {
                // A run is better begun where it can stay.
                let stays = holder.is_none_or(|holder| holder.role != Role::Command) || began.elapsed() > QUIET;
                if stays || self.surroundings.role != Role::Chat {
                    return Ok(Connection::Socket(client));
                }
            }
            if began.elapsed() > PATIENCE {
                return Err(anyhow!(
                    "another process holds the home `{0}` and does not answer at `{1}`\nhint: end that process; \
                     `fuser {0} {2}` says which it is",
                    self.surroundings.home.path().display(),
                    socket.display(),
                    self.surroundings.home.holder_lock().display()
                ));
            }
            // It begins, or it ends: both take a moment.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(100));
        }
    }

    /// The process that holds the home, if that is another one.
    pub(crate) async fn holder(&self) -> Option<u32> {
        cara_gateway::holder(&self.surroundings.home.socket()).await
    }

    /// Whether nobody holds the home but, from now on, this process: the application, when it is so.
    pub(crate) async fn hold(&self) -> Result<Option<Arc<Application>>> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = Some(self.open().await?);
            self.opened.send_replace(());
        }
        Ok(match &*connection {
            Some(Connection::InProcess { application, .. }) => Some(application.clone()),
            _ => None,
        })
    }

    /// A client, opened if need be.
    async fn client(&self) -> Result<Client> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            *connection = Some(self.open().await?);
            self.opened.send_replace(());
        }
        connection.as_ref().map(Connection::client).cloned().ok_or_else(|| anyhow!("the door is closed"))
    }

    /// Does a use case, showing its notes and progress.
    pub(crate) async fn call<O: Operation>(&self, operation: O) -> Result<O::View> {
        Ok(self.called(&operation, &mut CallProgress::default()).await?.view)
    }

    /// The same, and prints what it gives back.
    pub(crate) async fn emit<O: Operation>(&self, output: Output, operation: O) -> Result<O::View>
    where
        O::View: output::Show,
    {
        let view = self.call(operation).await?;
        output.emit(&view)?;
        Ok(view)
    }

    /// Does a use case, telling its events. Asks for the vault's password where that is needed, and goes on with whoever
    /// holds the home next when the holder ends.
    pub(crate) async fn called<O: Operation>(
        &self,
        operation: &O,
        listening: &mut (impl FnEvent + Send),
    ) -> Result<Called<O::View>> {
        let (mut asked, mut losses) = (0, 0);
        loop {
            let client = self.client().await?;
            let begun = match client.call(operation, &mut |event| listening.event(event)).await {
                Ok(called) => return Ok(called),
                Err(CallError::Failed(error)) if needs_password(&error) && asked < TRIES => {
                    listening.pause();
                    asked += 1;
                    if self.unlock(&client, &error, asked).await? {
                        continue;
                    }
                    return Err(told(error));
                }
                // It failed because its process was ending: the next one does it.
                Err(CallError::Failed(error)) if error.kind == ErrorKind::Unknown && O::ROUTE.repeatable => true,
                Err(CallError::Failed(error)) => return Err(told(error)),
                Err(CallError::Lost { why, begun }) => {
                    tracing::debug!(why, "the holder of the home is gone");
                    begun
                }
            };
            *self.connection.lock().await = None;
            if begun && !O::ROUTE.repeatable {
                return Err(anyhow!(
                    "the process that held the home ended before it answered, and nobody knows whether it did this\n\
                     hint: look whether it was done before doing it again"
                ));
            }
            losses += 1;
            if losses > LOSSES {
                return Err(anyhow!("the connection was lost again and again\nhint: `cara status` says who answers"));
            }
            tokio::time::sleep(Duration::from_millis(1 << losses.min(7))).await;
            if begun {
                listening.taken_over();
            }
        }
    }

    /// Gives the vault's password, from the surroundings of this process or its terminal; false where nobody gives one.
    async fn unlock(&self, client: &Client, error: &Error, tries: usize) -> Result<bool> {
        let new = error.kind == ErrorKind::VaultMissing;
        if error.kind == ErrorKind::WrongPassword {
            show::note(&error.message);
        }
        let folder = self.surroundings.home.vault_dir();
        let given = tokio::task::spawn_blocking(move || passwords::vault_password(new, &folder, tries > 1)).await?;
        let Some(password) = given? else { return Ok(false) };
        let unlocked = match new {
            true => client.call(&vault::MakeVault { password }, &mut |_| {}).await,
            false => client.call(&vault::UnlockVault { password }, &mut |_| {}).await,
        };
        match unlocked {
            // Somebody else made it meanwhile; whether it is open, the next try says.
            Err(CallError::Failed(error)) if new && error.kind == ErrorKind::Conflict => Ok(true),
            // The next try says so again.
            Ok(_) | Err(CallError::Lost { .. }) => Ok(true),
            Err(CallError::Failed(error)) if error.kind == ErrorKind::WrongPassword && tries < TRIES && is_asked() => {
                Box::pin(self.unlock(client, &error, tries + 1)).await
            }
            Err(CallError::Failed(error)) => Err(told(error)),
        }
    }

    /// Opens the vault, where somebody can be asked for its password; a conversation can do without it.
    pub(crate) async fn open_vault(&self) -> Result<()> {
        let client = self.client().await?;
        self.unlock(&client, &Error::new(ErrorKind::VaultLocked, ""), 1).await.map(drop)
    }

    /// The values of the environment variables that components name: they go along with a request, and count for nothing else.
    pub(crate) async fn environment(&self) -> Result<Variables> {
        let wanted = self.call(environment::ListEnvironmentVariables {}).await?;
        Ok(Variables(
            wanted.into_iter().filter_map(|name| std::env::var(&name).ok().map(|value| (name, value))).collect(),
        ))
    }

    /// Tells what concerns the home as a whole, as the process says that holds it. When that ends, this one hears nothing
    /// until it needs the next: who only listens does not take a home over.
    pub(crate) async fn follow_home(&self, heard: UnboundedSender<Event>) {
        let mut opened = self.opened.subscribe();
        loop {
            let client = self.connection.lock().await.as_ref().map(Connection::client).cloned();
            if let Some(client) = client {
                // Nobody reads any more when this fails, and then nobody waits for this either.
                let followed = client.call(&FollowEvents {}, &mut |event| drop(heard.send(event))).await;
                if let Err(error) = followed {
                    tracing::debug!(%error, "nothing is heard of the home");
                }
            }
            // The sender is held here.
            let _ = opened.changed().await;
        }
    }

    /// Ends this process's part. Where it holds the home, the others go on in the process that holds it next.
    pub(crate) async fn close(&self) {
        let Some(Connection::InProcess { application, listener, .. }) = self.connection.lock().await.take() else {
            return;
        };
        application.events().end();
        // What others began here ends here if it is short; else they go on in the next process.
        if tokio::time::timeout(QUIET, listener.close()).await.is_err() {
            tracing::debug!("others go on in another process");
        }
        application.close().await;
    }
}

fn needs_password(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::VaultLocked | ErrorKind::VaultMissing | ErrorKind::WrongPassword)
}
