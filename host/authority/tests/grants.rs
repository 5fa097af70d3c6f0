//! What comes out when imports, manifest and grant meet.
#![allow(clippy::unwrap_used)]

use crate::binary::binary;
use cara_authority::limits::LimitsTable;
use cara_authority::manifest::Effect;
use cara_authority::{Authority, Capability, Grants, Interfaces, Manifest, Power, Reach, Refusal, Rule};
use http::{Method, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MANIFEST: &str = r#"
id = "acme"
version = "1.0.0"
summary = "A provider"
contract = "cara:plugin@0.2"

[provider]
default-model = "m"
rank = 1
detect = "secret"

[[http]]
host = "{setting:base-url}"
methods = ["GET", "POST"]
why = "the API"

[[http]]
host = "*.files.example"
methods = ["GET"]
paths = ["/public/"]
why = "files"

[[secret]]
name = "api-key"
label = "Key"
env = ["ACME_KEY"]
audience = ["{setting:base-url}"]
place = [{ header = "authorization", format = "Bearer {}" }]

[[setting]]
key = "base-url"
label = "Where the API is"
type = "url"
default = "https://api.acme.example/v1"

[state]
why = "remembers a cursor"

[limits]
wall = "20s"
"#;

const PLACE: &str = "place = [{ header = \"authorization\", format = \"Bearer {}\" }]";
const KEY: &str = "key = { algorithm = \"hmac-sha256\" }";

const ALL: [&str; 5] = [
    "wasi:http/outgoing-handler@0.2.12",
    "cara:plugin/secrets@0.2.0",
    "cara:plugin/settings@0.2.0",
    "cara:plugin/state@0.2.0",
    "cara:plugin/turn@0.2.0",
];

fn interfaces(imports: &[&str]) -> Interfaces {
    Interfaces::read(&binary(imports, &["cara:plugin/provider@0.2.0"])).unwrap()
}

fn intersect(granted: &[&str], settings: Value) -> Grants {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let granted: Vec<Capability> = granted.iter().map(|text| Capability::parse(text).unwrap()).collect();
    let settings: BTreeMap<String, Value> = serde_json::from_value(settings).unwrap();
    let settings = manifest.settings(&settings).unwrap();
    Grants::intersect(&manifest, &interfaces(&ALL), &granted, settings, &LimitsTable::default())
}

fn go(grants: &Grants, method: &str, url: &str) -> Result<Reach, Refusal> {
    let uri: Uri = url.parse().unwrap();
    grants.destination(&Method::from_bytes(method.as_bytes()).unwrap(), &uri).map(|destination| destination.reach())
}

#[test]
fn binary_and_manifest_must_say_the_same() {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    assert_eq!(interfaces(&ALL).agree(&manifest), Ok(()));
    // A key is for every host that the component reaches.
    let named = MANIFEST.replace("*.files.example", "files.example");
    let for_all = named.replace("audience = [", "audience = [\"files.example\", ");
    let with_key = for_all.replace(PLACE, KEY);
    let with_key = Manifest::parse(&with_key).unwrap();
    for left_out in 0..ALL.len() {
        let mut fewer = ALL.to_vec();
        let import = fewer.remove(left_out);
        let error = interfaces(&fewer).agree(&with_key).unwrap_err().to_string();
        assert!(error.contains("does not import"), "{import}: {error}");
    }
    // A secret that is only placed needs no import.
    assert_eq!(interfaces(&[ALL[0], ALL[2], ALL[3], ALL[4]]).agree(&manifest), Ok(()));
    let bare = Manifest::parse(&MANIFEST[..MANIFEST.find("[[http]]").unwrap()]).unwrap();
    for import in &ALL[..4] {
        let error = interfaces(&[import, ALL[4]]).agree(&bare).unwrap_err().to_string();
        assert!(error.contains("its manifest has no"), "{import}: {error}");
    }
    let tool = Interfaces::read(&binary(&ALL[..4], &["cara:plugin/tool@0.2.0"])).unwrap();
    assert!(tool.agree(&manifest).is_err(), "a provider that exports a tool");
}

#[test]
fn nothing_is_allowed_before_it_is_granted_and_the_refusal_says_which_it_is() {
    let grants = intersect(&[], json!({}));
    let rule = |result: Result<Reach, Refusal>| result.unwrap_err().rule();
    assert_eq!(rule(go(&grants, "GET", "https://api.acme.example/v1/models")), Rule::Ungranted);
    assert_eq!(rule(go(&grants, "GET", "https://evil.example/")), Rule::Undeclared);
    assert_eq!(grants.secret("api-key").unwrap_err().rule(), Rule::Ungranted);
    assert_eq!(grants.secret("other").unwrap_err().rule(), Rule::Undeclared);
    assert_eq!(grants.state().unwrap_err().rule(), Rule::Ungranted);
}

#[test]
fn a_grant_covers_one_origin_below_the_path_of_its_setting() {
    let grants = intersect(&["http https://api.acme.example", "state"], json!({}));
    assert_eq!(go(&grants, "POST", "https://api.acme.example/v1/chat?x=1"), Ok(Reach::Public));
    for (method, url) in [
        ("DELETE", "https://api.acme.example/v1/chat"),
        ("GET", "https://api.acme.example/v2/chat"),
        ("GET", "https://api.acme.example/v1x"),
        ("GET", "https://api.acme.example/v1/../admin"),
        ("GET", "https://api.acme.example/v1/%2e%2e/admin"),
        ("GET", "https://api.acme.example/v1/..%2fadmin"),
        ("GET", "https://api.acme.example:8443/v1/chat"),
        ("GET", "http://api.acme.example/v1/chat"),
        ("GET", "https://xapi.acme.example/v1/chat"),
        ("GET", "https://a.files.example/public/x"),
    ] {
        assert!(go(&grants, method, url).is_err(), "{method} {url}");
    }
    assert_eq!(grants.state(), Ok(1024 * 1024));
    assert_eq!(grants.limits().wall.as_secs(), 20);
}

#[test]
fn a_changed_base_url_is_not_covered_by_the_old_grant() {
    let moved = json!({ "base-url": "https://llm.other.example/v1" });
    let grants = intersect(&["http https://api.acme.example"], moved);
    assert_eq!(go(&grants, "GET", "https://llm.other.example/v1/x").unwrap_err().rule(), Rule::Ungranted);
    assert_eq!(go(&grants, "GET", "https://api.acme.example/v1/x").unwrap_err().rule(), Rule::Undeclared);
}

#[test]
fn loopback_is_reached_only_where_the_grant_names_that_one_origin() {
    let local = json!({ "base-url": "http://127.0.0.1:8000/v1" });
    let grants = intersect(&["http http://127.0.0.1:8000", "http https://*.files.example"], local);
    assert_eq!(go(&grants, "GET", "http://127.0.0.1:8000/v1/models"), Ok(Reach::Loopback));
    for url in [
        "http://127.0.0.1:8001/v1/x",
        "http://127.0.0.2:8000/v1/x",
        "https://127.0.0.1:8000/v1/x",
        "http://localhost:8000/v1/x",
    ] {
        assert!(go(&grants, "GET", url).is_err(), "{url}");
    }
    let plain = intersect(&["http http://api.acme.example"], json!({ "base-url": "http://api.acme.example/v1" }));
    assert_eq!(go(&plain, "GET", "http://api.acme.example/v1/x").unwrap_err().rule(), Rule::Destination);
    let private = intersect(&["http https://192.168.1.5"], json!({ "base-url": "https://192.168.1.5/v1" }));
    assert_eq!(go(&private, "GET", "https://192.168.1.5/v1/x").unwrap_err().rule(), Rule::Destination);
}

#[test]
fn a_server_in_a_private_network_is_reached_only_by_its_own_grant_for_each_of_what_it_is() {
    let (origin, url) = ("http://10.0.0.5:8000", "http://10.0.0.5:8000/v1/models");
    let (http, plain, private) = (format!("http {origin}"), format!("plain {origin}"), format!("private {origin}"));
    let base = || json!({ "base-url": format!("{origin}/v1") });
    let reached = |granted: &[&str]| go(&intersect(granted, base()), "GET", url);
    assert_eq!(reached(&[&http, &plain, &private]), Ok(Reach::Private));
    for (granted, why) in [
        (&[http.as_str()][..], "`http` is for this machine only"),
        (&[&http, &private], "`http` is for this machine only"),
        (&[&http, &plain], "the address is private (RFC 1918)"),
        (&[&http, "plain http://10.0.0.6:8000", "private http://10.0.0.6:8000"], "`http` is for this machine only"),
        (&[&http, "plain http://10.0.0.5", "private http://10.0.0.5"], "`http` is for this machine only"),
    ] {
        let refused = reached(granted).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "component `acme` may not reach `{origin}`: {why}\n\
                 hint: to allow it, run `cara grant acme {origin} --plain --private`"
            )
        );
    }
    // The grants beside it open nothing without the one that says that it may go there at all.
    assert_eq!(reached(&[&plain, &private]).unwrap_err().rule(), Rule::Ungranted);
    // Where such a server leads is another address: it was not granted.
    let grants = intersect(&[&http, &plain, &private, "http https://*.files.example"], base());
    for other in [
        "http://10.0.0.6:8000/v1/x",
        "http://10.0.0.5:8001/v1/x",
        "http://169.254.169.254/latest",
        "http://127.0.0.1:8000/v1/x",
        "https://10.0.0.5:8000/v1/x",
    ] {
        assert!(go(&grants, "GET", other).is_err(), "{other}");
    }
}

#[test]
fn no_grant_opens_a_metadata_service_or_what_no_manifest_named_alone() {
    for origin in ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://0.0.0.0:8000", "http://100.100.100.200"]
    {
        let granted = ["http", "plain", "private"].map(|what| format!("{what} {origin}"));
        let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
        let refused = go(&intersect(&granted, json!({ "base-url": origin })), "GET", origin).unwrap_err().to_string();
        assert!(refused.contains("hint: only public hosts over `https`"), "{refused}");
    }
    // A name's addresses are judged when it is resolved: none but those of a private network.
    let named = "http http://gpu.lan:1|plain http://gpu.lan:1|private http://gpu.lan:1";
    let grants = intersect(&named.split('|').collect::<Vec<_>>(), json!({ "base-url": "http://gpu.lan:1" }));
    let reach = go(&grants, "GET", "http://gpu.lan:1/").unwrap();
    for (address, fits) in
        [("10.1.2.3", true), ("fd12::1", true), ("127.0.0.1", false), ("8.8.8.8", false), ("169.254.169.254", false)]
    {
        assert_eq!(reach.admits(address.parse().unwrap()).is_ok(), fits, "{address}");
    }
    // A pattern is not a name: what it covers stays public.
    let wide = ["http https://*.files.example", "private https://*.files.example", "plain https://*.files.example"];
    assert_eq!(go(&intersect(&wide, json!({})), "GET", "https://a.files.example/public/x"), Ok(Reach::Public));
    // Nor does a manifest have words for it.
    for line in ["plain = true", "private = true"] {
        let asking = MANIFEST.replace("why = \"the API\"", &format!("why = \"the API\"\n{line}"));
        assert!(Manifest::parse(&asking).is_err(), "{line}");
    }
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let settings = BTreeMap::from([("base-url".to_owned(), json!("http://10.0.0.5:8000"))]);
    let asked = manifest.requested(&manifest.settings(&settings).unwrap());
    assert!(asked.iter().all(|asked| !matches!(asked, Capability::Plain(_) | Capability::Private(_))), "{asked:?}");
}

#[test]
fn a_secret_goes_to_its_audience_and_nowhere_else_and_signs_nothing() {
    let granted = ["http https://api.acme.example", "http https://*.files.example", "secret api-key"];
    let grants = intersect(&granted, json!({}));
    let to = |grants: &Grants, url: &str| grants.destination(&Method::GET, &url.parse().unwrap()).unwrap();
    let placed = |grants: &Grants, url: &str| -> Result<Vec<String>, Refusal> {
        let placed = grants.placed(&to(grants, url))?;
        Ok(placed.iter().map(|grant| format!("{} in the {}", grant.marker(), grant.spots()[0])).collect())
    };
    let home = "https://api.acme.example/v1/x";
    let there = ["cara-secret--api-key in the header `authorization: Bearer {}`"];
    assert_eq!(placed(&grants, home).unwrap(), there);
    assert!(placed(&grants, "https://a.files.example/public/x").unwrap().is_empty());
    assert_eq!(grants.key("api-key").unwrap_err().rule(), Rule::Denied);

    // Without the grant, a request that needs it is refused with the cure; others are not.
    let grants = intersect(&granted[..2], json!({}));
    let refusal = placed(&grants, home).unwrap_err();
    assert_eq!(refusal.rule(), Rule::Ungranted);
    assert!(refusal.to_string().contains("cara secrets set acme/api-key"), "{refusal}");
    assert!(placed(&grants, "https://a.files.example/public/x").unwrap().is_empty());
}

#[test]
fn a_path_that_a_server_may_read_another_way_is_not_below_a_prefix() {
    let grants = intersect(&["http https://a.files.example", "http https://*.files.example"], json!({}));
    assert!(go(&grants, "GET", "https://a.files.example/public/x;v=1/y").is_ok());
    for path in [
        "/public/..;/admin",
        "/public/..;v=1/admin",
        "/public/.;/..;/admin",
        "/public/;/../..;a/admin",
        "/public/%252e%252e/admin",
        "/public/..%252fadmin",
        "/public/%25252e/admin",
        "/public/..%3b/admin",
        "/public/..%5cadmin",
    ] {
        let refused = go(&grants, "GET", &format!("https://a.files.example{path}"));
        assert_eq!(refused.unwrap_err().rule(), Rule::Destination, "{path}");
    }
}

const TOOLS: &str = r#"
id = "acts"
version = "1.0.0"
summary = "Tools that do more than one of them says"
contract = "cara:plugin@0.2"

[[http]]
host = "api.acme.example"
methods = ["GET", "POST"]
why = "the API"

[[http]]
host = "find.acme.example"
methods = ["POST"]
reads = true
why = "to search"

[[power]]
name = "memory"
why = "notes"

[[power]]
name = "messaging"
why = "sends"

[[tool]]
name = "all"
description = "Says nothing of its effects."
input = { type = "object" }

[[tool]]
name = "read"
description = "Reads pages."
effects = ["reads-untrusted"]
input = { type = "object" }

[[tool]]
name = "recall"
description = "Reads memory."
effects = ["reads-private"]
input = { type = "object" }

[[tool]]
name = "post"
description = "Posts."
effects = ["sends-outside"]
input = { type = "object" }
"#;

#[test]
fn a_call_cannot_do_what_its_tool_says_it_does_not() {
    let manifest = Manifest::parse(TOOLS).unwrap();
    let imports = ["wasi:http/outgoing-handler@0.2.12", "cara:plugin/memory@0.2.0", "cara:plugin/messaging@0.2.0"];
    let interfaces = Interfaces::read(&binary(&imports, &["cara:plugin/tool@0.2.0"])).unwrap();
    let settings = manifest.settings(&BTreeMap::new()).unwrap();
    let granted = manifest.requested(&settings);
    let grants = Grants::intersect(&manifest, &interfaces, &granted, settings, &LimitsTable::default());
    let authority = Authority::of(&manifest, &interfaces);
    let can = |tool: &str| {
        let grants = grants.for_tool(&tool.parse().unwrap(), &authority);
        let to = |method: &str, url: &str| go(&grants, method, url).is_ok();
        let uses = |power, effect| grants.power(power, Some(effect)).is_ok();
        [
            to("GET", "https://api.acme.example/"),
            to("POST", "https://api.acme.example/"),
            to("POST", "https://find.acme.example/"),
            uses(Power::Memory, Effect::ReadsPrivate),
            uses(Power::Memory, Effect::ChangesState),
            uses(Power::Messaging, Effect::SendsOutside),
        ]
    };
    assert_eq!(can("all"), [true; 6]);
    assert_eq!(can("none_such"), [false; 6]);
    assert_eq!(can("read"), [true, false, true, false, false, false]);
    assert_eq!(can("recall"), [false, false, false, true, false, false]);
    assert_eq!(can("post"), [true, true, true, false, false, true]);
    let read = grants.for_tool(&"read".parse().unwrap(), &authority);
    assert_eq!(
        go(&read, "POST", "https://api.acme.example/").unwrap_err().to_string(),
        "tool `read` of component `acts` may not `POST` `https://api.acme.example`: `sends-outside` is not among its effects\n\
         hint: only a new version, signed with another manifest, can ask for more"
    );
}

#[test]
fn what_the_binary_does_not_import_is_not_granted_even_when_declared_and_granted() {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let settings = manifest.settings(&BTreeMap::new()).unwrap();
    let granted: Vec<Capability> = manifest.requested(&settings);
    let grants = Grants::intersect(&manifest, &interfaces(&[ALL[4]]), &granted, settings, &LimitsTable::default());
    assert!(go(&grants, "GET", "https://api.acme.example/v1/x").is_err());
    assert!(grants.secret("api-key").is_err() && grants.state().is_err());
}

#[test]
fn a_manifest_with_a_mistake_is_refused_and_the_text_names_it() {
    let wrong = |from: &str, to: &str| Manifest::parse(&MANIFEST.replace(from, to)).unwrap_err().to_string();
    for (from, to, says) in [
        ("id = \"acme\"", "id = \"Acme\"", "component id"),
        ("cara:plugin@0.2", "cara:plugin@0.9", "this host speaks"),
        ("summary =", "sumary =", "sumary"),
        ("rank = 1", "rank = 1\nspeed = 2", "speed"),
        ("methods = [\"GET\"]", "methods = [\"CONNECT\"]", "CONNECT"),
        ("methods = [\"GET\"]", "methods = []", "names no method"),
        ("*.files.example", "*.example", "not a host pattern"),
        ("audience = [\"{setting:base-url}\"]", "audience = [\"{setting:nothing}\"]", "names no setting"),
        ("audience = [\"{setting:base-url}\"]", "audience = [\"*.files.example\"]", "an audience is one host"),
        ("audience = [\"{setting:base-url}\"]", "audience = []", "no `audience`"),
        ("place = [{ header", "place = [{ cookie", "cookie"),
        (PLACE, KEY, "what key `api-key` signs could be sent to `https://*.files.example`"),
        ("env = [\"ACME_KEY\"]", "env = [\"acme key\"]", "environment variable"),
        ("default = \"https://api.acme.example/v1\"", "default = 7", "must be"),
        ("why = \"files\"", "why = \"\"", "is empty"),
        ("wall = \"20s\"", "wall = \"20\"", "not a time"),
    ] {
        let error = wrong(from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
}
