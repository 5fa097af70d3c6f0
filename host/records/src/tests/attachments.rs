//! Files that were handed in.

use super::*;

fn file(bytes: usize) -> NewAttachment {
    let (media_type, name, label) = ("image/png".into(), "a.png".into(), Label::of(Source::File));
    NewAttachment { media_type, name, content: vec![7; bytes], label }
}

#[tokio::test]
async fn a_file_is_read_back_whole_and_only_from_its_session() {
    let fixture = Fixture::new().await;
    let id = fixture.records.attach(&fixture.session, &file(MAX_ATTACHMENT as usize)).await.unwrap();
    let read = fixture.records.attachment(&fixture.session, &id).await.unwrap().unwrap();
    assert_eq!((read.content.len() as u64, read.attachment.size), (MAX_ATTACHMENT, MAX_ATTACHMENT));
    assert_eq!(fixture.records.attachments(&fixture.session).await.unwrap(), [read.attachment]);
    let other = fixture.records.begin_session(&person("ben"), "t", "a", "other").await.unwrap();
    assert_eq!(fixture.records.attachment(&other, &id).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_with_its_size() {
    let fixture = Fixture::new().await;
    let error = fixture.records.attach(&fixture.session, &file(MAX_ATTACHMENT as usize + 1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { bytes, .. } if bytes == MAX_ATTACHMENT + 1), "{error}");
    assert!(fixture.records.attachments(&fixture.session).await.unwrap().is_empty());
}
