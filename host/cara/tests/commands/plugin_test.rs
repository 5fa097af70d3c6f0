//! `cara plugin test`: scripted worlds, played in the real sandbox.

use super::home::Home;
use super::wasm::package;
use std::path::PathBuf;

/// A project as `cara plugin build` leaves it, of a built-in component.
fn project(home: &Home, id: &str, script: &str) -> PathBuf {
    let folder = home.path(id);
    for part in ["dist", "tests"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let kind = if id == "openai" { "provider" } else { "tool" };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::copy(root.join("components").join(kind).join(id).join("component.toml"), folder.join("component.toml"))
        .unwrap();
    std::fs::write(folder.join(format!("dist/{id}.wasm")), package(id, &[])).unwrap();
    std::fs::write(folder.join("tests/world.toml"), script).unwrap();
    folder
}

/// A streamed answer as the vendor publishes it.
const STREAM: &str = r#"
[[test]]
name = "answers over TLS, with the key put in on the way"
prompt = "Hello"
secrets = { api-key = "sk-test" }
answer = "Hi there"
stop = "complete"
usage = { input = 3, output = 2 }
[[test.http]]
request = "POST https://api.openai.com/v1/chat/completions"
has-headers = { authorization = "Bearer sk-test" }
headers = { content-type = "text/event-stream" }
body = """
data: {"model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"Hi "}}]}

data: {"model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"there"},"finish_reason":"stop"}]}

data: {"model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}

data: [DONE]

"""

[[test]]
name = "reports a refusal of the server"
prompt = "Hello"
secrets = { api-key = "sk-test" }
error = "auth"
contains = ["no such key"]
[[test.http]]
request = "POST https://api.openai.com/v1/chat/completions"
status = 401
json = { error = { message = "no such key", type = "invalid_request_error", code = "invalid_api_key" } }
"#;

#[test]
fn a_provider_is_played_against_a_scripted_server() {
    let home = Home::new();
    let folder = project(&home, "openai", STREAM);
    let told = home.json(&["plugin", "test", folder.to_str().unwrap(), "--json"]);
    assert_eq!((&told["failed"], told["tests"].as_array().unwrap().len()), (&0.into(), 2), "{told:#}");
}

#[test]
fn what_is_not_as_in_the_script_fails_and_says_how() {
    let home = Home::new();
    let script = r#"
[[test]]
name = "another key and another path"
prompt = "Hello"
secrets = { api-key = "sk-other" }
error = "network"
[[test.http]]
request = "POST https://api.openai.com/v1/chat/completions"
has-headers = { authorization = "Bearer sk-test" }

[[test]]
name = "another host"
prompt = "Hello"
settings = { base-url = "https://elsewhere.example" }
error = "network"
[[test.http]]
request = "GET https://api.openai.com/v1/models"

[[test]]
name = "nothing granted"
prompt = "Hello"
withhold = ["http https://api.openai.com"]
approvals = ["allow"]
error = "auth"

[[test]]
name = "no such power"
prompt = "Hello"
withhold = ["memory"]
answer = ""
"#;
    let folder = project(&home, "openai", script);
    let output = home.run(&["plugin", "test", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @"
    ✗ another key and another path
        `POST https://api.openai.com/v1/chat/completions` was sent with
        `authorization: Bearer sk-other`, the script wants `Bearer sk-test`
    ✗ another host
        `elsewhere.example` was asked for, which is not in the script
        `GET https://api.openai.com/v1/models` was not sent
    ✗ nothing granted
        1 of the approvals were not asked for
    ✗ no such power
        it could not be played: it does not ask for `memory`, which cannot be
        withheld
        hint: it asks for `http https://api.openai.com`, `secret api-key`,
        `environment OPENAI_BASE_URL`
    ");
}

#[test]
fn tools_keep_no_state_from_one_test_to_the_next() {
    let home = Home::new();
    let script = r#"
[[test]]
name = "converts"
tool = "time_convert"
arguments = { time = "2026-03-29T14:30", from = "Europe/Oslo", to = "UTC" }
contains = ["12:30"]

[[test]]
name = "refuses an unknown zone"
tool = "time_now"
arguments = { zone = "Europe/Nowhere" }
error = "bad-request"
"#;
    let folder = project(&home, "time", script);
    assert!(home.notes(&["plugin", "test", folder.to_str().unwrap()]).contains("passed 2 tests"));
    for (script, told) in [
        ("", "missing field `test`"),
        ("[[test]]\nname = \"x\"\ntool = \"time_now\"", "expects nothing"),
        ("[[test]]\nname = \"x\"\nanswr = \"\"", "unknown field `answr`"),
    ] {
        std::fs::write(folder.join("tests/world.toml"), script).unwrap();
        let refused = home.fails(&["plugin", "test", folder.to_str().unwrap()]);
        assert!(refused.contains(told), "{refused}");
    }
    std::fs::remove_file(folder.join("dist/time.wasm")).unwrap();
    let refused = home.fails(&["plugin", "test", folder.to_str().unwrap()]);
    assert!(refused.contains("hint: `cara plugin build` makes it"), "{refused}");
}
