//! x

use super::Project;
use crate::error::BuildError;

pub(super) fn build(_: &Project<'_>, _: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    Ok(Vec::new())
}
