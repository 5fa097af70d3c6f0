//! Writers that race, and state against a model of itself.

use super::*;
use cara_authority::Label;
use cara_authority::Rule;
use proptest::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost_between_tasks_and_processes() {
    let place = Place::new();
    // Each ledger has its own connections, as each process would.
    let ledgers = [place.open().await, place.open().await];
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let state = ledgers[task % 2].state(&powers("a", 99, true)).unwrap();
            tokio::spawn(async move {
                for _ in 0..50 {
                    while !increment(&state).await {}
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let entry = ledgers[0].state(&powers("a", 99, true)).unwrap().get("n").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (b"400".to_vec(), 400));
}

async fn increment(state: &ComponentState) -> bool {
    let (number, revision) = match state.get("n").await.unwrap() {
        Some(entry) => (String::from_utf8(entry.value).unwrap().parse::<u64>().unwrap(), entry.revision),
        None => (0, 0),
    };
    match state.put("n", (number + 1).to_string().as_bytes(), Some(revision)).await {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal.rule(), Rule::Conflict, "{refusal}");
            false
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Put(u8, u8, Option<u64>),
    Delete(u8, Option<u64>),
}

fn act() -> impl Strategy<Value = Act> {
    let expected = || prop_oneof![3 => Just(None), 1 => (0..6_u64).prop_map(Some)];
    prop_oneof![
        3 => (0..3_u8, 0..12_u8, expected()).prop_map(|(key, length, expected)| Act::Put(key, length, expected)),
        1 => (0..3_u8, expected()).prop_map(|(key, expected)| Act::Delete(key, expected)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn state_does_what_a_map_with_revisions_and_a_quota_does(acts in prop::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(against_a_model(acts));
    }
}

async fn against_a_model(acts: Vec<Act>) {
    const QUOTA: usize = 24;
    let place = Place::new();
    let state = place.open().await.state(&powers("a", QUOTA as u64, true)).unwrap();
    let mut model: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    for act in acts {
        let (key, length, expected) = match act {
            Act::Put(key, length, expected) => (format!("k{key}"), Some(usize::from(length)), expected),
            Act::Delete(key, expected) => (format!("k{key}"), None, expected),
        };
        let stored = model.get(&key).map_or(0, |(_, revision)| *revision);
        let conflict = expected.is_some_and(|expected| expected != stored);
        let Some(length) = length else {
            assert_eq!(state.delete(&key, expected).await.is_err(), conflict);
            if !conflict {
                model.remove(&key);
            }
            continue;
        };
        let held = |model: &BTreeMap<String, (usize, u64)>| model.iter().map(|(k, (n, _))| k.len() + n).sum::<usize>();
        let mut wanted = model.clone();
        wanted.insert(key.clone(), (length, stored));
        let over = held(&wanted) > QUOTA && held(&wanted) > held(&model);
        match state.put(&key, &vec![1; length], expected).await {
            Ok(revision) => {
                assert!(!conflict && !over);
                let before = highest.insert(key.clone(), revision);
                assert!(before.is_none_or(|before| revision > before), "{key}: {revision} after {before:?}");
                model.insert(key, (length, revision));
            }
            Err(refusal) if conflict => assert_eq!(refusal.rule(), Rule::Conflict),
            Err(refusal) => assert!(over && refusal.rule() == Rule::Limit, "{refusal}"),
        }
    }
    assert!(state.keys("").await.unwrap().0.iter().eq(model.keys()));
    for (key, (length, revision)) in model {
        let entry = Entry { value: vec![1; length], revision, label: Label::UNKNOWN };
        assert_eq!(state.get(&key).await.unwrap(), Some(entry));
    }
}
