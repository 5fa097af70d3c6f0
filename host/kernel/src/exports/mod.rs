//! What a component exports: one file a kind,
//! each function a call in a sandbox of its own.

mod channel;
pub mod provider;
mod tool;

pub use crate::call::Returned;

use crate::bindings::types::{Content, Error};
use crate::fault::{Cause, Fault};
use crate::imports::CallServices;
use crate::imports::log::escape;
use cara_authority::Grants;

/// The longest text of an error a component reports, bytes.
const ERROR_TEXT: usize = 2048;

/// Makes a component's error fit to be shown: scrubbed, escaped, cut.
fn presentable(mut error: Error, services: &CallServices) -> Error {
    let mut text = String::new();
    escape(&services.egress.known().scrub_text(&error.message), &mut text);
    if text.len() > ERROR_TEXT {
        text.truncate((0..=ERROR_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0));
        text.push('…');
    }
    error.message = text;
    error
}

/// Refuses what is larger than a call may return.
fn within_output(size: u64, grants: &Grants) -> Result<(), Fault> {
    let limit = grants.limits().output;
    if size > limit { Err(Fault::new(grants.component(), Cause::Output(limit))) } else { Ok(()) }
}

fn content_size(content: &[Content]) -> u64 {
    let size = |content: &Content| match content {
        Content::Text(text) => text.len(),
        Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
            blob.data.len() + blob.media_type.len() + blob.name.as_ref().map_or(0, String::len)
        }
    };
    content.iter().map(|content| size(content) as u64 + 8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::Blob;

    #[test]
    fn the_media_type_and_the_name_of_a_blob_count() {
        let blob = Blob { media_type: "m".repeat(100), name: Some("n".repeat(1000)), data: vec![0; 10] };
        assert_eq!(content_size(&[Content::File(blob)]), 1118);
    }
}
