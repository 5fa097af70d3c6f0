//! What has a system start `cara start`: the service file, the commands around
//! it, and carrying them out.
//!
//! It is no operation: a holder of a home has no part in it, and what a service manager is told concerns this account alone.

use crate::error::{Context, Result, error, fail};
use cara_authority::words;
use cara_services::files;
use serde::Serialize;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

words! {
    /// What starts services.
    System {
        /// A user unit of systemd (Linux).
        Systemd = "systemd",
        /// A launch agent (macOS).
        Launchd = "launchd",
        /// A task at logon (Windows).
        Windows = "windows",
    }
}

impl System {
    /// The one of this machine.
    pub fn here() -> Self {
        match std::env::consts::OS {
            "windows" => Self::Windows,
            "macos" => Self::Launchd,
            _ => Self::Systemd,
        }
    }
}

/// Whose service it is, and where things are.
pub struct Account {
    /// This program.
    pub program: PathBuf,
    /// The home.
    pub home: PathBuf,
    /// Where systemd looks for units of this account.
    pub units: PathBuf,
    /// Where launchd looks for agents of this account.
    pub agents: PathBuf,
    /// The account's number.
    pub number: u32,
}

/// A service as a system wants it described.
#[derive(Debug, Serialize)]
pub struct Definition {
    /// The file; none where the system keeps it itself.
    pub path: Option<PathBuf>,
    /// What is in it, or what the system is told.
    pub text: String,
    /// The commands that start it, each in words.
    pub start: Vec<Vec<String>>,
    /// The commands that end it.
    pub end: Vec<Vec<String>>,
    /// The commands once the file is gone.
    pub after: Vec<Vec<String>>,
    /// What a person should know.
    pub remarks: Vec<String>,
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

/// What was done on the way, or is left to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The service file is written.
    Written(PathBuf),
    /// The service file is gone.
    Removed(PathBuf),
    /// A command was run.
    Ran(String),
    /// A command that is for the person to run, and why it was not run here, where it was tried.
    Left {
        /// The command.
        command: String,
        /// Why.
        why: Option<String>,
    },
}

impl Account {
    /// The account that runs this program, with this home.
    ///
    /// # Errors
    ///
    /// The folder of the account is unknown, or a path has characters that would end a line of a service file.
    pub fn here(home: &Path) -> Result<Self> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let user = folder("HOME").or_else(|| folder("USERPROFILE"));
        let user = user.ok_or_else(|| error!(Invalid, "the folder of this account is unknown\nhint: set `HOME`"))?;
        #[cfg(unix)]
        let number = rustix::process::geteuid().as_raw();
        #[cfg(not(unix))]
        let number = 0;
        Self {
            program: std::env::current_exe().context("the path of this program is unknown")?,
            home: home.to_owned(),
            units: folder("XDG_CONFIG_HOME").unwrap_or_else(|| user.join(".config")).join("systemd/user"),
            agents: user.join("Library/LaunchAgents"),
            number,
        }
        .checked()
    }

    /// The same, if each path can stand in a line of a service file.
    fn checked(self) -> Result<Self> {
        for path in [&self.program, &self.home, &self.units, &self.agents] {
            if path.to_str().is_none_or(|text| text.contains(char::is_control)) {
                fail!(
                    Refused,
                    "`{}` has characters that no service file can name\nhint: give it another name; for the home, set \
                     `CARA_HOME` to one of letters, digits and spaces",
                    path.to_string_lossy().escape_debug()
                );
            }
        }
        Ok(self)
    }

    /// The service as this system wants it.
    pub fn definition(&self, system: System) -> Definition {
        match system {
            System::Systemd => self.systemd(),
            System::Launchd => self.launchd(),
            System::Windows => self.windows(),
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

impl Definition {
    /// Writes the service file, and has the system start the service unless nothing shall be started. What the system does
    /// not do is left to the person: commands after one that failed are not tried.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn install(&self, start: bool) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        if let Some(path) = &self.path {
            let folder = path.parent().ok_or_else(|| error!(Internal, "a service file is in a folder"))?;
            std::fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
            files::write_private_atomic(path, self.text.as_bytes())?;
            steps.push(Step::Written(path.clone()));
        }
        for words in &self.start {
            let left = || Step::Left { command: words.join(" "), why: None };
            let goes_on = start && !steps.iter().any(Step::has_failed);
            steps.push(if goes_on { carry_out(words)? } else { left() });
        }
        Ok(steps)
    }

    /// Ends the service, and takes its file away. What the system does not do is left to the person.
    ///
    /// # Errors
    ///
    /// There is no service, or its file cannot be removed.
    pub fn remove(&self) -> Result<Vec<Step>> {
        if let Some(path) = &self.path
            && !files::exists(path)?
        {
            fail!(NotFound, "`{}` does not exist\nhint: `cara service install` writes it", path.display());
        }
        let mut steps: Vec<Step> = self.end.iter().map(|words| carry_out(words)).collect::<Result<_>>()?;
        if let Some(path) = &self.path {
            files::remove(path)?;
            steps.push(Step::Removed(path.clone()));
        }
        for words in &self.after {
            steps.push(carry_out(words)?);
        }
        Ok(steps)
    }
}

impl Step {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Left { why: Some(_), .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(path) => write!(f, "`{}` is written", path.display()),
            Self::Removed(path) => write!(f, "`{}` is removed", path.display()),
            Self::Ran(command) => write!(f, "done: `{command}`"),
            Self::Left { command, why: None } => write!(f, "to be run: `{command}`"),
            Self::Left { command, why: Some(why) } => write!(f, "to be run: `{command}` (here it failed: {why})"),
        }
    }
}

/// Runs a command, whose words about a failure come back as they are.
fn carry_out(words: &[String]) -> Result<Step> {
    let (program, arguments) = words.split_first().ok_or_else(|| error!(Internal, "a command has words"))?;
    let command = words.join(" ");
    let failed = |why: String| Step::Left { command: command.clone(), why: Some(why) };
    match Command::new(program).args(arguments).output() {
        Ok(ended) if ended.status.success() => Ok(Step::Ran(command)),
        Ok(ended) => {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().map(str::trim).find(|line| !line.is_empty());
            Ok(failed(said.map_or_else(|| format!("it ended with {}", ended.status), str::to_owned)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Step::Left { command: command.clone(), why: None }),
        Err(error) => Err(error).with_context(|| format!("`{command}` cannot be run")),
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
        for (name, system) in [("systemd", System::Systemd), ("launchd", System::Launchd), ("windows", System::Windows)]
        {
            insta::assert_snapshot!(name, told(&account().definition(system)));
        }
    }

    #[test]
    fn a_path_cannot_end_a_line_of_a_service_file() {
        for hostile in ["/home/a\nExecStartPre=/bin/evil", "/home/a\rb", "/home/\u{85}"] {
            let error = Account { home: hostile.into(), ..account() }.checked().err().unwrap().to_string();
            assert!(error.contains("no service file can name") && !error.contains('\r'), "{error}");
            let error = Account { program: hostile.into(), ..account() }.checked().err().unwrap();
            assert_eq!(error.message.lines().count(), 1);
        }
        assert!(account().checked().is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn systemd_finds_nothing_wrong_with_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let account = Account { program: "/bin/true".into(), home: folder.path().into(), ..account() };
        let path = folder.path().join("cara.service");
        std::fs::write(&path, account.definition(System::Systemd).text).unwrap();
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
