//! Answers to programs: so many of one person, and so many bytes.

use super::*;

#[tokio::test]
async fn of_one_person_only_so_many_answers_and_bytes_are_kept_and_the_oldest_go() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let (anna, ben) = (person("anna"), person("ben"));
    let long = "x".repeat(1_000);
    let keep = async |id: &str, person: &PersonId, response: &str, most, bytes| {
        let process = id.starts_with("resp_w").then_some("p");
        let new = NewResponse { id, person, previous: None, input: "[]", response, process };
        records.keep_response_within(&new, most, bytes).await.unwrap();
    };
    let ids = async |person: &PersonId| {
        let all = records.responses_of(person).await.unwrap();
        all.into_iter().map(|kept| kept.id).collect::<Vec<_>>()
    };
    keep("resp_b0", &ben, &long, 3, 4_000).await;
    for number in 1..=4 {
        keep(&format!("resp_{number}"), &anna, "{}", 3, 4_000).await;
    }
    assert_eq!(ids(&anna).await, ["resp_2", "resp_3", "resp_4"], "so many");
    // What is worked at stays, whatever there is beside it.
    keep("resp_w1", &anna, &long, 9, 4_000).await;
    for number in 5..=8 {
        keep(&format!("resp_{number}"), &anna, &long, 9, 4_000).await;
    }
    assert_eq!(ids(&anna).await, ["resp_6", "resp_7", "resp_8", "resp_w1"], "so many bytes");
    assert_eq!(ids(&ben).await, ["resp_b0"], "each of their own");
}
