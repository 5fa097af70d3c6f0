//! Entries of a manifest: where it connects, what it spends and offers.

use super::*;
use crate::power::Power;

/// Where a host comes from: written out, or the origin of a URL setting (`{setting:base-url}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// These hosts, over `https`, on this port.
    Written(OriginPattern),
    /// The one origin of this setting's URL.
    Setting(SettingKey),
}

impl Target {
    pub(super) fn read(host: &str, port: Option<u16>) -> Result<Self, String> {
        if let Some(key) = host.strip_prefix("{setting:").and_then(|rest| rest.strip_suffix('}')) {
            let key = SettingKey::parse(key).map_err(|error| error.to_string())?;
            return if port.is_some() {
                Err(format!("`{host}` has its port in the setting"))
            } else {
                Ok(Self::Setting(key))
            };
        }
        let host = HostPattern::parse(host).map_err(|error| error.to_string())?;
        Ok(Self::Written(OriginPattern::https(host, port)))
    }

    pub(super) fn check(&self, urls: &BTreeSet<&SettingKey>) -> Result<(), String> {
        match self {
            Self::Setting(key) if !urls.contains(key) => {
                Err(format!("`{{setting:{key}}}` names no setting of type `url`"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is one host, written out.
    fn is_written_host(&self) -> bool {
        matches!(self, Self::Written(pattern) if pattern.origin().is_some())
    }

    /// Whether it stands for hosts that nobody named.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Written(pattern) if pattern.origin().is_none())
    }

    /// What is meant, with these settings; `None` when the setting has no value.
    pub fn resolve(&self, settings: &Settings) -> Option<OriginPattern> {
        match self {
            Self::Written(pattern) => Some(pattern.clone()),
            Self::Setting(key) => {
                crate::Origin::parse(settings.text(key)?).ok().map(|origin| OriginPattern::exactly(&origin))
            }
        }
    }

    /// The path of the setting's URL, to which requests are confined.
    pub(crate) fn base_path(&self, settings: &Settings) -> Option<String> {
        match self {
            Self::Written(_) => None,
            Self::Setting(key) => parse_url(settings.text(key)?).ok().map(|url| url.path().to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(pattern) => pattern.fmt(f),
            Self::Setting(key) => write!(f, "{{setting:{key}}}"),
        }
    }
}

/// An entry of `[[http]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "HttpTable")]
pub struct HttpDeclaration {
    /// The hosts.
    pub host: Target,
    /// The methods.
    pub methods: Vec<Method>,
    /// Paths it stays below; all when empty.
    pub paths: Vec<String>,
    /// Whether its `POST` counts as reading.
    pub reads: bool,
    /// What for, in the author's words.
    pub why: String,
}

/// Where it may connect. Needed exactly when the code makes requests: one without the other is refused.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpTable {
    /// `api.example.com`, `*.example.com` (every name below), `*` (every host; never this machine), or
    /// `{setting:KEY}`: the one origin of a setting of type `url`, requests confined to its path. The scheme is `https`;
    /// `http` only toward this machine and by a setting.
    host: String,
    /// 443 when left out. Not with `{setting:KEY}`.
    port: Option<u16>,
    /// At least one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`.
    methods: Vec<String>,
    /// Requests stay at or below these, `/v1/`; all when left out. No `%`, `?`, `#` or `\`. Not with `{setting:KEY}`.
    #[serde(default)]
    paths: Vec<String>,
    /// Whether its `POST` only asks and changes nothing, as a search does: then it counts as reading, and a review says
    /// that you say so. Only for one host that is written out.
    #[serde(default)]
    reads: bool,
    /// What for, told to the person who grants it; one line of at most 400 bytes.
    why: String,
}

impl TryFrom<HttpTable> for HttpDeclaration {
    type Error = String;
    fn try_from(table: HttpTable) -> Result<Self, String> {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = |name: &String| match known.contains(&name.as_str()) {
            true => name.parse().map_err(|_| format!("`{name}` is not a method")),
            false => Err(format!("`{name}` is not a method; use {}", known.join(", "))),
        };
        let methods = table.methods.iter().map(method).collect::<Result<Vec<Method>, _>>()?;
        let HttpTable { host, port, paths, reads, why, .. } = table;
        Ok(Self { host: Target::read(&host, port)?, methods, paths, reads, why })
    }
}

impl HttpDeclaration {
    pub(super) fn check(&self, urls: &BTreeSet<&SettingKey>) -> Result<(), String> {
        if self.methods.is_empty() {
            return Err(format!("`[[http]]` for `{}` names no method", self.host));
        }
        if matches!(self.host, Target::Setting(_)) && !self.paths.is_empty() {
            return Err(format!(
                "`[[http]]` for `{}`: the setting's own path is the limit, `paths` is not used",
                self.host
            ));
        }
        if self.reads && (!self.host.is_written_host() || !self.methods.contains(&Method::POST)) {
            return Err(format!(
                "`[[http]]` for `{}`: `reads` is for the `POST` of one host that is written out",
                self.host
            ));
        }
        match self.paths.iter().find(|path| !path.starts_with('/') || path.contains(['%', '?', '#', '\\'])) {
            Some(path) => Err(format!("`{path}` is not a path; write `/v1/`")),
            None => self.host.check(urls),
        }
    }
}

impl HttpDeclaration {
    /// Whether a request of this method does more than read.
    pub fn sends(&self, method: &Method) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD) || self.reads && *method == Method::POST;
        !reads
    }
}

pub(super) fn variable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// An entry of `[[setting]]`: what the operator may set. Needed exactly when the code imports `settings`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its key: 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter.
    pub key: SettingKey,
    /// What it is for; one line of at most 400 bytes.
    pub label: String,
    /// The type of the value.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Its value when the operator sets none; must fit the type.
    pub default: Option<Value>,
    /// Environment variables that may hold it, first one set wins; each is read only when the operator granted its name.
    /// Never one of cara's own (`CARA_`), nor one that holds a secret.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub env: Vec<VariableName>,
}

/// The `[state]` table: what it keeps between calls. Needed exactly when the code imports `state`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Keys and values together, at most this many bytes. More is refused with `limit`.
    #[serde(default = "State::default_bytes")]
    pub bytes: u64,
    /// What for, told to the person who grants it; one line of at most 400 bytes.
    pub why: String,
}

impl State {
    fn default_bytes() -> u64 {
        1024 * 1024
    }
}

/// An entry of `[[power]]`: a service of the host. Needed exactly when the code imports the interface of that name.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerDeclaration {
    /// The service of the host.
    pub name: Power,
    /// What for, told to the person who grants it; one line of at most 400 bytes.
    pub why: String,
}

/// The `[provider]` table: how a provider is chosen when the operator named none. Needed exactly when the code exports
/// `provider`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// The model to use when the operator names only the provider.
    pub default_model: String,
    /// Lower is tried first.
    pub rank: u32,
    /// What makes it usable without configuration.
    pub detect: Detect,
    /// What is known of its models.
    #[serde(default)]
    pub model: Vec<ModelFacts>,
}

/// The `[channel]` table: what the messages of a chat network are like. Needed exactly when the code exports `channel`.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Channel {
    /// The longest text of one message, UTF-16 code units; at least 100. A longer answer is sent as several messages.
    pub text_units: u32,
}

/// What a manifest, or the operator, knows of a model.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelFacts {
    /// The model's id; a `*` at its end stands for anything.
    pub name: String,
    /// Tokens it takes, prompt and answer together.
    pub context_tokens: Option<u32>,
    /// What a million tokens cost.
    pub price: Option<Price>,
}

impl ModelFacts {
    /// Whether this is about the model of that id.
    pub fn is_about(&self, id: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => id.starts_with(beginning),
            None => id == self.name,
        }
    }
}

/// What tokens cost: US dollars for a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
    /// Of the prompt, when read from the vendor's cache; as `input` if not said.
    pub cache_read: Option<f64>,
    /// Of the prompt, when written to the vendor's cache; as `input` if not said.
    pub cache_write: Option<f64>,
}

/// How a provider is found usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Detect {
    /// An environment variable of its first secret is set, or a value is stored.
    Secret,
    /// A server answers at its first `[[http]]` origin on this machine.
    Port,
    /// Always usable.
    Always,
}

/// An entry of `[[tool]]`: work a model can ask for. Needed exactly when the code exports `tool`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name, as models see it: 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`.
    pub name: ToolName,
    /// What it does, as models are told; at most 4 KiB.
    pub description: String,
    /// All that its calls can do beyond answering: the host refuses what is not in the list. Left out, they are all that
    /// the component can do. With none but reading it runs unasked.
    pub(crate) effects: Option<Vec<Effect>>,
    /// Which of its arguments say where data goes: `[{ url = "to" }]`. Each is of type `string` or a list of them; one
    /// that is left out of a call names nowhere.
    #[serde(default)]
    pub destination: Vec<DestinationArgument>,
    /// JSON Schema (2020-12, linear-time patterns) of its arguments, an object. The host checks each call against it. A
    /// Rust component leaves it out of its source: `sdk/build` writes it from the code (`cara_sdk::schema`).
    pub input: Value,
}

/// The argument of a tool that says where data goes, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DestinationArgument {
    /// A URL; what the request says about the conversation is in it.
    Url(String),
    /// The address of a conversation on a channel.
    Address(String),
}

impl DestinationArgument {
    /// The argument's name.
    pub fn argument(&self) -> &str {
        match self {
            Self::Url(argument) | Self::Address(argument) => argument,
        }
    }

    /// What these arguments of a call say.
    pub fn read<'a>(&'a self, arguments: &'a Value) -> impl Iterator<Item = &'a str> {
        let given = arguments.get(self.argument());
        let one = given.and_then(Value::as_str);
        let several = given.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        one.into_iter().chain(several)
    }
}

impl Tool {
    pub(super) fn check(&self) -> Result<(), String> {
        let object = self.input.get("type").and_then(Value::as_str) == Some("object");
        match () {
            () if self.description.trim().is_empty() => Err(format!("tool `{}` has no description", self.name)),
            () if self.description.len() > 4096 => {
                Err(format!("the description of tool `{}` is over 4 KiB", self.name))
            }
            () if !object => Err(format!("the `input` of tool `{}` is not a schema of an object", self.name)),
            () => match self.destination.iter().find(|to| !self.takes_texts(to.argument())) {
                Some(to) => Err(format!(
                    "the `destination` of tool `{}` names `{}`, which is not an argument of type `string` or a list of them",
                    self.name,
                    to.argument()
                )),
                None => Ok(()),
            },
        }
    }

    /// Whether the manifest lets its calls have an effect.
    pub(crate) fn may(&self, effect: Effect) -> bool {
        self.effects.as_ref().is_none_or(|effects| effects.contains(&effect))
    }

    /// Whether its calls may make requests: they read what a server answers, or send.
    pub(crate) fn may_request(&self) -> bool {
        self.may(Effect::ReadsUntrusted) || self.may(Effect::SendsOutside)
    }

    /// Checks it against the hosts: where they are not named, an argument must say where a call goes.
    pub(super) fn check_reach(&self, http: &[HttpDeclaration]) -> Result<(), String> {
        let Some(open) = http.iter().find(|http| http.host.is_open()).filter(|_| self.may_request()) else {
            return Ok(());
        };
        let required = self.input.get("required").and_then(Value::as_array);
        let required = |name: &str| required.is_some_and(|required| required.iter().any(|required| required == name));
        let says = |to: &DestinationArgument| matches!(to, DestinationArgument::Url(name) if required(name));
        if self.destination.iter().any(says) {
            return Ok(());
        }
        Err(format!(
            "tool `{}` may reach `{}`, and no required argument of it says where\nhint: write `destination = [{{ url = \"ARGUMENT\" }}]`, or `effects` without `reads-untrusted` and `sends-outside` if it makes no requests",
            self.name, open.host
        ))
    }

    /// Whether the schema lets an argument be nothing but a text, a list of texts, or left out.
    fn takes_texts(&self, argument: &str) -> bool {
        let schema = self.input.get("properties").and_then(|all| all.get(argument));
        let is = |schema: Option<&Value>, wanted: &str| match schema.and_then(|schema| schema.get("type")) {
            Some(Value::Array(kinds)) => {
                kinds.iter().any(|kind| kind == wanted) && kinds.iter().all(|kind| kind == wanted || kind == "null")
            }
            kind => kind.is_some_and(|kind| kind == wanted),
        };
        is(schema, "string") || is(schema, "array") && is(schema.and_then(|schema| schema.get("items")), "string")
    }
}
