//! `Identity` and `Issuer`: whom a certificate names, who vouched for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sigstore_verify::SubjectAltName;
use thiserror::Error;

use crate::display_safe::{DisplaySafe, is_shown};
use crate::text::text;

/// Longest identity or issuer, in bytes.
const MAX_BYTES: usize = 512;

/// Where the part of a workflow's identity begins that a `*` may leave open.
const TAGS: &str = "@refs/tags/";

/// One e-mail address (`author@example.com`), one URI, or the tags of one workflow
/// (`https://…/release.yml@refs/tags/*`), as they stand in a certificate.
///
/// A `*` stands only at the end and after `@refs/tags/`: a shorter pattern would
/// also match another repository, another workflow, or a branch anybody can push.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Email(String),
    Uri(String),
    Tags(String),
}

impl Identity {
    /// Whether `subject` is the one, or one of those, this stands for.
    pub(crate) fn matches(&self, subject: &SubjectAltName) -> bool {
        match (&self.0, subject) {
            (Kind::Email(only), SubjectAltName::Email(found)) | (Kind::Uri(only), SubjectAltName::Uri(found)) => {
                only == found
            }
            // The prefix alone is no tag.
            (Kind::Tags(prefix), SubjectAltName::Uri(found)) => {
                found.strip_prefix(prefix.as_str()).is_some_and(|rest| !(rest.is_empty() && prefix.ends_with('/')))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Email(only) | Kind::Uri(only) => f.write_str(only),
            Kind::Tags(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError(DisplaySafe::new(text));
        let exact = text.strip_suffix('*').unwrap_or(text);
        if !is_plain(exact) || exact.contains('*') {
            return Err(refused());
        }
        let uri = exact.split_once("://").is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
        let kind = match (uri, exact.len() < text.len()) {
            (true, false) => Kind::Uri(exact.to_owned()),
            (true, true) => {
                let (workflow, _) = exact.split_once(TAGS).ok_or_else(refused)?;
                let path = workflow.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
                path.filter(|(host, path)| !host.is_empty() && !path.is_empty()).ok_or_else(refused)?;
                Kind::Tags(exact.to_owned())
            }
            (false, false) => {
                let (local, domain) = exact.split_once('@').ok_or_else(refused)?;
                if local.is_empty() || domain.is_empty() || domain.contains(['@', '/', ':']) {
                    return Err(refused());
                }
                Kind::Email(exact.to_owned())
            }
            (false, true) => return Err(refused()),
        };
        Ok(Self(kind))
    }
}

text!(Identity);

crate::names! {
    cfg_attr(feature = "schema", derive(schemars::JsonSchema));

    /// Who told the certificate authority that the identity is right: the URL of an
    /// OpenID Connect issuer, compared letter by letter.
    Issuer = "URL of a sign-in service", "write it from `https://` on, without `*`", |text| {
        is_plain(text) && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.contains('*'))
    };
}

/// Whether it is short and every character of it is shown.
pub(crate) fn is_plain(text: &str) -> bool {
    text.len() <= MAX_BYTES && text.chars().all(|c| is_shown(c) && !c.is_whitespace())
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Text that is not an identity.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an identity\n\
     hint: write an e-mail address, a URI, or a workflow's URI that ends with `@refs/tags/*`"
)]
pub struct IdentityError(DisplaySafe);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WORKFLOW: &str = "https://forge.example/acme/plugin/release.yml";

    #[test]
    fn an_identity_matches_itself_and_nothing_near_it() {
        let email = |text: &str| SubjectAltName::Email(text.to_owned());
        let uri = |text: &str| SubjectAltName::Uri(text.to_owned());
        let tags = format!("{WORKFLOW}@refs/tags/*");
        let cases = [
            ("a@b.example", email("a@b.example"), true),
            ("a@b.example", email("a@b.example.evil"), false),
            ("a@b.example", email("A@b.example"), false),
            ("a@b.example", uri("a@b.example"), false),
            (WORKFLOW, uri(WORKFLOW), true),
            (WORKFLOW, email(WORKFLOW), false),
            (WORKFLOW, uri(&format!("{WORKFLOW}@refs/tags/v1")), false),
            (&tags, uri(&format!("{WORKFLOW}@refs/tags/v1")), true),
            (&tags, uri(&format!("{WORKFLOW}@refs/tags/")), false),
            (&tags, uri(&format!("{WORKFLOW}@refs/heads/main")), false),
            (&tags, uri(&format!("https://evil.example/?{WORKFLOW}@refs/tags/v1")), false),
            (&tags, email(&format!("{WORKFLOW}@refs/tags/v1")), false),
        ];
        for (pattern, subject, expected) in cases {
            let identity: Identity = pattern.parse().unwrap();
            assert_eq!(identity.matches(&subject), expected, "{pattern} {subject}");
            assert_eq!(identity.to_string(), pattern);
        }
        let some: Identity = format!("{WORKFLOW}@refs/tags/v1*").parse().unwrap();
        assert!(some.matches(&uri(&format!("{WORKFLOW}@refs/tags/v1"))));
        assert!(!some.matches(&uri(&format!("{WORKFLOW}@refs/tags/v2"))));
    }

    #[test]
    fn a_star_leaves_open_only_the_tags_of_one_workflow() {
        let long = format!("a@{}", "b".repeat(MAX_BYTES));
        let texts = [
            "",
            "*",
            "*@b.example",
            "a@*",
            "a@b.example*",
            "https://*",
            "https://forge.example/*",
            "https://forge.example/acme/plugin/release.yml*",
            "https://forge.example/acme/plugin/release.yml@*",
            "https://forge.example/acme/plugin/release.yml@refs/heads/*",
            "https://forge.example/acme/*@refs/tags/*",
            "https://forge.example@refs/tags/*",
            "https:///release.yml@refs/tags/*",
            "http://forge.example/acme/release.yml@refs/tags/*",
            "@refs/tags/*",
            "acme",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a\n@b",
            "://a",
            "https://",
            &long,
        ];
        for text in texts {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_is_one_url() {
        assert_eq!("https://sign-in.example/a".parse::<Issuer>().unwrap().as_str(), "https://sign-in.example/a");
        for text in ["", "https://", "http://sign-in.example", "sign-in.example", "https://*.example", "https://a b"] {
            assert!(text.parse::<Issuer>().is_err(), "{text}");
        }
    }
}
