//! Names that were checked once: of components, secrets, settings and tools.

pub use cara_signing::{BadName, ComponentId};

fn kebab(text: &str) -> bool {
    ComponentId::parse(text).is_ok()
}

fn tool(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn person(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '+')
}

fn variable(text: &str) -> bool {
    let secret =
        |word: &str| word.ends_with("KEY") || word.ends_with("TOKEN") || matches!(word, "KEYS" | "PAT" | "PASS");
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with("CARA_")
        && !["SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL"].iter().any(|part| text.contains(part))
        && !text.split('_').any(secret)
}

/// What most names are made of.
const KEBAB: &str = "use 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter";

/// What variables are made of, and which are none.
const VARIABLE: &str = "use 1 to 64 of `A-Z`, `0-9` and `_`; what is cara's own (`CARA_…`) or reads like a secret (`…_KEY`, \
     `…_TOKEN`, `…SECRET…`, `…PASSWORD…`) is never given in clear: declare a secret as `[[secret]]`";

cara_signing::names! {
    derive(schemars::JsonSchema);

    /// The name of a secret within a component.
    SecretName = "secret name", KEBAB, kebab;

    /// The id of one of several accounts that a component serves, as the operator names it.
    AccountId = "account id", KEBAB, kebab;

    /// The key of a setting within a component.
    SettingKey = "setting key", KEBAB, kebab;

    /// The name of a tool, as models see it.
    ToolName = "tool name", "use 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`", tool;

    /// The id of a session: one conversation of one person.
    SessionId = "session id", "`cara sessions list` shows the ids", kebab;

    /// The id of a run: one message of a person and all that is done to answer it.
    RunId = "run id", "`cara sessions show` shows the runs of a session", kebab;

    /// The id of a request for approval.
    ApprovalId = "approval id", "`cara approvals list` shows the ids", kebab;

    /// The id of a stored rule that approves.
    RuleId = "rule id", "`cara approvals rules` shows the ids", kebab;

    /// The id of a credential.
    CredentialId = "credential id", "`cara token list` and `cara device list` show the ids", kebab;

    /// Who speaks: the immutable id of a person, with where it is known from. Never a display name.
    PersonId = "person id", "use 1 to 200 visible characters, no white space and no `+`", person;

    /// An environment variable whose value a component may be given in clear: none of cara's own, and none whose name
    /// says that it holds a secret.
    VariableName = "variable that a setting may read", VARIABLE, variable;
}

impl PersonId {
    /// The person whose assistant it is: who has the account that holds the home.
    pub fn owner() -> Self {
        Self::parse("local:owner").expect("visible characters")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_short_lower_case_and_plain() {
        for good in ["a", "openai", "a-1", &"x".repeat(63)] {
            assert_eq!(ComponentId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "A", "a_b", "a.b", "a/b", "ä", "a ", &"x".repeat(64), "a\u{202e}b"] {
            assert!(ComponentId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_variable_that_may_hold_a_secret_is_none_that_a_setting_reads() {
        for good in ["OLLAMA_HOST", "OPENAI_BASE_URL", "HTTP_PROXY", "A", "MAX_TOKENS", "HOME"] {
            assert!(VariableName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "A-B",
            "CARA_HOME",
            "CARA_VAULT_PASSWORD",
            "OPENAI_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "APIKEY",
            "SSH_KEYS",
            "GITHUB_TOKEN",
            "TOKEN",
            "CLIENT_SECRET",
            "SECRETS_FILE",
            "PGPASSWORD",
            "PASSWD",
            "DB_PASS",
            "GITHUB_PAT",
            "GPG_PASSPHRASE",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ] {
            assert!(VariableName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refused_name_is_shown_escaped_and_short() {
        let error = ComponentId::parse(&format!("\u{1b}[2J{}", "x".repeat(500))).unwrap_err().to_string();
        assert!(!error.contains('\u{1b}') && error.len() < 400, "{error}");
    }
}
