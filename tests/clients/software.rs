//! Real clients of other makes over TCP: the official SDKs in Python and
//! JavaScript, Ollama's, and `llm`.
//!
//! A lane of its own: with `CARA_FOREIGN=1` they are installed from PyPI and npm into the target folder (CI does). Without it
//! each test says that it was skipped. What a client sees is asserted in its script, what the vendor and the host saw of it
//! here.

use super::served::Served;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is installed from PyPI, each at one version.
const PYTHON: [&str; 4] = ["openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3", "llm==0.36"];

/// What is installed from npm.
const NODE: [&str; 2] = ["openai@7.59.0", "@anthropic-ai/sdk@1.14.0"];

/// Whether the lane is on; says so where it is not.
fn is_on() -> bool {
    let on = std::env::var_os("CARA_FOREIGN").is_some();
    if !on {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install clients from PyPI and npm");
    }
    on
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", told[0], told[1]);
    told[0].clone()
}

/// The folder with the programs of Python's clients.
fn python() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-python");
        let (programs, done) = (venv.join("bin"), venv.join("installed"));
        if std::fs::read_to_string(&done).is_ok_and(|what| what == PYTHON.join(" ")) {
            return programs;
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        run(Command::new(programs.join("pip")).args(["install", "--quiet"]).args(PYTHON));
        std::fs::write(done, PYTHON.join(" ")).unwrap();
        programs
    })
}

/// The folder with the packages of JavaScript's clients.
fn node() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-node");
        let done = folder.join("installed");
        if !std::fs::read_to_string(&done).is_ok_and(|what| what == NODE.join(" ")) {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
            run(Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund"])
                .args(NODE)
                .current_dir(&folder));
            std::fs::write(done, NODE.join(" ")).unwrap();
        }
        folder
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// Runs a script of Python against a home.
async fn in_python(name: &'static str) -> Served {
    let served = Served::new().await;
    let port = served.listen().await;
    let ran = move || {
        let mut command = Command::new(python().join("python"));
        run(command.arg("-B").arg(script(name)).arg(format!("http://localhost:{port}")).env("NO_PROXY", "*"))
    };
    let told = tokio::task::spawn_blocking(ran).await.unwrap();
    assert!(told.ends_with("done\n"), "{told}");
    served
}

/// Runs a script of JavaScript against a home.
async fn in_node(name: &'static str) -> Served {
    let served = Served::new().await;
    let port = served.listen().await;
    let ran = move || {
        // Packages are found beside the script.
        let here = node().join(name);
        std::fs::copy(script(name), &here).unwrap();
        run(Command::new("node").arg(here).arg(format!("http://localhost:{port}")))
    };
    let told = tokio::task::spawn_blocking(ran).await.unwrap();
    assert!(told.ends_with("done\n"), "{told}");
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

#[tokio::test(flavor = "multi_thread")]
async fn llm_asks_through_the_openai_api() {
    if !is_on() {
        return;
    }
    let served = Served::new().await;
    let port = served.listen().await;
    let folder = tempfile::tempdir().unwrap();
    let model = json!([{ "model_id": "cara", "model_name": "rehearsal:script", "api_base": format!("http://localhost:{port}/v1") }]);
    std::fs::write(folder.path().join("extra-openai-models.yaml"), model.to_string()).unwrap();
    let ask = move || {
        ["--no-stream", "--no-log"].map(|option| {
            let mut command = Command::new(python().join("llm"));
            command.args(["-m", "cara", "say hello", option]).env("LLM_USER_PATH", folder.path());
            run(command.env("OPENAI_API_KEY", "any").env("NO_PROXY", "*"))
        })
    };
    for told in tokio::task::spawn_blocking(ask).await.unwrap() {
        assert_eq!(told.trim(), "Hello, world");
    }
}
