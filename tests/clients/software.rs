//! Real clients of other makes over TCP, each with a token: the official SDKs
//! in Python and JavaScript, Ollama's, `llm`, `aider`, and two of WebSocket.
//!
//! What a client sees is asserted in its script, what the vendor and the host saw of it here.

use super::installed::{is_on, node, python, run, script};
use super::served::Served;
use serde_json::{Value, json};
use std::process::Command;

/// What is installed from PyPI, each at one version.
const PYTHON: [&str; 5] = ["openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3", "llm==0.36", "autobahn==26.10.2"];

/// What is installed from npm.
const NODE: [&str; 3] = ["openai@7.59.0", "@anthropic-ai/sdk@1.14.0", "ws@8.23.0"];

/// Runs a script of Python against a home.
async fn in_python(name: &'static str) -> Served {
    let served = Served::new().await;
    let door = served.door().await;
    let (url, token) = (door.url("http"), door.token.clone());
    let ran = move || {
        let mut command = Command::new(python("clients-python", &PYTHON).join("python"));
        run(command.arg("-B").arg(script(name)).arg(url).env("CARA_TOKEN", token).env("NO_PROXY", "*"))
    };
    let told = tokio::task::spawn_blocking(ran).await.unwrap();
    assert!(told.ends_with("done\n"), "{told}");
    door.close().await;
    served
}

/// Runs a script of JavaScript against a home.
async fn in_node(name: &'static str) -> Served {
    let served = Served::new().await;
    let door = served.door().await;
    let (url, token) = (door.url("http"), door.token.clone());
    let ran = move || {
        // Packages are found beside the script.
        let here = node("clients-node", &NODE).join(name);
        std::fs::copy(script(name), &here).unwrap();
        run(Command::new("node").arg(here).arg(url).env("CARA_TOKEN", token))
    };
    let told = tokio::task::spawn_blocking(ran).await.unwrap();
    assert!(told.ends_with("done\n"), "{told}");
    door.close().await;
    served
}

/// What OpenAI's SDKs are seen to have done, whichever language.
async fn check_openai(served: &Served) {
    let asked = served.vendor.requests();
    let bodies: Vec<Value> = asked.iter().filter_map(|asked| serde_json::from_slice(&asked.body).ok()).collect();
    assert!(
        bodies.iter().any(|body| body["response_format"]["json_schema"]["strict"] == true),
        "a schema reached the vendor"
    );
    let image = |body: &Value| body.to_string().contains("data:image/png;base64,iVBOR");
    assert!(bodies.iter().any(image), "an image reached the vendor");
    let busy = bodies.iter().filter(|body| body.to_string().contains("be busy")).count();
    assert_eq!(busy, 3, "the SDK asked twice more");
    // A client that breaks off ends its call.
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while !served.calls(1).await.iter().any(|call| call["did"]["ended"] == "cancelled") {
        assert!(tokio::time::Instant::now() < until, "nobody noticed that the client went away");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_sdk_for_python_chats_streams_calls_tools_and_breaks_off() {
    if is_on() {
        check_openai(&in_python("with_openai.py").await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_sdk_for_python_keeps_responses_goes_on_from_them_and_listens_again() {
    if is_on() {
        let served = in_python("with_openai_responses.py").await;
        let asked = served.vendor.requests();
        let bodies: Vec<Value> = asked.iter().filter_map(|asked| serde_json::from_slice(&asked.body).ok()).collect();
        let detail = |body: &Value| body.to_string().contains("\"detail\":\"low\"");
        assert!(bodies.iter().any(detail), "how closely an image is looked at reached the vendor");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_sdk_for_javascript_chats_streams_calls_tools_and_breaks_off() {
    if is_on() {
        check_openai(&in_node("with_openai.mjs").await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_sdk_for_python_sends_messages_streams_and_calls_tools() {
    if is_on() {
        in_python("with_anthropic.py").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_sdk_for_javascript_sends_messages_streams_and_calls_tools() {
    if is_on() {
        in_node("with_anthropic.mjs").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ollamas_client_for_python_chats_lists_and_embeds() {
    if is_on() {
        in_python("with_ollama.py").await;
    }
}

/// Each waits until the daemon asks whether it is still there, which is after 30 seconds.
#[tokio::test(flavor = "multi_thread")]
async fn two_websocket_clients_of_other_makes_call_follow_come_back_and_are_asked_whether_they_are_there() {
    if is_on() {
        tokio::join!(in_node("with_ws.mjs"), in_python("with_autobahn.py"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn llm_asks_through_the_openai_api() {
    if !is_on() {
        return;
    }
    let served = Served::new().await;
    let door = served.door().await;
    let folder = tempfile::tempdir().unwrap();
    let base = format!("{}/v1", door.url("http"));
    let model = json!([{
        "model_id": "cara", "model_name": "rehearsal:script", "api_base": base, "api_key_name": "cara",
    }]);
    std::fs::write(folder.path().join("extra-openai-models.yaml"), model.to_string()).unwrap();
    let token = door.token.clone();
    let ask = move || {
        ["--no-stream", "--no-log"].map(|option| {
            let mut command = Command::new(python("clients-python", &PYTHON).join("llm"));
            command.args(["-m", "cara", "say hello", option, "--key", &token]).env("LLM_USER_PATH", folder.path());
            run(command.env("NO_PROXY", "*"))
        })
    };
    for told in tokio::task::spawn_blocking(ask).await.unwrap() {
        assert_eq!(told.trim(), "Hello, world");
    }
    door.close().await;
}

/// What writes code in a folder; 700 MB with all that it needs, for some versions of Python. So with `CARA_FOREIGN=all` alone.
const AIDER: [&str; 1] = ["aider-chat==0.86.2"];

#[tokio::test(flavor = "multi_thread")]
async fn aider_edits_a_file_as_the_model_says() {
    if std::env::var("CARA_FOREIGN").as_deref() != Ok("all") {
        println!("skipped\nhint: run it with CARA_FOREIGN=all to install 700 MB from PyPI");
        return;
    }
    let fits = "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))";
    if !Command::new("python3").args(["-c", fits]).status().is_ok_and(|status| status.success()) {
        println!("skipped: `aider-chat` is for Python 3.10 to 3.12");
        return;
    }
    let served = Served::new().await;
    let door = served.door().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("hello.py", "print('')\n");
    // Models of the rehearsal take no temperature.
    write(".aider.model.settings.yml", r#"[{"name": "openai/rehearsal:script", "use_temperature": false}]"#);
    let installed = || python("aider", &AIDER).join("aider");
    let mut aider = Command::new(tokio::task::spawn_blocking(installed).await.unwrap());
    aider.args(["--model", "openai/rehearsal:script", "--edit-format", "whole", "--no-git", "--yes-always"]);
    aider.args(["--no-check-update", "--no-show-model-warnings", "--no-show-release-notes", "--analytics-disable"]);
    aider.args(["--no-pretty", "--no-detect-urls", "--map-tokens", "0", "--message", "greet the world", "hello.py"]);
    aider.current_dir(folder.path()).env("HOME", folder.path());
    aider.env("OPENAI_API_BASE", format!("{}/v1", door.url("http"))).env("OPENAI_API_KEY", &door.token);
    // It looks for a list of prices elsewhere, and is content without.
    aider.env("NO_PROXY", "localhost").env("HTTPS_PROXY", "http://127.0.0.1:9");
    let told = tokio::task::spawn_blocking(move || run(&mut aider)).await.unwrap();
    let edited = std::fs::read_to_string(folder.path().join("hello.py")).unwrap();
    assert_eq!(edited.trim(), "print('Hello, world')", "{told}");
    door.close().await;
}
