//! Tools of one name: each is called by its full name,
//! and no rule that was written for one lets another run.

use super::oracle::PERSON;
use cara_assistant::approvals::{Answer, Approver};
use cara_assistant::toolbox::{BUILT_IN, Belief, Fixed};
use cara_assistant::{Input, Rules, Session, Toolbox};
use cara_authority::ToolName;
use cara_harness::assistant::{Fixture, Heard, Judge, Reply, Scripted};
use cara_harness::{Subject, with_manifest};
use serde_json::json;
use std::sync::Arc;

/// A key of a stranger's, as an operator who trusts it sees it.
const KEY: &str = "3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f";

/// A stage with the built-in memory, and a stranger's with tools of the same names.
struct Clash {
    fixture: Fixture,
    own: Subject,
    strangers: Subject,
}

impl Clash {
    async fn new(policy: &str) -> Self {
        let mut fixture = Fixture::new().await;
        let policy = toml::from_str(policy).unwrap();
        fixture.assistant.rules = Rules { policy, ..Rules::default() }.into();
        let memory = cara_bundle::components().iter().find(|built_in| built_in.id == "memory").unwrap();
        let manifest = cara_signing::Package::read(memory.wasm).unwrap().manifest().to_owned();
        let manifest = manifest.replacen("id = \"memory\"", "id = \"notes\"", 1);
        let strangers = fixture.testbed.package(with_manifest(memory.wasm, &manifest)).load();
        Self { own: fixture.testbed.first_party("memory").load(), strangers, fixture }
    }

    /// Offers the tools of these signers' components: the built-in one, the stranger's.
    fn offer(&mut self, own: Option<&str>, strangers: Option<&str>) {
        // As the program knows it, whatever is switched on.
        let shared = self.own.component.checked().manifest().tools().iter().map(|tool| tool.name.clone()).collect();
        let mut toolbox = if strangers.is_some() { Toolbox::sharing(shared) } else { Toolbox::default() };
        for (subject, signer) in [(&self.own, own), (&self.strangers, strangers)] {
            let Some(signer) = signer else { continue };
            let belief = Belief { signer: signer.into(), component: true, ..Belief::default() };
            toolbox.add(&subject.component, &subject.grants, &belief).unwrap();
        }
        self.fixture.assistant.tools = Arc::new(Fixed(Arc::new(toolbox)));
    }

    /// Has the model write a value by a tool's name; says what came of it, and of whose tools a person was asked.
    async fn write(&self, tool: &str, approver: Arc<Judge>) -> (String, Vec<String>) {
        let (heard, judge) = (Heard::default(), approver);
        self.say(&mut self.fixture.session(PERSON).await, "Note it", tool, &heard, judge.clone()).await;
        let (_, text, _) = heard.results().remove(0);
        (text, judge.asked().into_iter().map(|asked| asked.component).collect())
    }

    async fn say(&self, session: &mut Session, says: &str, tool: &str, heard: &Heard, judge: Arc<dyn Approver>) {
        let tool = tool.to_owned();
        let model = Scripted::new(move |number, _| match number {
            0 => Reply::calls(&tool, json!({ "key": "drink", "value": "tea" })),
            _ => Reply::says("done"),
        });
        let (_, language_model) = model.shared();
        self.fixture
            .assistant
            .run(session, &language_model, Input::typed(says), heard.run_context(judge))
            .await
            .unwrap();
    }
}

/// What a person was asked about, in a word.
async fn asked(clash: &Clash, tool: &str) -> Vec<String> {
    clash.write(tool, Judge::denying()).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_tools_of_one_name_is_called_to_its_end_by_its_full_name() {
    let mut clash = Clash::new("").await;
    clash.offer(Some(BUILT_IN), Some(KEY));
    let toolbox = clash.fixture.assistant.tools.now().await.unwrap();
    let names: Vec<String> = toolbox.definitions().into_iter().map(|definition| definition.name).collect();
    assert!(names.iter().all(|name| name.starts_with("memory__") || name.starts_with("notes__")), "{names:?}");
    for (component, tool) in [("memory", "memory__memory_write"), ("notes", "notes__memory_write")] {
        let (came, asked) = clash.write(tool, Judge::allowing()).await;
        assert!(came.contains("remembered"), "{tool}: {came}");
        assert_eq!(asked, [component]);
    }
    let (came, asked) = clash.write("memory_write", Judge::allowing()).await;
    assert!(came.contains("there is no tool `memory_write`") && asked.is_empty(), "{came}");
    // Alone, each has its own name.
    clash.offer(Some(BUILT_IN), None);
    assert!(clash.write("memory_write", Judge::allowing()).await.0.contains("remembered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_a_name_that_several_have_lets_none_of_them_run() {
    let (own, strangers) = ("memory__memory_write", "notes__memory_write");
    for (rule, runs) in [
        ("tool = \"memory_write\"", [false, false]),
        ("tool = \"memory_write\"\ncomponent = \"memory\"", [true, false]),
        ("tool = \"memory__memory_write\"", [true, false]),
        ("tool = \"notes__memory_write\"", [false, true]),
    ] {
        let mut clash = Clash::new(&format!("[[rule]]\n{rule}\nthen = \"allow\"")).await;
        clash.offer(Some(BUILT_IN), Some(KEY));
        let free = [asked(&clash, own).await.is_empty(), asked(&clash, strangers).await.is_empty()];
        assert_eq!(free, runs, "{rule}");
    }
    // What denies, denies all of them: nobody's install takes that away.
    let mut clash = Clash::new("[[rule]]\ntool = \"memory_write\"\nthen = \"deny\"").await;
    clash.offer(Some(BUILT_IN), Some(KEY));
    for tool in [own, strangers] {
        let (came, asked) = clash.write(tool, Judge::allowing()).await;
        assert!(came.contains("denied by the policy") && asked.is_empty(), "{came}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_tool_that_stands_alone_is_let_run_by_its_component_and_not_by_its_name() {
    for (rule, runs) in [("", false), ("component = \"notes\"\n", true)] {
        let mut clash = Clash::new(&format!("[[rule]]\ntool = \"memory_write\"\n{rule}then = \"allow\"")).await;
        // Nothing else has the name: what had it may be switched off, or removed.
        let mut toolbox = Toolbox::default();
        let belief = Belief { signer: KEY.into(), ..Belief::default() };
        toolbox.add(&clash.strangers.component, &clash.strangers.grants, &belief).unwrap();
        clash.fixture.assistant.tools = Arc::new(Fixed(Arc::new(toolbox)));
        assert_eq!(asked(&clash, "memory_write").await.is_empty(), runs, "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dictated_is_for_the_tools_of_those_whom_the_operator_believes() {
    for (believed, runs) in [(true, true), (false, false)] {
        let mut clash = Clash::new("").await;
        let mut toolbox = Toolbox::default();
        let belief = Belief { signer: KEY.into(), component: believed, ..Belief::default() };
        toolbox.add(&clash.strangers.component, &clash.strangers.grants, &belief).unwrap();
        clash.fixture.assistant.tools = Arc::new(Fixed(Arc::new(toolbox)));
        let (heard, judge) = (Heard::default(), Judge::denying());
        let mut session = clash.fixture.session(PERSON).await;
        clash.say(&mut session, "Remember under `drink`: tea", "memory_write", &heard, judge.clone()).await;
        assert_eq!(judge.asked().is_empty(), runs, "{believed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_later_install_changes_no_rule_or_answer_in_its_own_favour() {
    let policy = "[[rule]]\ntool = \"memory_write\"\nthen = \"allow\"\n[[rule]]\ntool = \"memory__memory_delete\"\nthen = \"allow\"";
    let mut clash = Clash::new(policy).await;
    clash.offer(Some(BUILT_IN), None);
    assert!(asked(&clash, "memory_write").await.is_empty());
    // The stranger's alone is offered under the name, and is not what the rule was written for.
    clash.offer(None, Some(KEY));
    assert_eq!(asked(&clash, "memory_write").await, ["notes"]);
    clash.offer(Some(BUILT_IN), Some(KEY));
    assert_eq!(asked(&clash, "notes__memory_write").await, ["notes"]);
    let toolbox = clash.fixture.assistant.tools.now().await.unwrap();
    assert!(toolbox.is_shared(&ToolName::parse("memory_delete").unwrap()));

    // "Always" for the one is nothing for the other, and words of the person's do not choose between them.
    clash.fixture.assistant.rules = Rules::default().into();
    let mut session = clash.fixture.session(PERSON).await;
    let always = Judge::new(|_| Some(Answer::Always));
    clash.say(&mut session, "Note it", "memory__memory_write", &Heard::default(), always.clone()).await;
    assert_eq!(always.asked().len(), 1);
    for (says, tool, asks) in [
        ("Note it", "memory__memory_write", 0),
        ("Note it", "notes__memory_write", 1),
        ("Remember under `drink`: tea", "notes__memory_write", 1),
    ] {
        let judge = Judge::denying();
        clash.say(&mut session, says, tool, &Heard::default(), judge.clone()).await;
        assert_eq!(judge.asked().len(), asks, "{says} {tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_good_is_for_the_key_that_signed_and_not_for_its_name() {
    let mut clash = Clash::new("").await;
    let mut session = clash.fixture.session(PERSON).await;
    let other = KEY.replace('3', "4");
    for (signer, asks) in [(KEY, 1), (KEY, 0), (other.as_str(), 1), (BUILT_IN, 1)] {
        clash.offer(None, Some(signer));
        let answer = if signer == KEY { Answer::Always } else { Answer::No(None) };
        let judge = Judge::new(move |_| Some(answer.clone()));
        clash.say(&mut session, "Note it", "memory_write", &Heard::default(), judge.clone()).await;
        assert_eq!(judge.asked().len(), asks, "{signer}");
    }
}
