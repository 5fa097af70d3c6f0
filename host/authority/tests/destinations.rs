//! Which arguments a `destination` may name, and what a call says with them.
#![allow(clippy::unwrap_used)]

use cara_authority::Manifest;
use serde_json::json;

fn manifest(destination: &str, input: &serde_json::Value) -> Result<Manifest, String> {
    let input = toml::Value::try_from(input).unwrap();
    let tool = format!(
        "id = \"post\"\nversion = \"1.0.0\"\nsummary = \"Sends\"\ncontract = \"cara:plugin@0.2\"\n[[tool]]\nname = \"send\"\ndescription = \"Sends.\"\ndestination = {destination}\ninput = {input}\n"
    );
    Manifest::parse(&tool).map_err(|error| error.to_string())
}

fn mail() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["to", "subject"],
        "properties": {
            "to": { "type": "array", "items": { "type": "string" } },
            "cc": { "type": ["array", "null"], "items": { "type": "string" } },
            "reply_to": { "type": ["string", "null"] },
            "subject": { "type": "string" },
            "copies": { "type": "integer" },
            "odd": { "type": ["string", "object"] },
            "mixed": { "type": "array", "items": { "type": ["string", "object"] } },
        }
    })
}

#[test]
fn recipients_of_a_mail_are_its_destinations() {
    let named = "[{ address = \"to\" }, { address = \"cc\" }, { url = \"reply_to\" }]";
    let manifest = manifest(named, &mail()).unwrap();
    let destinations = |arguments: serde_json::Value| {
        let named = manifest.tools()[0].destination.iter();
        named.flat_map(|to| to.read(&arguments).map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(
        destinations(json!({ "to": ["a", "b"], "cc": ["c"], "subject": "d", "reply_to": "e" })),
        ["a", "b", "c", "e"]
    );
    assert_eq!(destinations(json!({ "to": [], "subject": "d", "reply_to": null })), [""; 0]);
}

#[test]
fn an_argument_that_may_hold_something_else_is_no_destination() {
    for argument in ["copies", "odd", "mixed", "missing"] {
        let error = manifest(&format!("[{{ url = \"{argument}\" }}]"), &mail()).unwrap_err();
        assert!(error.contains(&format!("names `{argument}`, which is not an argument of type `string`")), "{error}");
    }
    assert!(manifest("{ url = \"subject\" }", &mail()).is_err());
}
