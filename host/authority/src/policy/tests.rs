//! Precedence of rules, and what labels demand.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::id::{ComponentId, SessionId};

/// The effects of a tool.
fn tool(effects: &[&str]) -> Vec<Effect> {
    effects.iter().map(|name| serde_json::from_value((*name).into()).unwrap()).collect()
}

fn call() -> ToolCall {
    ToolCall {
        component: ComponentId::parse("actor").unwrap(),
        digest: [0; 32],
        tool: ToolName::parse("act").unwrap(),
        arguments: "{}".into(),
        destinations: Vec::new(),
        servers: Vec::new(),
        session: SessionId::parse("s-1").unwrap(),
    }
}

fn decide(rules: &str, effects: &[Effect], seen: &str, provenance: Option<Provenance>) -> Decision {
    let policy: Policy = toml::from_str(rules).unwrap();
    let (call, person) = (call(), PersonId::owner());
    let seen = Label::parse(seen).unwrap();
    let situation = Situation {
        call: &call,
        full_name: &call.tool,
        unclear: false,
        effects,
        agent: "main",
        channel: "console",
        person: &person,
        seen: &seen,
        provenance,
        followed: 0,
        dictated: false,
        queries: false,
    };
    policy.decide(&situation)
}

#[test]
fn reading_runs_and_every_other_effect_is_asked() {
    for reads in [&[][..], &["reads-private"], &["reads-untrusted", "reads-private"]] {
        assert_eq!(decide("", &tool(reads), "owner", None).then(), Action::Allow);
    }
    for acts in ["sends-outside", "changes-state", "runs-code", "spends"] {
        let decision = decide("", &tool(&["reads-private", acts]), "owner", None);
        assert_eq!(decision.then(), Action::Ask);
        assert!(decision.may_be_answered_by_rule() && decision.lines()[0].why.contains(acts));
    }
}

#[test]
fn any_denial_wins_and_then_the_most_specific_rule() {
    let acts = tool(&["changes-state"]);
    let rules = "[[rule]]\ntool = \"act\"\nthen = \"allow\"\n[[rule]]\neffect = \"changes-state\"\nthen = \"ask\"\n";
    assert_eq!(decide(rules, &acts, "owner", None).lines()[0].name, "policy.rule 1");
    let by_sender = format!("{rules}[[rule]]\nsender = \"local:owner\"\nthen = \"ask\"\n");
    assert_eq!(decide(&by_sender, &acts, "owner", None).lines()[0].name, "policy.rule 3");
    let denied = format!("{by_sender}[[rule]]\nthen = \"deny\"\n");
    let decision = decide(&denied, &acts, "owner", None);
    assert_eq!((decision.then(), decision.lines()[0].name.as_str()), (Action::Deny, "policy.rule 4"));
    let tie = "[[rule]]\ntool = \"act\"\nthen = \"allow\"\n[[rule]]\ntool = \"act\"\nthen = \"ask\"\n";
    assert_eq!(decide(tie, &acts, "owner", None).then(), Action::Ask);
    let other = "[[rule]]\ntool = \"act\"\nsender = \"loca\"\nthen = \"allow\"\n";
    assert_eq!(decide(other, &acts, "owner", None).then(), Action::Ask);
}

#[test]
fn a_name_that_several_have_lets_none_run_and_still_denies_all() {
    let (call, person) = (call(), PersonId::owner());
    let full_name = ToolName::parse("actor__act").unwrap();
    for (rule, then) in [
        ("tool = \"act\"\nthen = \"allow\"", Action::Ask),
        ("tool = \"act\"\ncomponent = \"actor\"\nthen = \"allow\"", Action::Allow),
        ("tool = \"actor__act\"\nthen = \"allow\"", Action::Allow),
        ("tool = \"other__act\"\nthen = \"allow\"", Action::Ask),
        ("tool = \"act\"\nthen = \"deny\"", Action::Deny),
    ] {
        let policy: Policy = toml::from_str(&format!("[[rule]]\n{rule}")).unwrap();
        let situation = Situation {
            call: &call,
            full_name: &full_name,
            unclear: true,
            effects: &tool(&["changes-state"]),
            agent: "main",
            channel: "console",
            person: &person,
            seen: &Label::NONE,
            provenance: None,
            followed: 0,
            dictated: false,
            queries: false,
        };
        assert_eq!(policy.decide(&situation).then(), then, "{rule}");
    }
}

#[test]
fn no_rule_lets_an_effect_run_once_untrusted_content_was_seen() {
    let run = "[[rule]]\nsender = \"local:owner\"\ntool = \"act\"\nthen = \"allow\"\n";
    for acts in ["sends-outside", "changes-state", "runs-code", "spends"] {
        for seen in ["owner+web", "file", "other-person"] {
            let decision = decide(run, &tool(&[acts]), seen, None);
            assert_eq!(decision.then(), Action::Ask, "{acts} {seen}");
            assert!(!decision.may_be_answered_by_rule());
            assert_eq!(decision.lines()[0].name, "label.untrusted");
        }
        assert_eq!(decide(run, &tool(&[acts]), "owner+tool", None).then(), Action::Allow);
    }
}

#[test]
fn private_content_goes_only_where_somebody_named_it() {
    let fetch = tool(&["reads-untrusted"]);
    for (provenance, then) in [
        (Provenance::Configured, Action::Allow),
        (Provenance::Owner, Action::Allow),
        (Provenance::Content, Action::Ask),
        (Provenance::Model, Action::Ask),
    ] {
        assert_eq!(decide("", &fetch, "owner+private", Some(provenance)).then(), then, "{provenance:?}");
    }
    let send = tool(&["sends-outside"]);
    let run = "[[rule]]\ntool = \"act\"\nthen = \"allow\"\n";
    assert_eq!(decide(run, &send, "owner+private", None).then(), Action::Ask);
}

#[test]
fn after_untrusted_content_only_addresses_that_were_read_or_given_are_fetched() {
    let fetch = tool(&["reads-untrusted"]);
    for (provenance, then) in [
        (Provenance::Configured, Action::Allow),
        (Provenance::Owner, Action::Allow),
        (Provenance::Content, Action::Allow),
        (Provenance::Model, Action::Ask),
    ] {
        assert_eq!(decide("", &fetch, "owner+web", Some(provenance)).then(), then, "{provenance:?}");
    }
    assert_eq!(decide("", &fetch, "owner", Some(Provenance::Model)).then(), Action::Allow);
    let (call, person) = (call(), PersonId::owner());
    let situation = Situation {
        call: &call,
        full_name: &call.tool,
        unclear: false,
        effects: &fetch,
        agent: "main",
        channel: "console",
        person: &person,
        seen: &Label::of(Source::Web),
        provenance: Some(Provenance::Content),
        followed: FOLLOWED + 1,
        dictated: false,
        queries: false,
    };
    assert_eq!(Policy::default().decide(&situation).lines()[0].name, "label.followed");
}

#[test]
fn a_destination_is_named_by_its_whole_origin() {
    let policy: Policy =
        toml::from_str("private-destinations = [\"https://wiki.example.org\", \"post:me:1\"]").unwrap();
    assert!(policy.names("https://wiki.example.org/a?b") && policy.names("post:me:1"));
    for other in [
        "https://wiki.example.org.evil.example/",
        "http://wiki.example.org/",
        "post:me:12",
        "https://evil.example/https://wiki.example.org",
    ] {
        assert!(!policy.names(other), "{other}");
    }
}

#[test]
fn a_name_that_nothing_has_is_an_error() {
    let known =
        Known { tools: &["act".into()], components: &[], agents: &["main".into()], channels: &["console".into()] };
    let policy: Policy =
        toml::from_str("[[rule]]\ntool = \"act\"\nthen = \"ask\"\n[[rule]]\ntool = \"akt\"\nthen = \"deny\"").unwrap();
    let error = policy.check(&known).unwrap_err().to_string();
    assert!(error.contains("rule 2") && error.contains("`akt`") && error.contains("there are `act`"), "{error}");
    assert!(toml::from_str::<Policy>("[[rule]]\ntools = \"act\"\nthen = \"ask\"").is_err());
    assert!(toml::from_str::<Policy>("[[rule]]\ntool = \"act\"\nthen = \"forbid\"").is_err());
}

#[test]
fn results_are_believed_only_where_the_operator_says_so() {
    let (pure, reads, own) = (tool(&[]), tool(&["reads-untrusted"]), tool(&["reads-private"]));
    let label = |effects: &[Effect], http, believed, known| result_label(effects, http, believed, known).to_string();
    for (tool, http, believed, known, expected) in [
        (&pure, false, false, None, "tool+component"),
        (&pure, false, true, None, "tool"),
        (&pure, true, true, None, "web+tool"),
        (&pure, true, false, None, "web+tool"),
        (&reads, false, true, None, "web+tool"),
        (&own, true, true, None, "web+tool+private"),
        (&own, true, false, Some(Results::Private), "tool+private"),
        (&pure, true, false, Some(Results::Private), "tool+private"),
        (&pure, true, false, Some(Results::Trusted), "tool"),
        (&pure, false, true, Some(Results::Untrusted), "tool+component"),
        (&pure, true, true, Some(Results::Untrusted), "web+tool"),
    ] {
        assert_eq!(label(tool, http, believed, known), expected, "{http} {believed} {known:?}");
    }
    let decision = decide("[[rule]]\nthen = \"allow\"", &tool(&["changes-state"]), "owner+tool+component", None);
    assert_eq!((decision.then(), decision.lines()[0].name.as_str()), (Action::Ask, "label.untrusted"));
}

#[test]
fn what_was_dictated_is_not_asked_but_for_rules_money_and_code() {
    for (rules, effects, dictated, then) in [
        ("", &["sends-outside"][..], true, Action::Allow),
        ("", &["sends-outside", "changes-state", "reads-private"], true, Action::Allow),
        ("", &["sends-outside"], false, Action::Ask),
        ("", &["spends"], true, Action::Ask),
        ("", &["runs-code", "changes-state"], true, Action::Ask),
        ("[[rule]]\nthen = \"ask\"", &["sends-outside"], true, Action::Ask),
        ("[[rule]]\nthen = \"deny\"", &["sends-outside"], true, Action::Deny),
        // A rule is no answer to what labels ask, and what was dictated is none where money is spent.
        ("[[rule]]\nthen = \"allow\"", &["spends"], true, Action::Ask),
    ] {
        let policy: Policy = toml::from_str(rules).unwrap();
        let (call, person, tool) = (call(), PersonId::owner(), tool(effects));
        let situation = Situation {
            call: &call,
            full_name: &call.tool,
            unclear: false,
            effects: &tool,
            agent: "main",
            channel: "console",
            person: &person,
            seen: &Label::parse("owner+web+private").unwrap(),
            provenance: Some(Provenance::Owner),
            followed: 0,
            dictated,
            queries: false,
        };
        assert_eq!(policy.decide(&situation).then(), then, "{rules} {effects:?} {dictated}");
    }
}

#[test]
fn run_is_no_action_and_the_word_that_is_one_is_said() {
    let refused = toml::from_str::<Policy>(&format!("[[rule]]\nthen = {:?}", "run")).unwrap_err();
    assert!(refused.message().ends_with("`run` is no action\nhint: write `then = \"allow\"`"), "{refused}");
    assert_eq!(serde_json::to_string(&Action::Allow).unwrap(), "\"allow\"");
}
