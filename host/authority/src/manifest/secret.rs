//! Entries of `[[secret]]`: what a component spends and never reads.
//!
//! A secret is either placed into requests by the host, in exactly the spots its manifest names, or it is a key that
//! signs inside the host. Never both: what stands in a header must not sign what a component chooses.

use super::declared::{Target, variable};
use super::*;
use crate::refusal::{Refusal, Rule};
use http::HeaderName;

/// The most spots of one secret.
const SPOTS: usize = 16;

/// Headers that belong to a connection or to the host, not to a component (RFC 9110 section 7.6.1).
pub const HOST_HEADERS: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One exact spot of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "SpotTable")]
pub enum Spot {
    /// This header: the value with these texts around it.
    Header {
        /// The name of the header.
        name: HeaderName,
        /// What stands before the value.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// This header, as `Basic` (RFC 7617) with the value as password.
    Basic {
        /// The name of the header.
        name: HeaderName,
        /// The user.
        user: String,
    },
    /// The value of this key in the query of the URL.
    Query(String),
    /// The part of the path that is `{}` in this template.
    Path(PathTemplate),
    /// The value of this field in a body of `application/x-www-form-urlencoded`.
    Form {
        /// The field.
        field: String,
        /// The only paths it is for.
        path: Option<PathTemplate>,
    },
    /// The string at this JSON pointer (RFC 6901) in a JSON body.
    Json {
        /// The pointer.
        pointer: String,
        /// The only paths it is for.
        path: Option<PathTemplate>,
    },
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited =
            |path: &Option<PathTemplate>| path.as_ref().map(|path| format!(" of `{path}`")).unwrap_or_default();
        match self {
            Self::Header { name, before, after } => write!(f, "header `{name}: {before}{{}}{after}`"),
            Self::Basic { name, user } => write!(f, "header `{name}`, as the password of user `{user}`"),
            Self::Query(key) => write!(f, "query key `{key}`"),
            Self::Path(path) => write!(f, "path `{path}`"),
            Self::Form { field, path } => write!(f, "form field `{field}`{}", limited(path)),
            Self::Json { pointer, path } => write!(f, "JSON body at `{pointer}`{}", limited(path)),
        }
    }
}

/// A path, segment by segment. A `*` as its last segment stands for one or more of any kind; in a spot, one other
/// segment has `{}` where the value belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate(String);

impl PathTemplate {
    fn read(text: String, with_value: bool) -> Result<Self, String> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "%?#\\\"<>^`|".contains(c) || !c.is_ascii();
        let body = text.strip_suffix("/*").unwrap_or(&text);
        let holes = usize::from(with_value);
        let fits = text.starts_with('/')
            && !text.contains(odd)
            && !body.contains('*')
            && body.matches("{}").count() == holes
            && body.matches(['{', '}']).count() == 2 * holes
            && !body.split('/').any(|segment| segment == "." || segment == "..");
        let like = if with_value { "`/bot{}/*`, with `{}` once" } else { "`/v3/login`" };
        fits.then_some(Self(text.clone())).ok_or_else(|| format!("`{text}` is not a path like {like}"))
    }

    /// The path with `value` in the place of `marker`, when it is this template with the marker in it.
    pub fn filled(&self, path: &str, marker: &str, value: &str) -> Option<String> {
        let own = self.0.replacen("{}", marker, 1);
        let rest = match own.strip_suffix('*') {
            Some(own) => path.strip_prefix(own).filter(|rest| !rest.is_empty())?,
            None => (path == own).then_some("")?,
        };
        let template = self.0.strip_suffix('*').unwrap_or(&self.0);
        Some(template.replacen("{}", value, 1) + rest)
    }

    /// Whether a path is one of these.
    pub fn matches(&self, path: &str) -> bool {
        self.filled(path, "{}", "").is_some()
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 2104), 32 bytes.
    HmacSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// ECDSA on P-256 with SHA-256, signature as r || s (RFC 7518 section 3.4).
    Es256,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// How the key that signs is made from the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// AWS Signature Version 4: by date, region and service of the string to sign; nothing else is signed.
    AwsV4,
}

/// A secret as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// How it signs; all but `hmac-sha256` take a PKCS #8 private key in PEM.
    pub algorithm: Algorithm,
    /// How the key that signs is made, where the secret itself is not it; only for `hmac-sha256`.
    pub chain: Option<Chain>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.algorithm, self.chain) {
            (_, Some(Chain::AwsV4)) => "AWS Signature Version 4",
            (Algorithm::HmacSha256, None) => "HMAC-SHA256 of anything",
            (Algorithm::Rs256, None) => "RS256",
            (Algorithm::Es256, None) => "ES256",
            (Algorithm::Ed25519, None) => "Ed25519",
        })
    }
}

/// An entry of `[[secret]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "SecretTable")]
pub struct Secret {
    /// The secret's name within the component.
    pub name: SecretName,
    /// What it is and where to get one.
    pub label: String,
    /// Environment variables that may hold it, first one set wins.
    pub env: Vec<String>,
    /// Where it may go; of a key, where what it signs may go: every host the component reaches is among these.
    pub audience: Vec<Target>,
    /// The spots it may stand in; none for a key.
    pub places: Vec<Spot>,
    /// How it signs, if it is a key.
    pub key: Option<Key>,
    /// Whether the component works without it.
    pub optional: bool,
}

/// A secret it may spend and never reads: the host puts it into requests (`place`), or signs with it (`key`); one of the
/// two. A key needs the import `secrets`.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretTable {
    /// Its name within the component: 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter. In a declared spot of a
    /// request to the audience, and nowhere else, `cara-secret--NAME` stands for the value.
    name: SecretName,
    /// What it is and where to get one; one line of at most 400 bytes.
    label: String,
    /// Environment variables that may hold it, the first one set wins. Each 1 to 64 of `A-Z`, `0-9` and `_`.
    #[serde(default)]
    env: Vec<String>,
    /// Where its value may go: single hosts as in `http.host`, no patterns, at least one. Of a key, where requests may
    /// carry what it signs: each `http.host` of the component must be among them.
    audience: Vec<String>,
    /// The exact spots of a request it may stand in, at most 16.
    #[serde(default)]
    #[schemars(with = "Vec<SpotTable>")]
    place: Vec<Spot>,
    /// That it is a key, and how it signs.
    key: Option<Key>,
    /// Whether the component works without it: a spot that the host fills then stays as the component left it.
    #[serde(default)]
    optional: bool,
}

/// One spot: `header` (alone, with `format` or with `basic-user`), `query`, `path`, `form` or `json`. A header and a
/// query key that the request leaves out are filled by the host.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SpotTable {
    /// The header of this name.
    header: Option<String>,
    /// What the header says, `{}` once for the value: `Bearer {}`. Without it the value alone.
    format: Option<String>,
    /// The header is `Basic` (RFC 7617), with this user and the value as password.
    basic_user: Option<String>,
    /// The value of this key in the query.
    query: Option<String>,
    /// Part of the path: `/bot{}/*`, where `{}` is the value and a `*` at the end any further segments. Beside `form` and
    /// `json`: the only path whose bodies are filled, `/v3/login`.
    path: Option<String>,
    /// The value of this field of a form, a body of `application/x-www-form-urlencoded` of at most 64 KiB.
    form: Option<String>,
    /// The string at this JSON pointer of a JSON body of at most 64 KiB.
    json: Option<String>,
    /// Of a WebSocket's frame; read, so that its absence can be said.
    #[schemars(skip)]
    frame_json: Option<String>,
}

impl TryFrom<SpotTable> for Spot {
    type Error = String;
    fn try_from(table: SpotTable) -> Result<Self, String> {
        let limit = |path: Option<String>| path.map(|path| PathTemplate::read(path, false)).transpose();
        let named = |text: String, what: &str| match text.len() {
            1..=128 if !text.chars().any(char::is_control) => Ok(text),
            _ => Err(format!("{what} of a spot has 1 to 128 bytes and no control characters")),
        };
        let SpotTable { header, format, basic_user, query, path, form, json, frame_json } = table;
        if frame_json.is_some() {
            return Err("`frame-json` is not offered: this host opens no WebSocket for components".to_owned());
        }
        if header.is_none() && (format.is_some() || basic_user.is_some()) {
            return Err("`format` and `basic-user` go with `header`".to_owned());
        }
        match (header, query, path, form, json) {
            (Some(name), None, None, None, None) => Self::header(&name, format, basic_user),
            (None, Some(key), None, None, None) => named(key, "the query key").map(Self::Query),
            (None, None, Some(path), None, None) => PathTemplate::read(path, true).map(Self::Path),
            (None, None, path, Some(field), None) => {
                Ok(Self::Form { field: named(field, "the form field")?, path: limit(path)? })
            }
            (None, None, path, None, Some(pointer)) if pointer.starts_with('/') => {
                Ok(Self::Json { pointer: named(pointer, "the JSON pointer")?, path: limit(path)? })
            }
            (None, None, _, None, Some(_)) => Err("a JSON pointer begins with `/`: `/password`".to_owned()),
            _ => Err("a spot is one of `header`, `query`, `path`, `form` and `json`".to_owned()),
        }
    }
}

fn visible(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

impl Spot {
    /// A header with a user and the value as password. A user with a colon would be another user (RFC 7617).
    pub fn basic(name: HeaderName, user: String) -> Result<Self, Refusal> {
        if visible(&user) && !user.contains(':') {
            return Ok(Self::Basic { name, user });
        }
        let text = format!("`{}` is not a user: visible ASCII without a colon", crate::display_safe(&user));
        Err(Refusal::new(Rule::Invalid, text))
    }

    fn header(name: &str, format: Option<String>, basic_user: Option<String>) -> Result<Self, String> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| plain);
        let name = parsed.ok_or_else(|| format!("`{}` is not the name of a header", crate::display_safe(name)))?;
        if HOST_HEADERS.contains(&name.as_str()) {
            return Err(format!("the header `{name}` is the host's own"));
        }
        match (format, basic_user) {
            (Some(_), Some(_)) => Err("a header has `format` or `basic-user`, not both".to_owned()),
            (None, Some(user)) => Self::basic(name, user).map_err(|refusal| refusal.to_string()),
            (format, None) => {
                let format = format.unwrap_or_else(|| "{}".to_owned());
                let split = format.split_once("{}").filter(|(_, after)| visible(&format) && !after.contains("{}"));
                let (before, after) = split.ok_or("the `format` of a header has `{}` once: `Bearer {}`")?;
                Ok(Self::Header { name, before: before.to_owned(), after: after.to_owned() })
            }
        }
    }
}

impl TryFrom<SecretTable> for Secret {
    type Error = String;
    fn try_from(table: SecretTable) -> Result<Self, String> {
        let audience = table.audience.iter().map(|host| Target::read(host, None)).collect::<Result<_, _>>()?;
        let SecretTable { name, label, env, place: places, key, optional, .. } = table;
        Ok(Self { name, label, env, audience, places, key, optional })
    }
}

impl Secret {
    pub(super) fn check(&self, urls: &BTreeSet<&SettingKey>, http: &[HttpDeclaration]) -> Result<(), String> {
        let name = &self.name;
        if self.audience.is_empty() {
            return Err(format!("secret `{name}` has no `audience`"));
        }
        match (self.places.len(), self.key) {
            (0, None) => return Err(format!("secret `{name}` has neither `place` nor `key`")),
            (1.., Some(_)) => return Err(format!("secret `{name}` has `place` and `key`: what is sent signs nothing")),
            (places, _) if places > SPOTS => return Err(format!("secret `{name}` has over {SPOTS} spots")),
            (_, Some(Key { algorithm, chain: Some(_) })) if algorithm != Algorithm::HmacSha256 => {
                return Err(format!("secret `{name}`: a `chain` goes with `hmac-sha256`"));
            }
            _ => {}
        }
        let loose = |target: &&Target| matches!(target, Target::Written(pattern) if pattern.origin().is_none());
        if let Some(target) = self.audience.iter().find(loose) {
            return Err(format!("secret `{name}` may not go to `{target}`: an audience is one host"));
        }
        if let Some(env) = self.env.iter().find(|env| !variable(env)) {
            return Err(format!("`{env}` is not an environment variable"));
        }
        // A signature is bytes that the component holds, and may send wherever it may send anything.
        let beyond = |http: &&HttpDeclaration| !self.audience.contains(&http.host);
        if let (Some(_), Some(http)) = (self.key, http.iter().find(beyond)) {
            return Err(format!(
                "what key `{name}` signs could be sent to `{}`, which is not in its `audience`\nhint: name every host of `[[http]]` in the `audience` of a key, or sign in a component that reaches no other",
                http.host
            ));
        }
        self.audience.iter().try_for_each(|target| target.check(urls))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secret(rest: &str) -> Result<Secret, String> {
        let text = format!("name = \"key\"\nlabel = \"l\"\naudience = [\"a.example\"]\n{rest}");
        let secret: Secret = toml::from_str(&text).map_err(|error| error.to_string())?;
        secret.check(&BTreeSet::new(), &[]).map(|()| secret)
    }

    #[test]
    fn every_spot_reads_as_it_is_written() {
        let places = r#"place = [
            { header = "Authorization", format = "Bearer {}" }, { header = "x-key" },
            { header = "authorization", basic-user = "me" }, { query = "key" }, { path = "/bot{}/*" },
            { form = "client_secret" }, { json = "/password", path = "/v3/login" },
        ]"#;
        let shown: Vec<String> = secret(places).unwrap().places.iter().map(Spot::to_string).collect();
        assert_eq!(
            shown,
            [
                "header `authorization: Bearer {}`",
                "header `x-key: {}`",
                "header `authorization`, as the password of user `me`",
                "query key `key`",
                "path `/bot{}/*`",
                "form field `client_secret`",
                "JSON body at `/password` of `/v3/login`",
            ]
        );
    }

    #[test]
    fn a_spot_that_is_not_exact_is_refused() {
        for (bad, said) in [
            (r#"place = [{ header = "*" }]"#, "is not the name of a header"),
            (r#"place = [{ header = "Host" }]"#, "the host's own"),
            (r#"place = [{ header = "x", format = "Bearer" }]"#, "`{}` once"),
            (r#"place = [{ header = "x", format = "{}{}" }]"#, "`{}` once"),
            (r#"place = [{ header = "x", format = "a\r\nb{}" }]"#, "`{}` once"),
            (r#"place = [{ header = "x", format = "{}", basic-user = "u" }]"#, "not both"),
            (r#"place = [{ header = "x", basic-user = "a:b" }]"#, "colon"),
            (r#"place = [{ query = "k", format = "{}" }]"#, "go with `header`"),
            (r#"place = [{ query = "k", header = "x" }]"#, "is one of"),
            (r#"place = [{ query = "k", path = "/{}" }]"#, "is one of"),
            (r#"place = [{ path = "/v1" }]"#, "is not a path"),
            (r#"place = [{ path = "bot{}" }]"#, "is not a path"),
            (r#"place = [{ path = "/*/{}" }]"#, "is not a path"),
            (r#"place = [{ path = "/{}/../x" }]"#, "is not a path"),
            (r#"place = [{ path = "/{}/{}" }]"#, "is not a path"),
            (r#"place = [{ json = "/a", path = "/{}" }]"#, "is not a path"),
            (r#"place = [{ json = "a" }]"#, "begins with `/`"),
            (r#"place = [{ json = "/a", form = "b" }]"#, "is one of"),
            (r#"place = [{ frame-json = "/d/token" }]"#, "opens no WebSocket"),
            (r#"place = [{ body = "x" }]"#, "unknown field `body`"),
            ("place = []", "neither `place` nor `key`"),
            (
                r#"place = [{ header = "x" }]
key = { algorithm = "hmac-sha256" }"#,
                "`place` and `key`",
            ),
            (r#"key = { algorithm = "md5" }"#, "md5"),
            (r#"key = { algorithm = "rs256", chain = "aws-v4" }"#, "goes with `hmac-sha256`"),
        ] {
            let error = secret(bad).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
        assert!(secret(r#"key = { algorithm = "hmac-sha256", chain = "aws-v4" }"#).unwrap().key.is_some());
    }

    #[test]
    fn a_path_is_filled_in_its_segment_and_nowhere_else() {
        let filled = |template: &str, path: &str| {
            PathTemplate::read(template.to_owned(), true).unwrap().filled(path, "MARK", "value")
        };
        assert_eq!(filled("/bot{}/*", "/botMARK/getMe").as_deref(), Some("/botvalue/getMe"));
        assert_eq!(filled("/bot{}/*", "/botMARK/a/MARK").as_deref(), Some("/botvalue/a/MARK"));
        assert_eq!(filled("/x/{}", "/x/MARK").as_deref(), Some("/x/value"));
        for other in ["/MARK/getMe", "/botMARK", "/botMARK/", "/botMARKx/getMe", "/a/botMARK/getMe", "/bot/MARK", "/"] {
            assert_eq!(filled("/bot{}/*", other), None, "{other}");
        }
        assert_eq!(filled("/x/{}", "/x/MARK/y"), None);
    }
}
