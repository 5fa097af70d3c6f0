//! A PostgreSQL for the tests of one program.
//!
//! Debian's, from where it is installed, or had once with `apt-get download` and unpacked below the target folder. It is
//! started by the first test that asks, in a folder of its own, and ends with the program. Each test gets a user and a
//! schema of its own. Where it cannot be had, that is said once, past the test's own output.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use base64::{Engine, engine::general_purpose::STANDARD};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A server that runs.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    /// Holds the pipe that ends the server.
    _child: Child,
}

/// The server of this program; nothing where none can be had.
pub fn server() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    let start =
        || match programs().ok_or("no `postgresql` is installed, or to be had with `apt-get download`".to_owned()) {
            Ok(programs) => Postgres::start(&programs).map_err(|error| format!("it does not start: {error}")),
            Err(error) => Err(error),
        };
    let said = || {
        start().map_err(|why| {
            // Not what a test prints, which nobody sees when it passes.
            let _ = writeln!(std::io::stderr(), "skipped: nothing is tested on PostgreSQL here: {why}");
        })
    };
    SERVER.get_or_init(|| said().ok()).as_ref()
}

/// The folder with `initdb` and `postgres` in it.
fn programs() -> Option<PathBuf> {
    let below = |root: &Path| {
        let versions = fs::read_dir(root.join("usr/lib/postgresql")).ok()?;
        let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
        found
            .retain(|bin| Command::new(bin.join("initdb")).arg("--version").output().is_ok_and(|o| o.status.success()));
        found.sort();
        found.pop()
    };
    below(Path::new("/")).or_else(|| {
        let folder = std::env::current_exe().ok()?.ancestors().nth(3)?.join("tmp/postgresql");
        if !folder.exists() {
            fs::create_dir_all(&folder).ok()?;
            let script = "apt-get download $(apt-cache depends postgresql | sed -n 's/.*Depends: \\(postgresql-[0-9]*\\)/\\1/p') \
                          libpq5 && for file in *.deb; do dpkg -x $file .; done";
            Command::new("sh").args(["-c", script]).current_dir(&folder).output().ok()?;
        }
        below(&folder)
    })
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

/// Who runs the server where the tests are run by root, which PostgreSQL refuses.
const NOBODY: u32 = 65534;

impl Postgres {
    fn start(programs: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cara-pg-").tempdir()?.keep();
        // The system says which port is free, and does not give it to somebody else soon.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(std::io::Error::other)?;
        fs::write(folder.join("server.pem"), pem("CERTIFICATE", key.cert.der()))?;
        fs::write(folder.join("server.key"), pem("PRIVATE KEY", &key.signing_key.serialize_der()))?;
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("start.sh"), "start"]).arg(programs).arg(&folder).arg(port.to_string());
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
            use std::os::unix::process::CommandExt;
            fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600))?;
            if fs::metadata(&folder)?.uid() == 0 {
                for path in [folder.clone(), folder.join("server.key"), folder.join("server.pem")] {
                    chown(path, Some(NOBODY), Some(NOBODY))?;
                }
                command.uid(NOBODY).gid(NOBODY);
            }
        }
        let mut child = command.spawn()?;
        let mut said = BufReader::new(child.stdout.take().expect("it was piped")).lines().map_while(Result::ok);
        let ready = said.any(|line| line == "the server is ready");
        std::thread::spawn(move || said.for_each(drop));
        if !ready {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(std::io::Error::other(format!("see {}: {log}", folder.display())));
        }
        Ok(Self { folder, port, _child: child })
    }

    /// The address of the server over its Unix socket, for a user.
    pub fn url(&self, user: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/postgres", self.port)
    }

    /// The address of the server over TCP.
    pub fn tcp(&self, user: &str, host: &str) -> String {
        format!("postgres://{user}@{host}:{}/postgres", self.port)
    }

    /// The certificate of the server, which is for `localhost` and signed by itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// A connection of the server's owner.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.url("cara")).await.unwrap()
    }

    /// From now on what is committed is on disk, as it is on a server that nobody started for tests.
    pub async fn flushes(&self) {
        let mut owner = self.owner().await;
        for sql in ["ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "SELECT pg_reload_conf()"]
        {
            sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
        }
        owner.close().await.unwrap();
    }

    /// A user that has an empty schema, and nothing else.
    pub fn user(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let user = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let sql = format!(
            "CREATE ROLE {user} LOGIN; CREATE SCHEMA AUTHORIZATION {user}; \
             GRANT SET ON PARAMETER session_replication_role TO {user}"
        );
        let make = async {
            let mut owner = self.owner().await;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
            owner.close().await.unwrap();
        };
        // What they are granted stands in one row.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks may be within a runtime, or without one.
        std::thread::scope(|scope| {
            scope.spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(make));
        });
        user
    }
}

/// What a test says to SQLite behind the ledger's back, as PostgreSQL says it.
pub fn dialect(sql: &str) -> String {
    let sql = sql.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')").replace("rowid", "ctid");
    let sql = sql.replace("PRAGMA foreign_keys = OFF", "SET session_replication_role = replica");
    let sql = sql.replace("PRAGMA foreign_keys = ON", "RESET session_replication_role");
    let mut parts = sql.split(" x'");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_once('\'').expect("a blob has an end");
        said += &format!(" '\\x{hex}'::bytea{rest}");
    }
    said
}
