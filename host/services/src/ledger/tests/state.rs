//! State of components, by the words of `wit/state.wit`.

use super::*;
use cara_authority::{Label, PersonId, Rule, Source};

async fn state(bytes: u64) -> (Place, ComponentState) {
    let place = Place::new();
    let state = place.open().await.state(&powers("a", bytes, true)).unwrap();
    (place, state)
}

fn rule<T: std::fmt::Debug>(done: Result<T, cara_authority::Refusal>) -> Rule {
    done.unwrap_err().rule()
}

#[tokio::test]
async fn what_is_put_is_read_back_also_after_a_restart() {
    let (place, state) = state(1000).await;
    assert_eq!(state.get("k").await.unwrap(), None);
    assert_eq!(state.put("k", b"one", None).await.unwrap(), 1);
    assert_eq!(state.put("k", b"", None).await.unwrap(), 2);
    let again = place.open().await.state(&powers("a", 1000, true)).unwrap();
    assert_eq!(again.get("k").await.unwrap(), Some(Entry { value: vec![], revision: 2, label: Label::UNKNOWN }));
}

#[tokio::test]
async fn a_write_with_another_expected_revision_is_a_conflict_and_changes_nothing() {
    let (_place, state) = state(1000).await;
    assert_eq!(rule(state.put("k", b"x", Some(1)).await), Rule::Conflict);
    assert_eq!(rule(state.delete("k", Some(1)).await), Rule::Conflict);
    assert_eq!(state.put("k", b"x", Some(0)).await.unwrap(), 1);
    for expected in [0, 2, u64::MAX] {
        assert_eq!(rule(state.put("k", b"y", Some(expected)).await), Rule::Conflict);
        assert_eq!(rule(state.delete("k", Some(expected)).await), Rule::Conflict);
    }
    assert_eq!(state.get("k").await.unwrap(), Some(Entry { value: b"x".to_vec(), revision: 1, label: Label::UNKNOWN }));
    assert_eq!(state.put("k", b"y", Some(1)).await.unwrap(), 2);
    state.delete("k", Some(2)).await.unwrap();
    state.delete("k", Some(0)).await.unwrap();
    state.delete("k", None).await.unwrap();
    assert_eq!(state.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn revisions_grow_across_a_delete() {
    let (_place, state) = state(1000).await;
    for _ in 0..3 {
        state.put("k", b"x", None).await.unwrap();
    }
    state.delete("k", None).await.unwrap();
    assert!(state.put("k", b"x", Some(0)).await.unwrap() > 3);
    // An old reader's expectation never fits the new value.
    assert_eq!(rule(state.put("k", b"y", Some(3)).await), Rule::Conflict);
}

#[tokio::test]
async fn keys_and_values_together_keep_within_the_quota() {
    let (place, state) = state(10).await;
    state.put("ab", b"12345678", None).await.unwrap();
    assert_eq!(rule(state.put("c", b"", None).await), Rule::Limit);
    assert_eq!(rule(state.put("ab", b"123456789", None).await), Rule::Limit);
    assert_eq!(state.get("ab").await.unwrap().unwrap().revision, 1);
    state.put("ab", b"1", None).await.unwrap();
    state.put("c", b"123456", None).await.unwrap();
    state.delete("ab", None).await.unwrap();
    state.put("d", b"12", None).await.unwrap();
    // A lowered quota refuses growth, not what makes it smaller.
    let lowered = place.open().await.state(&powers("a", 5, true)).unwrap();
    assert_eq!(rule(lowered.put("c", b"1234567", None).await), Rule::Limit);
    lowered.put("c", b"12345", None).await.unwrap();
    lowered.delete("c", None).await.unwrap();
}

#[tokio::test]
async fn keys_and_values_have_a_largest_size() {
    let (_place, state) = state(u64::from(u32::MAX)).await;
    assert_eq!(rule(state.put("", b"", None).await), Rule::Invalid);
    assert_eq!(rule(state.get("").await), Rule::Invalid);
    assert_eq!(rule(state.delete(&"k".repeat(257), None).await), Rule::Invalid);
    assert_eq!(rule(state.put("k", &vec![0; 256 * 1024 + 1], None).await), Rule::Limit);
    let (key, value) = ("é".repeat(128), vec![7; 256 * 1024]);
    state.put(&key, &value, None).await.unwrap();
    assert_eq!(state.get(&key).await.unwrap().unwrap().value, value);
}

#[tokio::test]
async fn keys_are_listed_by_prefix_sorted_by_bytes_and_at_most_a_thousand() {
    let (place, state) = state(100_000).await;
    for key in ["b", "a%", "a_", "aé", "a", "B", "a\u{10ffff}", "a\0"] {
        state.put(key, b"", None).await.unwrap();
    }
    assert_eq!(state.keys("a").await.unwrap().0, ["a", "a\0", "a%", "a_", "aé", "a\u{10ffff}"]);
    assert_eq!(state.keys("").await.unwrap().0.len(), 8);
    assert_eq!(state.keys("a%").await.unwrap().0, ["a%"]);
    assert!(state.keys(&"a".repeat(300)).await.unwrap().0.is_empty());
    tamper(
        &place.open().await,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
         INSERT INTO component_state SELECT 'a', CAST('n' || i AS BLOB), x'', 1, 'tool' FROM n",
    )
    .await;
    assert_eq!(state.keys("").await.unwrap().0.len(), 1000);
}

#[tokio::test]
async fn a_component_sees_and_changes_only_its_own_state() {
    let place = Place::new();
    let ledger = place.open().await;
    let (a, b) = (ledger.state(&powers("a", 99, true)).unwrap(), ledger.state(&powers("b", 99, true)).unwrap());
    a.put("k", b"of a", None).await.unwrap();
    assert_eq!(b.get("k").await.unwrap(), None);
    assert!(b.keys("").await.unwrap().0.is_empty());
    b.put("k", b"of b", Some(0)).await.unwrap();
    b.delete("k", None).await.unwrap();
    assert_eq!(a.get("k").await.unwrap().unwrap().value, b"of a");
    b.put("k", b"of b", Some(0)).await.unwrap();
    a.delete("k", None).await.unwrap();
    assert_eq!(b.get("k").await.unwrap().unwrap().value, b"of b");
}

#[tokio::test]
async fn a_component_without_the_grant_keeps_no_state() {
    let place = Place::new();
    let ledger = place.open().await;
    assert_eq!(ledger.state(&powers("a", 99, false)).unwrap_err().rule(), Rule::Ungranted);
}

#[tokio::test]
async fn a_component_does_not_learn_where_the_ledger_is() {
    let place = Place::new();
    let ledger = place.open().await;
    let state = ledger.state(&powers("a", 99, true)).unwrap();
    ledger.close().await;
    let refusal = state.get("k").await.unwrap_err();
    assert_eq!(refusal.rule(), Rule::Unavailable);
    assert!(!refusal.to_string().contains(place.folder.path().to_str().unwrap()), "{refusal}");
}

#[tokio::test]
async fn a_call_that_is_dropped_midway_leaves_the_state_whole_and_usable() {
    let place = Place::new();
    let ledger = place.open().await;
    let state = ledger.state(&powers("a", 1000, true)).unwrap();
    for polls in 0..60 {
        let value = vec![1; polls];
        tokio::select! {
            biased;
            _ = state.put("k", &value, None) => {}
            () = async { for _ in 0..polls { tokio::task::yield_now().await } } => {}
        }
    }
    state.put("k", b"last", None).await.unwrap();
    let bytes: i64 = value(&ledger, "SELECT bytes FROM component_state_total").await;
    assert_eq!((bytes, state.get("k").await.unwrap().unwrap().value), (5, b"last".to_vec()));
}

#[tokio::test]
async fn what_is_read_back_has_the_label_it_was_written_with() {
    let (place, state) = state(1000).await;
    let (owner, web) = (Label::of(Source::Owner), Label::of(Source::Web));
    state.clone().labelled(owner.clone()).put("a/1", b"x", None).await.unwrap();
    state.clone().labelled(web.private()).put("a/2", b"y", None).await.unwrap();
    state.put("b", b"z", None).await.unwrap();
    let again = place.open().await.state(&powers("a", 1000, true)).unwrap();
    assert_eq!(again.get("a/1").await.unwrap().unwrap().label, owner);
    assert_eq!(again.get("a/2").await.unwrap().unwrap().label, web.private());
    // Who does not say what it saw is not trusted.
    assert_eq!(again.get("b").await.unwrap().unwrap().label, Label::UNKNOWN);
    assert_eq!(again.keys("a/").await.unwrap().1, owner.join(&web).private());
    // The last one to write decides.
    again.clone().labelled(owner.clone()).put("a/2", b"mine", None).await.unwrap();
    assert_eq!(again.get("a/2").await.unwrap().unwrap().label, owner);
}

#[tokio::test]
async fn what_is_kept_in_one_persons_conversation_is_of_no_other() {
    let (_place, owners) = state(1000).await;
    let of = |person: &str| owners.clone().of(&PersonId::parse(person).unwrap());
    let (anna, anne) = (of("anna"), of("anne"));
    let all = [&owners, &anna, &anne, &of("ann"), &of("group:1")];
    for (number, state) in all.iter().enumerate() {
        assert_eq!(state.put("k", &[number as u8], Some(0)).await.unwrap(), 1, "{number}");
    }
    anna.put("own", b"x", None).await.unwrap();
    for (number, state) in all.iter().enumerate() {
        assert_eq!(state.get("k").await.unwrap().unwrap().value, [number as u8]);
        assert_eq!(state.keys("k").await.unwrap().0, ["k"]);
    }
    assert_eq!(
        (owners.keys("").await.unwrap().0, anna.keys("").await.unwrap().0),
        (vec!["k".into()], vec!["k".into(), "own".into()])
    );
    // No key leads to another's.
    for key in ["anna\0k", "\u{ff}anna\0k", "anna/k"] {
        assert_eq!(owners.get(key).await.unwrap(), None);
        assert_eq!(anna.get(key).await.unwrap(), None);
    }
    assert_eq!(of("local:owner").keys("").await.unwrap().0, ["k"]);
    // All of it counts in the one quota, and can be given back.
    assert_eq!(rule(anne.put("much", &[0; 990], None).await), Rule::Limit);
    anna.delete("own", None).await.unwrap();
    anna.delete("k", None).await.unwrap();
    assert_eq!(owners.get("k").await.unwrap().unwrap().value, [0]);
}
