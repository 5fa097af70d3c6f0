//! `cara policy`: golden texts.

use crate::home::{Home, fits_a_terminal};

/// A rule of each kind that the golden texts show.
const RULES: &str = r#"
[policy]
private-destinations = ["https://wiki.example.org"]
[[policy.rule]]
tool = "memory_write"
then = "allow"
[[policy.rule]]
component = "memory"
agent = "clerk"
then = "deny"
[agent.clerk]
system = "Be exact."
"#;

#[track_caller]
fn prints(home: &Home, arguments: &[&str], expected: &str) {
    let printed = home.ok(arguments);
    fits_a_terminal(&printed);
    assert_eq!(printed, expected, "\n{printed}");
}

#[test]
fn an_explanation_names_what_happens_and_every_line_that_spoke() {
    let home = Home::new();
    home.configure(RULES);
    prints(
        &home,
        &["policy", "explain", "time_now", "{\"zone\": \"Europe/Oslo\"}"],
        "call         time_now of time\n\
         arguments    {\"zone\":\"Europe/Oslo\"}\n\
         seen         owner\n\
         then         it runs\n\
         decided by   default: allow; it only reads or computes\n",
    );
    let write = ["policy", "explain", "memory_write", r#"{"value":"b","key":"a"}"#];
    prints(
        &home,
        &write,
        "call         memory_write of memory\n\
         arguments    {\"key\":\"a\",\"value\":\"b\"}\n\
         seen         owner\n\
         then         it runs\n\
         decided by   policy.rule 1: allow; tool = `memory_write`: allow\n\
         but          the tool is off: `cara tools enable memory` switches it on\n",
    );
    home.ok(&["tools", "enable", "memory", "fetch"]);
    prints(
        &home,
        &[&write[..], &["--seen", "owner+web"]].concat(),
        "call         memory_write of memory\n\
         arguments    {\"key\":\"a\",\"value\":\"b\"}\n\
         seen         owner+web\n\
         then         a person is asked\n\
         decided by   label.untrusted: ask; the run has seen web content, and this call\n             \
         changes-state\n\
         also         policy.rule 1: allow; tool = `memory_write`: allow\n",
    );
    prints(
        &home,
        &[&write[..], &["--agent", "clerk"]].concat(),
        "call         memory_write of memory\n\
         arguments    {\"key\":\"a\",\"value\":\"b\"}\n\
         seen         owner\n\
         then         it is denied\n\
         decided by   policy.rule 2: deny; component = `memory`, agent = `clerk`: deny\n",
    );
}

#[test]
fn an_explanation_depends_on_how_the_destination_came_about() {
    let home = Home::new();
    home.configure(RULES);
    let then = |url: &str, more: &[&str]| {
        let arguments = format!("{{\"url\":\"{url}\"}}");
        let explained = home.json(&[&["policy", "explain", "fetch_page", &arguments, "--json"][..], more].concat());
        let line = explained["lines"][0]["name"].as_str().unwrap().to_owned();
        (explained["then"].as_str().unwrap().to_owned(), line, explained["provenance"].as_str().unwrap().to_owned())
    };
    let of = |then: &str, line: &str, provenance: &str| (then.to_owned(), line.to_owned(), provenance.to_owned());
    let (other, named) = ("https://a.example/x", "https://wiki.example.org/x");
    assert_eq!(then(other, &[]), of("allow", "default", "model"));
    assert_eq!(then(other, &["--seen", "owner+private"]), of("ask", "label.private", "model"));
    assert_eq!(then(named, &["--seen", "owner+private"]), of("allow", "default", "configured"));
    assert_eq!(then(other, &["--seen", "web"]), of("ask", "label.destination", "model"));
    assert_eq!(then(other, &["--seen", "web", "--provenance", "content"]), of("allow", "default", "content"));
    let none = home.fails(&["policy", "explain", "time_now", "--provenance", "content"]);
    assert!(none.contains("has no destination"), "{none}");
}

#[test]
fn what_does_not_fit_or_exist_is_an_error() {
    let home = Home::new();
    let error = home.fails(&["policy", "explain", "memory_write", r#"{"key":1}"#]);
    assert!(error.contains("do not fit its schema") && error.contains("/key"), "{error}");
    assert!(home.fails(&["policy", "explain", "memory_write", "[]"]).contains("not a JSON object"));
    assert!(home.fails(&["policy", "explain", "no_such"]).contains("hint: `cara tools list`"));
    assert!(home.fails(&["policy", "explain", "time_now", "--agent", "nobody"]).contains("there is no agent `nobody`"));
    assert!(home.fails(&["policy", "explain", "time_now", "--channel", "post"]).contains("there is no channel `post`"));
    assert_eq!(home.run(&["policy", "explain", "time_now", "--seen", "stranger"]).status.code(), Some(2));
    home.configure("[[policy.rule]]\ntool = \"memory_right\"\nthen = \"allow\"");
    let error = home.fails(&["policy", "show"]);
    assert!(error.contains("rule 1") && error.contains("`memory_right`"), "{error}");
}

#[test]
fn whose_results_are_believed_is_said_by_key_and_not_by_name() {
    let (home, _) = Home::trusting();
    home.configure("[results]\nsigners = [\"built-in\", \"acme\"]");
    let error = home.fails(&["policy", "show"]);
    let listed = home.json(&["trust", "list", "--json"]);
    let key = listed["keys"][0]["key"].as_str().unwrap();
    assert!(error.contains("a name that another key can get") && error.contains(key), "{error}");
    home.configure(&format!("[results]\nsigners = [\"built-in\", \"{key}\"]"));
    home.ok(&["policy", "show"]);
}

#[test]
fn the_policy_in_force_is_shown_with_numbers_defaults_and_labels() {
    let home = Home::new();
    home.configure(RULES);
    prints(
        &home,
        &["policy", "show"],
        "rules: one that denies wins, then the most specific one
(sender, channel, agent, tool, component, effect; at a tie the stricter one)
    1  tool = `memory_write`: allow
    2  component = `memory`, agent = `clerk`: deny
defaults, where no rule fits: the strictest of a tool's effects
  none               allow
  reads-private      allow
  reads-untrusted    allow
  sends-outside      ask
  changes-state      ask
  runs-code          ask
  spends             ask
labels: asked on top of rules and defaults; no rule takes that away
  label.untrusted    after content of strangers (web, file, other-person,
                     component), a call that sends outside, changes state, runs
                     code or spends is asked
  label.private      after private content, a call that sends outside or has a
                     destination is asked, unless the configuration names the
                     destination in `private-destinations`, the owner wrote it,
                     or a query in the words of a message without private
                     content found it
  label.destination  after content of strangers, a call to a destination that
                     the model put together is asked
  label.followed     after content of strangers, links out of it are followed,
                     and queries in the owner's words asked, as long as the
                     choice among them tells at most 120 bits in a session,
                     tenfold for a link after private content; a yes allows as
                     much again
  label.query        after private content and content of strangers, the queries
                     of a run that have other words than the owner's message are
                     asked about once
destinations that may be told private things
  https://wiki.example.org
",
    );
    assert_eq!(home.json(&["policy", "show", "--json"])["rules"][1]["then"], "deny");
}
