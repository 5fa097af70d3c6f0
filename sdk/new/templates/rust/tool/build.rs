//! Tells the schemas of the tools' arguments to whoever builds the component.

use cara_sdk::schema::{declare, tool};

#[allow(dead_code, reason = "only described here")]
#[path = "src/arguments.rs"]
mod arguments;

fn main() {
    declare([
        tool::<arguments::Greet>("{{snake}}_greet"),
        tool::<arguments::Title>("{{snake}}_title"),
    ]);
}
