//! Tells the schema of the tool's arguments to whoever builds the component.

use cara_sdk::schema::{declare, tool};

#[allow(dead_code, reason = "only described here")]
#[path = "src/arguments.rs"]
mod arguments;

fn main() {
    declare([tool::<arguments::Evaluate>("math_evaluate")]);
}
