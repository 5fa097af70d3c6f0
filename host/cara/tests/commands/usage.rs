//! `cara usage`.

use crate::home::{HELLO, Home};

#[test]
fn what_was_used_is_summed_up_and_what_is_left_of_a_budget_is_said() {
    let home = Home::new();
    assert!(home.notes(&["usage"]).contains("no model was called"));
    home.configure("[budget.run]\ntokens = 5000000\n[budget.day]\ntokens = 5000000\ndollars = 2.5\n[budget.component.rehearsal]\ntokens = 6000000");
    home.chat(HELLO, "hi", &[]);
    home.chat(HELLO, "hi again", &[]);
    for (by, groups) in [("day", 1), ("session", 2), ("run", 2), ("component", 1), ("model", 1)] {
        let used = home.json(&["usage", "--by", by, "--json"])["used"].clone();
        let used = used.as_array().unwrap();
        let sum = |key: &str| used.iter().map(|row| row[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!((used.len(), sum("calls")), (groups, 2), "{by}");
        assert_eq!((sum("input-tokens"), sum("output-tokens")), (200, 40), "{by}");
        assert!(used.iter().all(|row| row["dollars"] == 0.0 && row["calls-without-price"] == 0), "{by}: {used:?}");
    }
    let text = home.ok(&["usage", "--by", "model"]);
    for part in [
        "MODEL             CALLS  TOKENS IN  TOKENS OUT  DOLLARS\n",
        "rehearsal/script  2      200        40          0.0000\n",
        "budget       of each run: 5000000 tokens\n",
        "budget       of today: 5000000 tokens, 4999760 left; $2.50, $2.5000 left\n",
        "budget       of rehearsal, today: 6000000 tokens, 5999760 left\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(home.run(&["usage", "--since", "0"]).status.code(), Some(2));
}
