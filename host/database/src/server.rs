//! The address of a PostgreSQL, as the operator writes it:
//! checked, and without a password.

use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a change waits for those of other processes.
pub(crate) const BUSY: Duration = Duration::from_secs(10);

/// Having a `Server` tells you: the address is whole, has no password in it, and is encrypted and checked on its way
/// unless it does not leave the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// With user, port and `sslmode`, so that no variable of the environment says otherwise.
    url: Arc<Url>,
    alone: bool,
}

/// Why an address is none of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Not a URL.
    #[error("is not an address\nhint: {EXAMPLE}")]
    Form,
    /// Another kind of database, or none.
    #[error("begins with `{0}:`, which is none of a database that can be used\nhint: {EXAMPLE}")]
    Scheme(String),
    /// Configurations are copied, shown and kept in version control.
    #[error(
        "has a password in it\nhint: leave it out there; put the line `host:port:database:user:password` into `~/.pgpass` (chmod 600), or set PGPASSWORD where cara is started"
    )]
    Password,
    /// A part that would come from the environment, so that nobody knows what counts.
    #[error("names no {0}\nhint: {EXAMPLE}")]
    Missing(&'static str),
    /// A parameter that is not known.
    #[error(
        "has the parameter `{0}`, which is not known\nhint: there are `sslmode`, `sslrootcert` and `host` (the folder of a Unix socket)"
    )]
    Parameter(String),
    /// Anybody on the way could read all and answer instead.
    #[error(
        "reaches another machine with `sslmode={0}`, so that others could read or change what is kept\nhint: use `sslmode=verify-full` (or leave `sslmode` out), with `sslrootcert=/path/to/ca.pem` for an authority of your own"
    )]
    Plain(String),
}

const EXAMPLE: &str = "write it as `postgres://user@host/database`, or `postgres://user@%2Frun%2Fpostgresql/database` for the folder of a Unix socket; leave it out for a file in cara's home";

/// Modes that end without TLS, or go on without it.
const OPEN: [&str; 3] = ["disable", "allow", "prefer"];
/// Modes that end with TLS, the last with whom one meant.
const TLS: [&str; 3] = ["require", "verify-ca", "verify-full"];

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let given = Url::parse(text).map_err(|_| ServerError::Form)?;
        if !["postgres", "postgresql"].contains(&given.scheme()) {
            return Err(ServerError::Scheme(given.scheme().to_owned()));
        }
        if given.password().is_some() || given.query_pairs().any(|(key, _)| key == "password") {
            return Err(ServerError::Password);
        }
        let (mut socket, mut mode, mut root) = (None, None, None);
        for (key, value) in given.query_pairs() {
            match &*key {
                "host" if value.starts_with('/') => socket = Some(value.into_owned()),
                "sslmode" if OPEN.contains(&&*value) || TLS.contains(&&*value) => mode = Some(value.into_owned()),
                "sslrootcert" => root = Some(value.into_owned()),
                _ => return Err(ServerError::Parameter(key.into_owned())),
            }
        }
        let host = given.host_str().filter(|host| !host.is_empty()).map(decoded);
        let socket = socket.or_else(|| host.clone().filter(|host| host.starts_with('/')));
        let host = host.filter(|host| !host.starts_with('/'));
        if host.is_none() && socket.is_none() {
            return Err(ServerError::Missing("host"));
        }
        if given.username().is_empty() {
            return Err(ServerError::Missing("user"));
        }
        if given.path().trim_matches('/').is_empty() {
            return Err(ServerError::Missing("database"));
        }
        let near = socket.is_some() || host.as_deref().is_some_and(is_loopback);
        let mode = mode.unwrap_or_else(|| if near { "prefer" } else { "verify-full" }.to_owned());
        if !near && !TLS.contains(&mode.as_str()) {
            return Err(ServerError::Plain(mode));
        }
        let mut url = given.clone();
        url.set_fragment(None);
        url.set_port(given.port().or(Some(5432))).map_err(|()| ServerError::Form)?;
        url.query_pairs_mut().clear();
        if let Some(socket) = &socket {
            url.query_pairs_mut().append_pair("host", socket);
        }
        url.query_pairs_mut().append_pair("sslmode", &mode);
        if let Some(root) = &root {
            url.query_pairs_mut().append_pair("sslrootcert", root);
        }
        Ok(Self { url: Arc::new(url), alone: true })
    }
}

fn decoded(host: &str) -> String {
    // Only the folder of a socket is written with escapes.
    host.replace("%2F", "/").replace("%2f", "/")
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Server {
    /// The same, to be used by several processes at once. Without this, one process has the database alone and another
    /// one finds it busy.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { alone: false, ..self }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// How to connect. The password, if one is needed, comes from `PGPASSWORD`, `PGPASSFILE` or `~/.pgpass`.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let mut options: PgConnectOptions = self.url.as_str().parse()?;
        if let Some(address) = self.url.host_str().and_then(|host| host.strip_prefix('[')?.strip_suffix(']')) {
            options = options.host(address);
        }
        // Later settings win over those of `PGOPTIONS`.
        let options = options.application_name("cara").options([
            ("synchronous_commit", "on".to_owned()),
            ("lock_timeout", BUSY.as_millis().to_string()),
            // A session of ours that the network cut off ends within a minute.
            ("tcp_keepalives_idle", "30".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
        Ok(options)
    }
}

/// Without parameters: what one recognises the database by.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = Url::clone(&self.url);
        url.set_query(None);
        url.fmt(f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(text: &str) -> PgConnectOptions {
        text.parse::<Server>().unwrap_or_else(|error| panic!("{text}: {error}")).options().unwrap()
    }

    fn mode(text: &str) -> String {
        format!("{:?}", options(text).get_ssl_mode())
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_checked() {
        for near in [
            "postgres://cara@localhost/cara",
            "postgres://cara@127.0.0.1:5433/cara",
            "postgresql://cara@[::1]/cara",
            "postgres://cara@%2Frun%2Fpostgresql/cara",
            "postgres://cara@localhost/cara?host=/run/postgresql",
        ] {
            assert_eq!(mode(near), "Prefer", "{near}");
        }
        for far in
            ["postgres://cara@db.example/cara", "postgres://cara@10.0.0.7/cara", "postgres://cara@[fd00::1]/cara"]
        {
            assert_eq!(mode(far), "VerifyFull");
            for plain in OPEN {
                let refused = format!("{far}?sslmode={plain}").parse::<Server>().unwrap_err();
                assert_eq!(refused, ServerError::Plain(plain.to_owned()));
                assert!(refused.to_string().contains("\nhint: use `sslmode=verify-full`"), "{refused}");
            }
            assert_eq!(mode(&format!("{far}?sslmode=require")), "Require");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused_with_the_cure() {
        for (text, error) in [
            ("ledger.db", ServerError::Form),
            ("mysql://u@h/d", ServerError::Scheme("mysql".into())),
            ("sqlite:/tmp/x", ServerError::Scheme("sqlite".into())),
            ("postgres://u:secret@h/d", ServerError::Password),
            ("postgres://u@h/d?password=secret", ServerError::Password),
            ("postgres://h/d", ServerError::Missing("user")),
            ("postgres://u@h", ServerError::Missing("database")),
            ("postgres:///d", ServerError::Missing("host")),
            ("postgres://u@h/d?options=-c", ServerError::Parameter("options".into())),
            ("postgres://u@h/d?sslmode=none", ServerError::Parameter("sslmode".into())),
            ("postgres://u@h/d?host=other", ServerError::Parameter("host".into())),
        ] {
            let found = text.parse::<Server>().unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(found.to_string().contains("\nhint: ") && !found.to_string().contains("secret"), "{found}");
        }
    }

    #[test]
    fn the_name_of_a_server_is_its_address_without_parameters() {
        let server: Server = "postgres://cara@db.example/main?sslrootcert=/ca.pem".parse().unwrap();
        assert_eq!(server.to_string(), "postgres://cara@db.example:5432/main");
        let socket = options("postgres://cara@%2Frun%2Fpostgresql/main");
        assert_eq!(socket.get_socket().unwrap().to_str(), Some("/run/postgresql"));
        assert_eq!((socket.get_username(), socket.get_database(), socket.get_port()), ("cara", Some("main"), 5432));
        assert_eq!(options("postgres://cara@[fd00::1]:7/main").get_host(), "fd00::1");
    }
}
