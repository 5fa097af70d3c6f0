//! What the person attached, as in `wit/attachments.wit`. Only for tools.

use crate::host;
use crate::types::{Blob, Refusal};

/// An attachment by the id the model was told, `[A-Za-z0-9_-]{1,64}`.
///
/// # Errors
/// `invalid` when this conversation has none such; when `attachments` is not granted.
///
/// ```
/// use cara_sdk::attachments;
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::types::Blob;
///
/// let blob = Blob { media_type: "text/plain".to_owned(), name: None, data: b"hello".to_vec() };
/// let mock = MockHost::new().attachment("a1", blob);
/// assert_eq!(mock.run(|| attachments::get("a1")).unwrap().data, b"hello");
/// assert!(mock.run(|| attachments::get("a2")).is_err());
/// ```
pub fn get(id: &str) -> Result<Blob, Refusal> {
    host::attachments::get(id)
}
