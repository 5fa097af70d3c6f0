//! Answers, and questions of any length.

use super::*;
use cara_authority::{Label, Source};

fn asked(id: &str, always: Option<&str>, arguments: &str) -> Asked {
    Asked {
        id: id.into(),
        component: "memory".into(),
        signer: None,
        digest: "ab".repeat(32),
        tool: "memory_write".into(),
        arguments: arguments.into(),
        destinations: Vec::new(),
        servers: Vec::new(),
        session: "s-abc".into(),
        seen: Label::of(Source::Owner),
        why: vec!["it changes what is kept".into()],
        always: always.map(str::to_owned),
        within_session: false,
        deadline_ms: 0,
    }
}

fn reply(calls: &[Asked], line: &str) -> Reply {
    let mut question = Question::new(calls, Screen::USUAL);
    question.lines();
    question.reply(line)
}

#[test]
fn only_a_whole_line_is_an_answer() {
    let plain = asked("a-7k2abc", Some("`memory_write` in this session"), "{}");
    let one = |line| reply(std::slice::from_ref(&plain), line);
    for (line, answer) in [
        ("y", Answer::Once),
        (" YES ", Answer::Once),
        ("y 7K2", Answer::Once),
        ("a", Answer::Always),
        ("always", Answer::Always),
        ("N", Answer::No(None)),
        ("no:", Answer::No(None)),
        ("n: too far: really", Answer::No(Some("too far: really".into()))),
    ] {
        assert_eq!(one(line), Reply::Answers(vec![answer]), "{line}");
    }
    for unclear in [
        "",
        "once you're done, remind me of the milk",
        "a quick question before that",
        "yes please",
        "y and then some",
        "n too far",
        "no problem",
        "ok",
        "yn",
        "1",
        "1y 2y",
        "2y",
        "1y 1n",
        "v 2",
        "vegetables",
        "y 7k3",
    ] {
        assert!(matches!(one(unclear), Reply::Unclear(_)), "{unclear}: {:?}", one(unclear));
    }
}

#[test]
fn where_labels_ask_an_answer_repeats_the_id_and_no_rule_is_stored() {
    let labelled = asked("a-7k2abc", None, "{}");
    let one = |line| reply(std::slice::from_ref(&labelled), line);
    for line in ["y", "a", "a 7k2", "y 7k3", "y abc"] {
        assert!(matches!(one(line), Reply::Unclear(_)), "{line}");
    }
    for line in ["y 7k2", "Y 7K2", "yes a-7k2abc"] {
        assert_eq!(one(line), Reply::Answers(vec![Answer::Once]), "{line}");
    }
    assert_eq!(one("n"), Reply::Answers(vec![Answer::No(None)]));
    assert!(Question::new(&[labelled], Screen::USUAL).prompt().contains("`y 7k2`"));
}

#[test]
fn a_round_is_answered_together_or_each_by_its_number() {
    let (plain, labelled) = (asked("a-aaaaaa", Some("x"), "{}"), asked("a-bbbbbb", None, "{}"));
    let calls = [plain, labelled];
    let round = |line| reply(&calls, line);
    let (yes, no) = (Answer::Once, Answer::No(None));
    assert_eq!(round("n"), Reply::Answers(vec![no.clone(), no.clone()]));
    assert_eq!(round("y bbb"), Reply::Answers(vec![yes.clone(), yes.clone()]));
    assert_eq!(round("1y 2n"), Reply::Answers(vec![yes.clone(), no.clone()]));
    assert_eq!(round("2n, 1y"), Reply::Answers(vec![Answer::Once, no.clone()]));
    assert_eq!(round("1n 2y bbb"), Reply::Answers(vec![no, yes]));
    // What a rule would store is not shown there.
    for unclear in ["y", "1y", "2y bbb", "1y 2y", "1y 2y 3y bbb", "1y 1y", "a", "1a 2n", "0y 1y"] {
        assert!(matches!(round(unclear), Reply::Unclear(_)), "{unclear}");
    }
    assert_eq!(round("v 2"), Reply::View(1));
    assert!(matches!(round("v"), Reply::Unclear(_)));
}

#[test]
fn a_question_never_takes_more_than_a_screen_and_shows_beginning_and_end() {
    let long = format!("{{\"body\":\"begins here {} ends here\"}}", "字 words ".repeat(5000));
    let mut call = asked("a-7k2abc", None, &long);
    call.destinations = vec![format!("https://example.org/{}", "p/".repeat(2000))];
    call.why = vec!["a reason ".repeat(300)];
    for (columns, rows) in [(80, 24), (40, 12), (200, 50), (80, 10)] {
        let mut question = Question::new(std::slice::from_ref(&call), Screen { columns, rows });
        let lines = question.lines();
        assert!(lines.len() < rows, "{rows}: {}", lines.len());
        for line in &lines {
            let width: usize = line.chars().map(|c| if c == '字' { 2 } else { 1 }).sum();
            assert!(width <= columns, "{columns}: {line}");
        }
        assert!(lines[0].contains("memory_write") && lines[1].contains("https://example.org/"), "{lines:#?}");
        let text = lines.join("\n");
        assert!(text.contains("begins here") && text.contains("ends here") || rows < 20, "{text}");
        // What was cut is allowed only after it was seen whole.
        assert!(matches!(question.reply("y 7k2"), Reply::Unclear(text) if text.contains("`v`")));
        assert_eq!(question.reply("n"), Reply::Answers(vec![Answer::No(None)]));
        let whole: String = question.whole(0).iter().filter_map(|line| line.get("│          ".len()..)).collect();
        assert!(whole.contains(&"字 words ".repeat(5000)));
        question.was_seen(0);
        assert_eq!(question.reply("y 7k2"), Reply::Answers(vec![Answer::Once]));
    }
}

#[test]
fn a_round_of_six_fits_a_screen() {
    let calls: Vec<Asked> = (0..6).map(|at| asked(&format!("a-{at}kabcd"), Some("x"), &"y".repeat(900))).collect();
    let lines = Question::new(&calls, Screen::USUAL).lines();
    assert!(lines.len() < 24, "{}", lines.len());
    for at in 1..=6 {
        assert!(lines.iter().any(|line| line.starts_with(&format!("┌ {at} memory_write"))), "{lines:#?}");
    }
}

#[test]
fn what_does_not_show_is_written_out() {
    let call = asked("a-7k2abc", None, "{\"a\":\"\u{202e}\u{1b}[2J\u{200b}\"}");
    let text = Question::new(&[call], Screen::USUAL).lines().join("\n");
    assert!(text.contains("\\u{202e}\\u{1b}[2J\\u{200b}"), "{text}");
}
