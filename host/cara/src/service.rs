//! What has a system start `cara start`: the text of the service file, and
//! the commands around it.
//!
//! Nothing is written or run here.

use crate::cli::ServiceSystem;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Whose service it is, and where things are.
pub(crate) struct Account {
    /// This program.
    pub(crate) program: PathBuf,
    /// The home.
    pub(crate) home: PathBuf,
    /// Where systemd looks for units of this account.
    pub(crate) units: PathBuf,
    /// Where launchd looks for agents of this account.
    pub(crate) agents: PathBuf,
    /// The account's number.
    pub(crate) number: u32,
}

/// A service as a system wants it described.
#[derive(Debug, Serialize)]
pub(crate) struct Definition {
    /// The file; none where the system keeps it itself.
    pub(crate) path: Option<PathBuf>,
    /// What is in it, or what the system is told.
    pub(crate) text: String,
    /// The commands that start it, each in words.
    pub(crate) start: Vec<Vec<String>>,
    /// The commands that end it.
    pub(crate) end: Vec<Vec<String>>,
    /// The commands once the file is gone.
    pub(crate) after: Vec<Vec<String>>,
    /// What a person should know.
    pub(crate) remarks: Vec<String>,
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

impl Account {
    /// The service as this system wants it.
    pub(crate) fn definition(&self, system: ServiceSystem) -> Definition {
        match system {
            ServiceSystem::Systemd => self.systemd(),
            ServiceSystem::Launchd => self.launchd(),
            ServiceSystem::Windows => self.windows(),
        }
    }

    fn systemd(&self) -> Definition {
        let reload = words(&["systemctl", "--user", "daemon-reload"]);
        let variable = format!("CARA_HOME={}", self.home.display());
        let text = UNIT
            .replace("{program}", &unit_word(&self.program, true))
            .replace("{variable}", &unit_word(Path::new(&variable), false))
            .replace("{home}", &unit_word(&self.home, false));
        Definition {
            path: Some(self.units.join("cara.service")),
            text,
            start: vec![reload.clone(), words(&["systemctl", "--user", "enable", "--now", "cara.service"])],
            end: vec![words(&["systemctl", "--user", "disable", "--now", "cara.service"])],
            after: vec![reload],
            remarks: vec![
                "it ends when you log out, unless `loginctl enable-linger` was run; with a vault that has a password, set \
                 `vault.password-file`"
                    .to_owned(),
            ],
        }
    }

    fn launchd(&self) -> Definition {
        let path = self.agents.join("cara.plist");
        let text = PLIST.replace("{program}", &xml(&self.program)).replace("{home}", &xml(&self.home));
        let domain = format!("gui/{}", self.number);
        Definition {
            start: vec![words(&["launchctl", "bootstrap", &domain, &path.display().to_string()])],
            end: vec![words(&["launchctl", "bootout", &format!("{domain}/cara")])],
            after: Vec::new(),
            remarks: Vec::new(),
            path: Some(path),
            text,
        }
    }

    /// A task at logon. A service of the service control manager has to speak its protocol, runs as another account unless
    /// its password is stored, and then reaches no Credential Manager of the person.
    fn windows(&self) -> Definition {
        let run = format!("\"{}\" start", self.program.display());
        let create = ["schtasks", "/Create", "/F", "/TN", "cara", "/SC", "ONLOGON", "/RL", "LIMITED", "/TR", &run];
        let start = vec![
            words(&["setx", "CARA_HOME", &self.home.display().to_string()]),
            words(&create),
            words(&["schtasks", "/Run", "/TN", "cara"]),
        ];
        Definition {
            path: None,
            text: start.iter().map(|words| format!("{}\n", shell(words))).collect(),
            start,
            end: vec![
                words(&["schtasks", "/End", "/TN", "cara"]),
                words(&["schtasks", "/Delete", "/F", "/TN", "cara"]),
            ],
            after: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

/// The words of a command as Windows takes them.
fn shell(words: &[String]) -> String {
    let quoted = |word: &String| match word.contains([' ', '"']) {
        true => format!("\"{}\"", word.replace('"', "\\\"")),
        false => word.clone(),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word of a unit, quoted; `$` is only read in a command line (systemd.service(5), systemd.unit(5)).
fn unit_word(text: &Path, command: bool) -> String {
    let text = text.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let text = if command { text.replace('$', "$$") } else { text };
    format!("\"{text}\"")
}

fn xml(text: &Path) -> String {
    text.display().to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What systemd starts, and what it may then do.
const UNIT: &str = "\
# Written by `cara service install`; `cara service remove` takes it away.
[Unit]
Description=cara, a personal AI assistant
# Another `cara` may hold the home for a while: the service waits for its end.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} start
Environment={variable}
Restart=on-failure
RestartSec=5
# Runs that go on get 30 seconds to end; those that are left are resumed.
TimeoutStopSec=45
UMask=0077

# It writes to its home and nowhere else.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={home}
PrivateTmp=yes
PrivateUsers=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes

# It gets no rights that it does not begin with.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
# Netlink is how the system's resolver sees network interfaces.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute is not set: components are compiled to machine code in
# memory, which is made executable once it is written and never writable again.

[Install]
WantedBy=default.target
";

/// What launchd starts.
const PLIST: &str = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>cara</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>start</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>CARA_HOME</key>
    <string>{home}</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>45</integer>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account() -> Account {
        Account {
            program: "/opt/my tools/cara".into(),
            home: "/home/ada/100%/cara & co".into(),
            units: "/home/ada/.config/systemd/user".into(),
            agents: "/Users/ada/Library/LaunchAgents".into(),
            number: 501,
        }
    }

    fn told(definition: &Definition) -> String {
        let path = definition.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let commands = |name: &str, all: &[Vec<String>]| {
            all.iter().map(|words| format!("{name}: {}\n", shell(words))).collect::<String>()
        };
        let (start, end, after) = (
            commands("start", &definition.start),
            commands("end", &definition.end),
            commands("after", &definition.after),
        );
        format!("{path}\n{}\n{start}{end}{after}", definition.text)
    }

    #[test]
    fn each_system_is_told_what_it_is_meant_to() {
        for (name, system) in [
            ("systemd", ServiceSystem::Systemd),
            ("launchd", ServiceSystem::Launchd),
            ("windows", ServiceSystem::Windows),
        ] {
            insta::assert_snapshot!(name, told(&account().definition(system)));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn systemd_finds_nothing_wrong_with_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let account = Account { program: "/bin/true".into(), home: folder.path().into(), ..account() };
        let path = folder.path().join("cara.service");
        std::fs::write(&path, account.definition(ServiceSystem::Systemd).text).unwrap();
        let mut verify = std::process::Command::new("systemd-analyze");
        verify.args(["--user", "verify", "--man=no"]).arg(&path).env("XDG_RUNTIME_DIR", folder.path());
        let Ok(told) = verify.output() else {
            println!("skipped: `systemd-analyze` is not on the path");
            return;
        };
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.success() && !text.contains("cara.service"), "{text}");
    }
}
