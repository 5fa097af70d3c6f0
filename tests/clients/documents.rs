//! The examples of docs/gateway.md, run by curl as they stand there.

use super::served::Served;
use std::path::Path;
use std::process::Command;

/// The commands of the document that ask a model API, and what each is shown to answer.
fn examples() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/gateway.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## Model APIs").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap());
    let example = |(command, after): (&str, &str)| {
        let shown =
            after.strip_prefix("\n\n```text\n").and_then(|rest| rest.split_once("```")).map_or("", |(shown, _)| shown);
        (command.to_owned(), shown.lines().map(|line| line.trim().to_owned()).collect())
    };
    blocks.map(example).filter(|(command, _)| command.contains("curl")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_of_the_document_answers_as_it_is_shown() {
    let served = Served::new().await;
    let door = served.door().await;
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for (command, shown) in &examples {
        let here = command
            .replace("http://127.0.0.1:18789", &door.url("http"))
            .replace("openai:gpt-5-mini", "rehearsal:script");
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).env("NO_PROXY", "*").env("CARA_TOKEN", &door.token);
        let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {told}");
        // What differs from call to call is written as `…`.
        for line in shown {
            for part in line.split('…') {
                assert!(told.contains(part.trim()), "{command}\n{part}\n{told}");
            }
        }
    }
    // It is the token that lets them in: without it none is answered.
    for (command, _) in &examples {
        let here = command.replace("http://127.0.0.1:18789", &door.url("http"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).env("NO_PROXY", "*").env("CARA_TOKEN", "cara_wrong");
        let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("error") && !told.contains("Hello") && !told.contains("agent:main"), "{command}\n{told}");
    }
    door.close().await;
}
