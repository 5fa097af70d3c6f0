//! `cara tls`: certificates of the daemon and of its clients.

use crate::cli::Tls;
use crate::door::Door;
use crate::output::{Output, Show, layout, show, when};
use anyhow::Result;
use cara_control::tls::{
    IssueCertificate, IssuedCertificate, ListCertificates, MakeAuthority, RevokeCertificate, ShowTls, TlsState,
};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, tls: Tls) -> Result<()> {
    match tls {
        Tls::Show => door.emit(output, ShowTls {}).await.map(drop),
        Tls::InitCa { name } => {
            let made = door.call(MakeAuthority { name }).await?;
            let (file, fingerprint) = (&made.certificate, &made.fingerprint);
            let words = format!(
                "`{file}` is the certificate of the authority (SHA-256 {fingerprint}), which clients are given to trust; \
                 `cara config set gateway.tls.mode ca` has the daemon show one of its own"
            );
            output.done(&made, &words)
        }
        Tls::Issue { name, client, days, names } => {
            let issued = door.call(IssueCertificate { name, client, days, names }).await?;
            let (certificate, key, until) = (&issued.certificate, &issued.key, when::minute(issued.expires_ms));
            output.done(&issued, &format!("`{certificate}` lasts until {until}; its key is `{key}`, for nobody else"))
        }
        Tls::Revoke { certificate } => {
            let revoked = door.call(RevokeCertificate { certificate }).await?;
            let serials: Vec<&str> = revoked.iter().map(|one| one.serial.as_str()).collect();
            output.done(&revoked, &format!("revoked {}; connections opened with it end", serials.join(", ")))
        }
        Tls::List => door.emit(output, ListCertificates {}).await.map(drop),
    }
}

impl Show for TlsState {
    fn show(&self) {
        layout::field(0, "mode", &self.mode);
        if let Some(shown) = &self.shown {
            layout::field(
                0,
                "shows",
                &format!("SHA-256 {}, until {}", shown.fingerprint, when::minute(shown.expires_ms)),
            );
        }
        let Some(authority) = &self.authority else {
            return show::note("this home has no certificate authority; `cara tls init-ca` makes it");
        };
        let (name, until) = (&authority.name, when::minute(authority.expires_ms));
        layout::field(0, "authority", &format!("`{name}`, SHA-256 {}, until {until}", authority.fingerprint));
        layout::field(0, "file", &authority.certificate);
    }
}

impl Show for Vec<IssuedCertificate> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no certificate was issued");
        }
        let rows = self.iter().map(|one| {
            let kind = if one.client { "client" } else { "server" };
            let revoked = one.revoked_ms.map(|at| format!("revoked {}", when::minute(at)));
            let until = revoked.unwrap_or_else(|| when::minute(one.expires_ms));
            vec![one.name.clone(), kind.to_owned(), one.serial.clone(), until]
        });
        show::table(&["NAME", "KIND", "SERIAL", "UNTIL"], &rows.collect::<Vec<_>>());
    }
}
