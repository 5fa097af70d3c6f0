//! Has Tailscale lead to the daemon, with its own program, whose command line
//! is documented; the API of its service is not.
//!
//! ```text
//! serve status --json ─→ nothing else is at `/` ─→ serve --bg, or funnel --bg ─→ https://NAME
//! ```

use crate::error::{Context, Result, error, fail};
use crate::gateway_settings::{TailscaleServe, TailscaleSettings};
use crate::operator_program::{self, Ran};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The port of HTTPS, where addresses need none.
const PORT: u16 = 443;

/// Tailscale, leading here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leading {
    program: PathBuf,
    serve: TailscaleServe,
    target: String,
}

/// What `tailscale serve status --json` says, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    web: BTreeMap<String, Web>,
    allow_funnel: BTreeMap<String, bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Web {
    handlers: BTreeMap<String, Handler>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Handler {
    proxy: String,
    path: String,
    text: String,
}

impl Handler {
    fn shown(&self) -> &str {
        [&self.proxy, &self.path, &self.text].into_iter().find(|what| !what.is_empty()).map_or("something", |what| what)
    }
}

impl Status {
    /// What is at `/` of the port, with the name of this machine.
    fn at_root(&self) -> Option<(&str, &Handler)> {
        let suffix = format!(":{PORT}");
        let mut found =
            self.web.iter().filter_map(|(host, web)| Some((host.strip_suffix(&suffix)?, web.handlers.get("/")?)));
        found.next()
    }
}

impl Leading {
    /// What these settings ask for, to this address; nothing where they ask for nothing.
    ///
    /// # Errors
    ///
    /// There is no program to do it with.
    pub fn of(settings: &TailscaleSettings, to: SocketAddr, tls: bool) -> Result<Option<Self>> {
        if settings.serve == TailscaleServe::Off {
            return Ok(None);
        }
        let program = settings.program.clone().or_else(|| operator_program::find("tailscale")).ok_or_else(|| {
            error!(
                NotFound,
                "there is no program `tailscale` on PATH\n\
                 hint: install Tailscale, or `cara config set gateway.tailscale.program PATH`"
            )
        })?;
        let scheme = if tls { "https+insecure" } else { "http" };
        Ok(Some(Self { program, serve: settings.serve, target: format!("{scheme}://{to}") }))
    }

    fn word(&self) -> &'static str {
        if self.serve == TailscaleServe::Funnel { "funnel" } else { "serve" }
    }

    async fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let ran = operator_program::run(&self.program, arguments).await?;
        if !ran.done {
            let (command, why) = (arguments.join(" "), ran.why());
            fail!(
                Unavailable,
                "`tailscale {command}` failed: {why}\nhint: run it by hand; `tailscale status` may say more"
            );
        }
        Ok(ran)
    }

    async fn status(&self) -> Result<Status> {
        let said = self.run(&["serve", "status", "--json"]).await?.stdout;
        if said.trim_ascii().is_empty() {
            return Ok(Status::default());
        }
        serde_json::from_slice(&said).context("`tailscale serve status --json` says something that is not understood")
    }

    /// Has it lead here; the address that others type.
    ///
    /// # Errors
    ///
    /// Something else is there, or the program refuses.
    pub async fn begin(&self) -> Result<String> {
        if let Some((name, other)) = self.status().await?.at_root()
            && other.proxy != self.target
        {
            let shown = other.shown().escape_debug().to_string();
            fail!(
                Conflict,
                "Tailscale leads `https://{name}/` to `{shown}` already\n\
                 hint: `tailscale serve --https={PORT} off` ends that, if it is not needed"
            );
        }
        self.run(&[self.word(), "--bg", "--yes", &format!("--https={PORT}"), &self.target]).await?;
        let status = self.status().await?;
        let Some((name, _)) = status.at_root().filter(|(_, handler)| handler.proxy == self.target) else {
            fail!(Unavailable, "Tailscale does not lead here\nhint: `tailscale serve status` says where it leads");
        };
        let is_public = status.allow_funnel.get(&format!("{name}:{PORT}")).copied().unwrap_or(false);
        if is_public != (self.serve == TailscaleServe::Funnel) {
            let word = self.word();
            fail!(
                Unavailable,
                "Tailscale did not change who is led here\nhint: `tailscale {word} reset`, then try again"
            );
        }
        Ok(format!("https://{name}"))
    }

    /// Ends it, where it still leads here.
    ///
    /// # Errors
    ///
    /// The program refuses.
    pub async fn end(&self) -> Result<()> {
        if self.status().await?.at_root().is_some_and(|(_, handler)| handler.proxy == self.target) {
            self.run(&[self.word(), &format!("--https={PORT}"), "off"]).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// Stands in for the program: keeps what it is told in a file, and answers with it.
    const PLAYED: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
env > environment
case "$*" in
  "serve status --json") cat state 2>/dev/null; exit 0;;
  *off) rm -f state;;
  "serve --bg --yes --https=443 "*) public=false;;
  "funnel --bg --yes --https=443 "*) public=true;;
  *) echo "unknown" >&2; exit 1;;
esac
[ -e refuse ] && { echo "Access denied: serve config denied" >&2; exit 1; }
[ -n "$public" ] && printf '{"TCP":{"443":{"HTTPS":true}},"Web":{"box.tail.ts.net:443":{"Handlers":{"/":{"Proxy":"%s"}}}},"AllowFunnel":{"box.tail.ts.net:443":%s}}' "$5" $public > state
exit 0
"#;

    fn played() -> (tempfile::TempDir, TailscaleSettings) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tailscale");
        fs::write(&program, PLAYED).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        (folder, TailscaleSettings { serve: TailscaleServe::Serve, program: Some(program) })
    }

    fn leading(settings: &TailscaleSettings) -> Leading {
        Leading::of(settings, "127.0.0.1:18789".parse().unwrap(), false).unwrap().unwrap()
    }

    #[tokio::test]
    async fn it_leads_here_until_it_is_told_not_to() {
        let (folder, mut settings) = played();
        let serve = leading(&settings);
        assert_eq!(serve.begin().await.unwrap(), "https://box.tail.ts.net");
        // Once more is as good as once.
        serve.begin().await.unwrap();
        settings.serve = TailscaleServe::Funnel;
        let funnel = leading(&settings);
        assert_eq!(funnel.begin().await.unwrap(), "https://box.tail.ts.net");
        funnel.end().await.unwrap();
        assert!(!folder.path().join("state").exists());
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(calls.contains("funnel --https=443 off") && calls.contains("http://127.0.0.1:18789"), "{calls}");
        settings.serve = TailscaleServe::Off;
        assert_eq!(Leading::of(&settings, "127.0.0.1:1".parse().unwrap(), false).unwrap(), None);
    }

    #[tokio::test]
    async fn the_program_is_told_nothing_of_what_is_in_the_environment() {
        let (folder, settings) = played();
        leading(&settings).begin().await.unwrap();
        // The tests themselves run with more, such as what cargo says.
        assert!(std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("CARGO")));
        let environment = fs::read_to_string(folder.path().join("environment")).unwrap();
        let names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        let known = ["PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(names.contains(&"PATH") && names.iter().all(|name| known.contains(name)), "{names:?}");
    }

    #[tokio::test]
    async fn what_leads_elsewhere_is_left_alone() {
        let (folder, settings) = played();
        let other = r#"{"Web":{"box.tail.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:3000"}}}}}"#;
        fs::write(folder.path().join("state"), other).unwrap();
        let error = leading(&settings).begin().await.unwrap_err();
        assert!(error.message.contains("to `http://127.0.0.1:3000` already") && error.hint.is_some(), "{error}");
        leading(&settings).end().await.unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("state")).unwrap(), other);
    }

    #[tokio::test]
    async fn what_the_program_refuses_is_told_in_its_words() {
        let (folder, settings) = played();
        fs::write(folder.path().join("refuse"), "").unwrap();
        let error = leading(&settings).begin().await.unwrap_err();
        assert!(error.message.contains("Access denied: serve config denied"), "{error}");
        let gone = TailscaleSettings { program: Some("/nowhere/tailscale".into()), ..settings };
        assert!(leading(&gone).begin().await.unwrap_err().message.contains("cannot be started"));
        let relative = TailscaleSettings { program: Some("tailscale".into()), ..gone };
        assert!(leading(&relative).begin().await.unwrap_err().message.contains("no absolute path"));
    }
}
