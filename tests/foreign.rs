//! A component by another toolchain, with its WASI imports: Python.
//!
//! A lane of its own: it needs `componentize-py` on the path, or `CARA_FOREIGN=1`, which installs it from PyPI into the
//! target folder (CI does). Without either it says that it was skipped. One test, because the component takes seconds
//! to make and to compile.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::hostile::bodies::{When, server};
use cara_harness::{Subject, Testbed, captured, wrapped};
use cara_sdk_new::{Kind, Language, build_in, project};
use cara_signing::Package;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that is installed; its bindings are what `foreign/app.py` is written against.
const VERSION: &str = "0.25.1";

/// The tool's program, installed if that was asked for.
fn componentize() -> Option<PathBuf> {
    let runs =
        |program: &Path| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let on_path = PathBuf::from("componentize-py");
    if runs(&on_path) {
        return Some(on_path);
    }
    std::env::var_os("CARA_FOREIGN")?;
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("componentize-py");
    let folder = venv.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = folder.join("componentize-py");
    if !runs(&program) {
        let python = if cfg!(windows) { "python" } else { "python3" };
        run(Command::new(python).args(["-m", "venv"]).arg(&venv));
        run(Command::new(folder.join("pip")).args(["install", "--quiet", &format!("componentize-py=={VERSION}")]));
    }
    Some(program)
}

/// Runs a program that has to succeed.
#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the component of `tests/foreign`.
fn build(componentize: &Path) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign");
    let contract = source.parent().unwrap().parent().unwrap().join("wit");
    let folder = tempfile::tempdir().unwrap();
    // A copy, because Python leaves its cache beside what it reads.
    std::fs::copy(source.join("app.py"), folder.path().join("app.py")).unwrap();
    let file = folder.path().join("app.wasm");
    run(Command::new(componentize)
        .arg("-d")
        .arg(contract)
        .arg("-d")
        .arg(source.join("wit"))
        .args(["-w", "test:foreign/python-tool", "componentize", "app", "-p"])
        .arg(folder.path())
        .arg("-o")
        .arg(&file));
    std::fs::read(file).unwrap()
}

async fn text(subject: &Subject, tool: &str) -> String {
    subject.tool(tool, json!({})).await.unwrap().text().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_component_runs_and_finds_no_machine_around_it() {
    let Some(componentize) = componentize() else {
        println!(
            "skipped: `componentize-py` is not on the path\nhint: run it with CARA_FOREIGN=1 to install it from PyPI"
        );
        return;
    };
    let log = captured();
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/component.toml")).unwrap();
    let testbed = Testbed::new().await;
    let subject = testbed.package(wrapped(&build(&componentize), &manifest)).load();

    subject.lives().await;
    assert_eq!(
        (text(&subject, "count").await, text(&subject, "count").await),
        ("1".into(), "2".into()),
        "its state lasts"
    );

    let ambient: Value = serde_json::from_str(&text(&subject, "ambient").await).unwrap();
    assert_eq!(ambient["environment"], json!({}), "{ambient}");
    assert!(ambient["arguments"].as_array().unwrap().iter().all(|argument| argument == ""), "{ambient}");
    for attempt in ["read", "list", "write", "connect", "resolve"] {
        assert!(ambient[attempt].as_str().unwrap().starts_with("failed: "), "{attempt}: {ambient}");
    }
    assert_eq!((&ambient["time"], &ambient["random"]), (&json!(true), &json!(true)));
    assert_eq!(log.lines(&["python-tool", "a line on stdout"]).len(), 1);
    assert_eq!(log.lines(&["python-tool", "a line on stderr"]).len(), 1);

    let fault = subject.fault("spin", json!({})).await;
    assert_eq!(fault, "component `python-tool` was stopped: it used up its 1000000000 units of fuel");
    let fault = subject.fault("fail", json!({})).await;
    assert_eq!(fault, "component `python-tool` broke: it panicked");
}

/// A new project of a tool, one of whose tools sends as many bytes as it is told, built with its language's tools.
fn posting(language: Language, name: &str, source: &str, (from, to): (&str, &str)) -> Package {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for file in project(Kind::Tool, language, name).unwrap() {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file.bytes).unwrap();
    }
    let edit = |file: &str, changes: &[(&str, &str)]| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let change = |text: String, (from, to): &(&str, &str)| {
            assert!(text.contains(from), "{file}: {from}");
            text.replacen(from, to, 1)
        };
        std::fs::write(path, changes.iter().fold(text, change)).unwrap();
    };
    let setting = "[[setting]]\nkey = \"base-url\"\nlabel = \"a server\"\ntype = \"url\"\n\n[[tool]]";
    let host = ("host = \"example.com\"", "host = \"{setting:base-url}\"");
    edit("component.toml", &[host, ("[\"GET\"]", "[\"POST\"]"), ("[[tool]]", setting)]);
    edit(source, &[(from, to)]);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let built = build_in(&folder, &target, &mut |line| println!("{name}: {line}")).unwrap();
    Package::read(std::fs::read(built.file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn components_in_python_and_javascript_read_the_answer_whenever_the_server_gives_it() {
    if std::env::var_os("CARA_FOREIGN").is_none() {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install from npm and PyPI");
        return;
    }
    let python = (
        "response = http.send(\"GET\", url, {\"accept\": \"text/html\"})",
        "host, count = arguments[\"page\"].split(\"/\")\n    \
         return http.send(\"POST\", f\"http://{host}/\", None, b\"x\" * int(count)).text()",
    );
    let javascript = (
        "const response = await send(url, { headers: { accept: 'text/html' } });",
        "const [host, count] = page.split('/');\n  const body = 'x'.repeat(Number(count));\n  \
         if (count) return await text(await send(`http://${host}/`, { method: 'POST', body }));\n  \
         const response = await send(url);",
    );
    for (language, name, source, change) in [
        (Language::Python, "posting-python", "src/app.py", python),
        (Language::JavaScript, "posting-javascript", "src/component.js", javascript),
    ] {
        let package = posting(language, name, source, change);
        let testbed = Testbed::new().await;
        for when in [When::Early, When::Half, When::Late] {
            let authority = server(when).await;
            let subject = testbed.package(package.clone()).setting("base-url", format!("http://{authority}")).load();
            for bytes in [1, 70_000, 400_000] {
                let tool = format!("{}_title", name.replace('-', "_"));
                let told = subject.tool(&tool, json!({ "page": format!("{authority}/{bytes}") })).await.unwrap();
                assert_eq!(told.text(), "ok", "{name}, {when:?}, {bytes} bytes");
            }
        }
    }
}
