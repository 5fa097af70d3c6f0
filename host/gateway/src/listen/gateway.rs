//! The listeners of the daemon, as the configuration wants them, while it
//! changes.
//!
//! ```text
//! settings ─→ checked ─→ certificates read, addresses taken ─→ in use; what is not wanted any more drains
//!                └───────────┴─ else all stays as it was, and that is said
//! ```

use super::announced::{Announced, Announcement, machine};
use super::connection::Server;
use super::descriptors;
use super::places::Places;
use super::tcp::{Shared, Tcp, bind};
use super::tls::Tls;
use axum::Router;
use cara_control::reachable::{Reachable, ShownCertificate};
use cara_control::tailscale::Leading;
use cara_control::{Application, Error, ErrorKind, GatewaySettings, TailscaleServe, is_local};
use cara_services::clock::Clock;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often it is looked whether a certificate is another one, or ends.
const LOOK: Duration = Duration::from_secs(5);

/// How long Tailscale may take to hear that it is not to lead here any more, when the process ends.
const GOODBYE: Duration = Duration::from_secs(5);

/// The doors that are open to other machines and programs.
pub struct Gateway {
    stop: CancellationToken,
    following: tokio::task::JoinHandle<()>,
}

/// What was opened, and what it was opened for.
struct Open {
    application: Arc<Application>,
    shared: Shared,
    tls: watch::Sender<Option<Arc<Tls>>>,
    /// By the address that was asked for.
    listeners: BTreeMap<SocketAddr, Tcp>,
    /// Listeners that nobody wants any more, until their last connection ends.
    draining: TaskTracker,
    settings: Arc<GatewaySettings>,
    /// The addresses of the command line, in place of those of the configuration.
    asked: Option<Vec<SocketAddr>>,
    files: Option<usize>,
    /// What Tailscale was asked for.
    leading: Option<Leading>,
    announced: Option<Announced>,
    told: Told,
}

/// What the status says, as it is now.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Reachable>>);

impl Told {
    fn now(&self) -> MutexGuard<'_, Reachable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Opens what the configuration asks for, and follows it from then on; `asked` takes the place of `gateway.listen`.
    ///
    /// # Errors
    ///
    /// An address is not free, others could reach what is not protected, or a certificate cannot be used: nothing is open.
    pub async fn open(
        application: &Arc<Application>,
        router: Router,
        asked: Option<Vec<SocketAddr>>,
    ) -> Result<Self, Error> {
        let mut settings = application.gateway_settings();
        let first = settings.borrow_and_update().clone();
        let files = descriptors::raise();
        let (tls, current) = watch::channel(None);
        let places = Places::new(descriptors::bounds(first.limits, files));
        let server = Server::new(first.limits.requests as usize);
        let shared = Shared { server, router, places: places.clone(), tls: current };
        let mut open = Open {
            application: application.clone(),
            shared,
            tls,
            listeners: BTreeMap::new(),
            draining: TaskTracker::new(),
            settings: Arc::default(),
            asked,
            files,
            leading: None,
            announced: None,
            told: Told::default(),
        };
        open.apply(first).await?;
        let told = open.told.clone();
        application.reached_by(move || Reachable { connections: places.count() as u64, ..told.now().clone() });
        let stop = CancellationToken::new();
        let following = tokio::spawn(open.follow(settings, stop.clone()));
        Ok(Self { stop, following })
    }

    /// Accepts no more connections, and has those that are there end once what they do is done.
    pub fn drain(&self) {
        self.stop.cancel();
    }

    /// Waits until all connections have ended.
    pub async fn close(self) {
        self.drain();
        let _ = self.following.await;
    }
}

impl Open {
    /// Does as the settings say, or nothing.
    async fn apply(&mut self, settings: Arc<GatewaySettings>) -> Result<(), Error> {
        let wanted = self.asked.clone().unwrap_or_else(|| settings.listen.clone());
        let effective = GatewaySettings { listen: wanted.clone(), ..(*settings).clone() };
        // What only this machine reaches opens without a look into the ledger.
        let led = effective.tailscale.serve == TailscaleServe::Funnel;
        let others = led || wanted.iter().any(|address| !is_local(address));
        effective.check_to_open(others && self.application.has_credential().await?)?;
        let tls = self.read_tls(&effective)?;
        let mut fresh = Vec::new();
        for address in wanted.iter().filter(|address| !self.listeners.contains_key(*address)) {
            let listener = bind(*address).map_err(|error| untaken(*address, &error))?;
            fresh.push((*address, listener));
        }
        // From here on nothing fails but what the system took back.
        self.use_tls(tls);
        for (address, listener) in fresh {
            let tcp = Tcp::open(listener, &self.shared).map_err(|error| untaken(address, &error))?;
            tracing::info!(address = %tcp.address, tls = self.tls.borrow().is_some(), "listens");
            self.listeners.insert(address, tcp);
        }
        let unwanted: Vec<SocketAddr> = self.listeners.keys().filter(|old| !wanted.contains(old)).copied().collect();
        for tcp in unwanted.iter().filter_map(|address| self.listeners.remove(address)) {
            tracing::info!(address = %tcp.address, "listens no more");
            tcp.drain();
            self.draining.spawn(tcp.drained());
        }
        self.shared.places.bound(descriptors::bounds(settings.limits, self.files));
        self.shared.server.requests.bound(settings.limits.requests as usize);
        self.settings = Arc::new(effective);
        self.tell();
        Ok(())
    }

    /// The same for what is followed: what was said of the settings of before counts no more.
    async fn reopen(&mut self, settings: Arc<GatewaySettings>) -> Result<(), Error> {
        self.told.now().problems.clear();
        self.apply(settings).await?;
        self.point_here().await;
        Ok(())
    }

    fn read_tls(&self, settings: &GatewaySettings) -> Result<Option<Arc<Tls>>, Error> {
        if settings.listen.is_empty() {
            return Ok(None);
        }
        self.application.reissue_gateway(settings);
        let material = self.application.tls_material(settings)?;
        Ok(material.map(Tls::new).transpose()?.map(Arc::new))
    }

    /// Uses certificates for new connections, and ends those whose clients' ones are not good any more.
    fn use_tls(&self, tls: Option<Arc<Tls>>) {
        if let Some(tls) = tls.as_ref().filter(|tls| tls.material.fresh) {
            let fingerprint = &tls.shown.fingerprint;
            tracing::info!(%fingerprint, "a certificate that signs itself was made");
        }
        self.tls.send_replace(tls.clone());
        if let Some(tls) = tls {
            self.shared.places.end_unless(|chain| tls.takes(chain));
        }
    }

    /// Reads certificates anew, where they could be others.
    fn renew(&self) -> Result<(), Error> {
        let tls = self.read_tls(&self.settings)?;
        self.use_tls(tls);
        self.tell();
        Ok(())
    }

    /// Whether a certificate is another one by now, or is made here and ends soon.
    fn is_old(&self) -> bool {
        let now_ms = Clock::system().now_ms();
        let of_here = |shown: &ShownCertificate| shown.from == "self-signed" && shown.is_ending(now_ms);
        self.tls.borrow().as_ref().is_some_and(|tls| tls.material.is_old() || of_here(&tls.shown))
    }

    fn tell(&self) {
        let listening = self.listeners.values().map(|tcp| tcp.address.to_string()).collect();
        let certificate = self.tls.borrow().as_ref().map(|tls| tls.shown.clone());
        let lacks = self.tls.borrow().as_ref().map(|tls| tls.material.lacks.join("`, `"));
        let lacks = lacks.filter(|lacks| !lacks.is_empty());
        let hint = "hint: `cara tls issue gateway` issues one that is";
        let problems = lacks.map(|lacks| format!("the certificate is not for `{lacks}`\n{hint}")).into_iter().collect();
        let announced = self.announced.is_some();
        let mut told = self.told.now();
        *told = Reachable { listening, certificate, announced, problems, ..told.clone() };
    }

    /// What is said of the listeners elsewhere: in the local network, and to Tailscale. Whoever connects is served without it.
    async fn point_here(&mut self) {
        let done = [self.announce(), self.lead().await];
        done.into_iter().filter_map(Result::err).for_each(|error| self.say(&error));
    }

    fn announce(&mut self) -> Result<(), Error> {
        let addresses: Vec<SocketAddr> = self.listeners.values().map(|tcp| tcp.address).collect();
        let fingerprint = self.tls.borrow().as_ref().map(|tls| tls.shown.fingerprint.clone());
        let said = Announcement::of(self.settings.mdns, &addresses, fingerprint.as_deref(), &machine());
        let wanted = said.as_ref().ok().cloned().flatten();
        if self.announced.as_ref().map(|announced| &announced.said) != wanted.as_ref() {
            // The old one is taken back first: both have one name.
            self.announced = None;
            self.announced = wanted.map(Announced::new).transpose()?;
        }
        self.told.now().announced = self.announced.is_some();
        said.map(drop)
    }

    async fn lead(&mut self) -> Result<(), Error> {
        let addresses = || self.listeners.values().map(|tcp| tcp.address);
        let to = addresses().find(is_local).or_else(|| addresses().next());
        let tls = self.tls.borrow().is_some();
        let wanted = to.map(|to| Leading::of(&self.settings.tailscale, to, tls)).transpose();
        let wanted = wanted.map(Option::flatten);
        if wanted.as_ref().ok() == Some(&self.leading) {
            return Ok(());
        }
        if let Some(before) = self.leading.take() {
            self.told.now().tailscale = None;
            before.end().await?;
        }
        if let Some(leading) = wanted? {
            let address = leading.begin().await?;
            tracing::info!(%address, "tailscale leads here");
            self.told.now().tailscale = Some(address);
            self.leading = Some(leading);
        }
        Ok(())
    }

    /// Says that something could not be done, once.
    fn say(&self, error: &Error) {
        let text = error.to_string();
        {
            let mut told = self.told.now();
            if told.problems.contains(&text) {
                return;
            }
            told.problems.push(text);
        }
        tracing::warn!(%error, "the gateway is not as it is configured");
        self.application.events().note(error.message.clone());
    }

    async fn follow(mut self, mut settings: watch::Receiver<Arc<GatewaySettings>>, stop: CancellationToken) {
        let (mut certificates, mut look) = (self.application.certificates(), interval(LOOK));
        self.point_here().await;
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => break,
                changed = settings.changed() => match changed {
                    Ok(()) => {
                        let now = settings.borrow_and_update().clone();
                        self.reopen(now).await
                    }
                    Err(_) => break,
                },
                // What could not be opened for want of a certificate perhaps can be now.
                Ok(()) = certificates.changed() => {
                    let now = settings.borrow().clone();
                    self.reopen(now).await
                }
                _ = look.tick(), if self.tls.borrow().is_some() => match self.is_old() {
                    true => self.renew(),
                    false => Ok(()),
                },
            };
            if let Err(error) = done {
                self.say(&error);
            }
        }
        self.announced = None;
        let listeners = std::mem::take(&mut self.listeners);
        listeners.values().for_each(Tcp::drain);
        if let Some(leading) = self.leading.take()
            && !matches!(timeout(GOODBYE, leading.end()).await, Ok(Ok(())))
        {
            tracing::warn!("Tailscale still leads here: `tailscale serve reset` ends that");
        }
        for tcp in listeners.into_values() {
            tcp.drained().await;
        }
        self.draining.close();
        self.draining.wait().await;
    }
}

/// Why an address cannot be listened at.
fn untaken(address: SocketAddr, error: &io::Error) -> Error {
    let port = address.port();
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "`ss -ltnp 'sport = :{port}'` says which program has it; or listen elsewhere, as in `cara config set \
             gateway.listen '[\"127.0.0.1:18790\"]'`"
        ),
        io::ErrorKind::PermissionDenied => format!("take a port above 1023 in the place of {port}"),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; `ip address` shows which it has".to_owned()
        }
        _ => "listen at another address: `cara config get gateway.listen` shows which ones are set".to_owned(),
    };
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has the address".to_owned(),
        _ => error.to_string(),
    };
    Error::new(ErrorKind::Conflict, format!("cara cannot listen at `{address}`: {why}\nhint: {cure}"))
}
