//! Memory, by the words of `wit/memory.wit`.

use super::*;
use cara_authority::Rule;

async fn memory() -> (Place, Memory) {
    let place = Place::new();
    let memory = records_at(&place, 1_000).await.memory(&person("anna"));
    (place, memory)
}

fn own() -> Label {
    Label::of(Source::Owner)
}

async fn found(memory: &Memory, query: &str) -> Vec<String> {
    memory.search(query, 50).await.unwrap().into_iter().map(|entry| entry.key).collect()
}

fn rule<T: std::fmt::Debug>(done: Result<T, MemoryError>) -> Rule {
    match done.unwrap_err() {
        MemoryError::Refused(refusal) => refusal.rule(),
        MemoryError::Ledger(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_is_written_is_read_replaced_listed_and_forgotten() {
    let (place, memory) = memory().await;
    memory.write("birthday/ben", "3 May", own()).await.unwrap();
    memory.write("birthday/anna", "9 June", own()).await.unwrap();
    memory.write("city", "Graz", Label::of(Source::Web)).await.unwrap();
    memory.write("city", "Linz", own().private()).await.unwrap();
    let again = records_at(&place, 2_000).await.memory(&person("anna"));
    let entry = Remembered {
        key: "city".into(),
        value: "Linz".into(),
        label: own().private(),
        changed_ms: 1_000,
        origin: None,
    };
    assert_eq!(again.read("city").await.unwrap(), Some(entry));
    assert_eq!(again.keys("birthday/").await.unwrap(), ["birthday/anna", "birthday/ben"]);
    assert!(again.delete("city").await.unwrap());
    assert!(!again.delete("city").await.unwrap());
    assert_eq!(memory.read("city").await.unwrap(), None);
    assert_eq!(memory.keys("").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_person_finds_nothing_of_another() {
    let (place, anna) = memory().await;
    anna.write("k", "walnut", own()).await.unwrap();
    let ben = records_at(&place, 1).await.memory(&person("ben"));
    assert_eq!(ben.read("k").await.unwrap(), None);
    assert!(ben.keys("").await.unwrap().is_empty() && found(&ben, "walnut").await.is_empty());
    assert!(!ben.delete("k").await.unwrap());
    ben.write("k", "hazel", own()).await.unwrap();
    assert_eq!(anna.read("k").await.unwrap().unwrap().value, "walnut");
    assert_eq!(found(&anna, "hazel").await.len(), 0);
}

#[tokio::test]
async fn keys_values_and_the_whole_have_a_largest_size() {
    let (_place, memory) = memory().await;
    assert_eq!(rule(memory.write("", "v", own()).await), Rule::Invalid);
    assert_eq!(rule(memory.write(&"k".repeat(129), "v", own()).await), Rule::Invalid);
    assert_eq!(rule(memory.write("k", &"v".repeat(16 * 1024 + 1), own()).await), Rule::Limit);
    // 63 full values and their keys are under 1 MiB, a 64th is over it.
    let full = "v".repeat(16 * 1024);
    for n in 0..63 {
        memory.write(&format!("k{n:02}"), &full, own()).await.unwrap();
    }
    assert_eq!(rule(memory.write("k63", &full, own()).await), Rule::Limit);
    memory.write("k00", "short", own()).await.unwrap();
    memory.write("k63", &full, own()).await.unwrap();
}

#[tokio::test]
async fn no_more_than_a_thousand_entries_are_kept() {
    let (_place, memory) = memory().await;
    for n in 0..1_000 {
        memory.write(&n.to_string(), "v", own()).await.unwrap();
    }
    assert_eq!(rule(memory.write("one more", "v", own()).await), Rule::Limit);
    memory.write("7", "w", own()).await.unwrap();
    assert!(memory.delete("8").await.unwrap());
    memory.write("one more", "v", own()).await.unwrap();
    assert_eq!(found(&memory, "v").await.len(), 50);
}

#[tokio::test]
async fn search_finds_entries_with_all_words_whatever_their_case_and_accents() {
    let (_place, memory) = memory().await;
    memory.write("coffee", "Anna likes strong coffee, no sugar. Coffee!", own()).await.unwrap();
    memory.write("café", "The Café Prückel opens at eight; coffee is dear there", own()).await.unwrap();
    memory.write("tea", "No tea after six", own()).await.unwrap();
    assert_eq!(found(&memory, "COFFEE").await, ["coffee", "café"]);
    assert_eq!(found(&memory, "coff dear").await, ["café"]);
    assert_eq!(found(&memory, "cafe pruckel").await, ["café"]);
    assert_eq!(found(&memory, "cafe\u{301}").await, ["café"]);
    assert_eq!(found(&memory, "tea-after").await, ["tea"]);
    assert!(found(&memory, "coffee tea").await.is_empty());
    assert_eq!(memory.search("coffee", 1).await.unwrap().len(), 1);
    assert_eq!(memory.search("coffee", 0).await.unwrap()[0].label, own());
}

#[tokio::test]
async fn search_sees_what_this_and_other_processes_changed() {
    let (place, memory) = memory().await;
    let other = records_at(&place, 1).await.memory(&person("anna"));
    memory.write("a", "walnut", own()).await.unwrap();
    assert_eq!(found(&memory, "walnut").await, ["a"]);
    other.write("b", "walnut", own()).await.unwrap();
    other.delete("a").await.unwrap();
    assert_eq!(found(&memory, "walnut").await, ["b"]);
    memory.write("b", "hazel", own()).await.unwrap();
    assert!(found(&memory, "walnut").await.is_empty());
}

#[tokio::test]
async fn a_hostile_query_is_nothing_but_words() {
    let (_place, memory) = memory().await;
    memory.write("a", "alpha beta", own()).await.unwrap();
    memory.write("b", "beta OR not near", own()).await.unwrap();
    for (query, keys) in [
        ("", &[][..]),
        ("\"", &[]),
        ("*", &[]),
        ("\0", &[]),
        ("alpha\0 OR beta", &[]),
        ("alpha OR gamma", &[]),
        ("alpha NOT beta", &[]),
        ("key:alpha", &[]),
        ("\" OR \"beta", &["b"]),
        ("alpha\" * ) OR (\"", &[]),
        ("NEAR(alpha beta)", &[]),
        ("alpha) beta", &["a"]),
        ("^alpha", &["a"]),
        ("- + {alpha} : beta", &["a"]),
        ("alpha'; DROP TABLE memories; --", &[]),
        ("beta\u{202e}", &["a", "b"]),
    ] {
        let mut all = found(&memory, query).await;
        all.sort();
        assert_eq!(all, keys, "{query:?}");
    }
    assert!(found(&memory, &"x ".repeat(100_000)).await.is_empty());
    assert!(found(&memory, &(0..5_000).map(|n| format!("w{n} ")).collect::<String>()).await.is_empty());
}
