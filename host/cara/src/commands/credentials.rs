//! `cara token`, `device`, `password`: who is let in from other programs,
//! machines and browsers.

use crate::cli::{Allowed, Device, NewToken, Password, Token};
use crate::door::Door;
use crate::output::{Output, Show, columns, show, when};
use crate::text_file;
use anyhow::Result;
use cara_authority::Scope;
use cara_control::devices::{ListDevices, PairDevice, PairingCode, RevokeDevice};
use cara_control::page_password::{RemovePagePassword, SHORTEST, SetPagePassword};
use cara_control::tokens::{CreateToken, CreatedToken, CredentialRow, ListTokens, RevokeToken, Revoked, RotateToken};
use cara_terminal::password;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use tokio::task::spawn_blocking;

/// The largest file of a certificate, bytes.
const LARGEST: u64 = 64 * 1024;

/// What the first code is called until somebody came in with it.
const FIRST: &str = "first browser";

/// What a device may be used for where nothing is said.
const OF_DEVICE: [Scope; 3] = [Scope::Read, Scope::Chat, Scope::Approve];

/// `cara token`.
pub(crate) async fn token(door: &Door, output: Output, token: Token) -> Result<()> {
    match token {
        Token::Create(NewToken { name, scopes, allowed, expires_ms, certificate, tailscale }) => {
            let certificate = certificate.map(|file| text_file::read(&file, LARGEST)).transpose()?;
            let (scopes, agents, Allowed { tokens_per_day, person, .. }) = split(scopes, allowed);
            let create = CreateToken {
                name,
                scopes,
                agents,
                tokens_per_day,
                expires_in_ms: expires_ms,
                person,
                certificate,
                tailnet: tailscale,
            };
            let created = door.call(create).await?;
            output.print(&created, || shown_once(&created))
        }
        Token::List => door.emit(output, ListTokens {}).await.map(drop),
        Token::Rotate { id } => {
            let rotated = door.call(RotateToken { id }).await?;
            output.print(&rotated, || shown_once(&rotated))
        }
        Token::Revoke { id } => taken_back(output, &door.call(RevokeToken { id }).await?),
    }
}

/// `cara device`.
pub(crate) async fn device(door: &Door, output: Output, device: Device) -> Result<()> {
    match device {
        Device::Pair { name, scopes, allowed } => {
            let scopes = if scopes.is_empty() { OF_DEVICE.to_vec() } else { scopes };
            let (scopes, agents, Allowed { tokens_per_day, person, .. }) = split(scopes, allowed);
            let code = door.call(PairDevice { name, scopes, agents, tokens_per_day, person }).await?;
            output.print(&code, || told(&code))
        }
        Device::List => door.emit(output, ListDevices {}).await.map(drop),
        Device::Revoke { id } => taken_back(output, &door.call(RevokeDevice { id }).await?),
    }
}

/// `cara password`.
pub(crate) async fn password(door: &Door, output: Output, password: Password) -> Result<()> {
    match password {
        Password::Set => {
            let asked = spawn_blocking(|| match password::is_asked() {
                true => password::new("New password of the page: ", SHORTEST),
                false => password::secret(""),
            });
            let set = door.call(SetPagePassword { password: asked.await?? }).await?;
            output.done(&set, "the page has a password; who came in with the one before is put out")
        }
        Password::Remove => taken_back(output, &door.call(RemovePagePassword {}).await?),
    }
}

/// Shows whoever starts the daemon the code by which the first browser comes in, where nobody is let in yet. Nobody but a
/// terminal is shown it: what else is written ends in a log.
pub(crate) async fn first(door: &Door, listens: bool) {
    if !listens || !std::io::stdout().is_terminal() {
        return;
    }
    let shown = async {
        let devices = door.call(ListDevices {}).await?;
        let is_first = |row: &CredentialRow| row.kind == "code" && row.name == FIRST;
        if !door.call(ListTokens {}).await?.is_empty() || !devices.iter().all(is_first) {
            return Ok(());
        }
        // One of a start before, which nobody used: it was shown once, and perhaps nobody sees it any more.
        for code in devices {
            door.call(RevokeDevice { id: code.id }).await?;
        }
        let (agents, tokens_per_day, person) = (None, None, None);
        let scopes = Scope::ALL.iter().copied().collect();
        let first = PairDevice { name: FIRST.to_owned(), scopes, agents, tokens_per_day, person };
        told(&door.call(first).await?);
        show::note(
            "`POST /login` takes it (docs/gateway.md)\na program needs a token: `cara token create NAME --scope chat`",
        );
        anyhow::Ok(())
    };
    if let Err(error) = shown.await {
        show::note(&format!("no browser can come in yet: {error}"));
    }
}

fn split(scopes: Vec<Scope>, allowed: Allowed) -> (BTreeSet<Scope>, Option<BTreeSet<String>>, Allowed) {
    let agents: BTreeSet<String> = allowed.agents.iter().cloned().collect();
    (scopes.into_iter().collect(), (!agents.is_empty()).then_some(agents), allowed)
}

/// The token alone goes to stdout, so that it can be piped to where it belongs.
fn shown_once(created: &CreatedToken) {
    let CredentialRow { id, name, .. } = &created.credential;
    match &created.token {
        Some(token) => {
            show::note(&format!("token `{name}` ({id}); it is shown this once:"));
            crate::output::stdio::write(&format!("{token}\n"));
        }
        None => show::note(&format!("`{name}` ({id}) lets in whoever shows it")),
    }
}

fn told(code: &PairingCode) {
    show::note(&format!("until {}, once, this code lets a browser or device in:", when::minute(code.expires_ms)));
    crate::output::stdio::write(&format!("{}\n", code.code));
}

fn taken_back(output: Output, revoked: &Revoked) -> Result<()> {
    let CredentialRow { id, name, .. } = &revoked.credential;
    let more = match revoked.yielded {
        0 => String::new(),
        1 => ", with one that it had let in".to_owned(),
        number => format!(", with {number} that it had let in"),
    };
    output.done(revoked, &format!("took `{name}` ({id}) back{more}"))
}

impl Show for Vec<CredentialRow> {
    fn show(&self) {
        let cells = self.iter().map(|row| {
            let scopes: Vec<&str> = row.scopes.iter().map(|scope| scope.name()).collect();
            let mut may = scopes.join(" ");
            if let Some(agents) = &row.agents {
                may.push_str(&format!(", agents {}", agents.iter().cloned().collect::<Vec<_>>().join(" ")));
            }
            row.tokens_per_day.iter().for_each(|tokens| may.push_str(&format!(", {tokens} tokens a day")));
            let at = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), when::minute);
            let used = row.used_ms.map_or_else(|| "-".to_owned(), |ms| when::minute(ms).chars().take(10).collect());
            let name = format!("{} ({})", columns::cut(&row.name, 20), row.kind);
            vec![row.id.clone(), name, columns::cut(&row.person, 16), columns::cut(&may, 48), at(row.expires_ms), used]
        });
        show::table(&["ID", "NAME", "PERSON", "FOR", "UNTIL", "USED"], &cells.collect::<Vec<_>>());
        if self.is_empty() {
            show::note("there is none; `cara token create` makes a token, `cara device pair` a code");
        }
    }
}
