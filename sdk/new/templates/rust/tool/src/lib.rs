//! The component: which tools there are, and what each does.
//!
//! Every call runs in a fresh sandbox: nothing in memory survives it. What is pure is in `text.rs`, where it is tested
//! natively: `cargo test`.

use cara_sdk::Error;
use cara_sdk::http::Request;
use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};

mod arguments;
mod text;

use arguments::{Greet, Title};

/// The most of a page that is read for its title, in bytes.
const PAGE_LIMIT: u64 = 256 << 10;

/// The component.
#[derive(Debug)]
pub struct Component;

cara_sdk::export_tool!(Component);

impl Tool for Component {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "{{snake}}_greet" => say(greet(read_arguments(&arguments)?)),
            "{{snake}}_title" => say(title(read_arguments(&arguments)?)?),
            other => Err(unknown(other)),
        }
    }
}

fn greet(wanted: Greet) -> String {
    text::greeting(&wanted.name, wanted.times.unwrap_or(1))
}

/// Asks the one host that component.toml declares; the host lets no other request out.
fn title(wanted: Title) -> Result<String, Error> {
    let url = format!("https://example.com/{}", wanted.page);
    let response = Request::get(url.as_str())
        .header("accept", "text/html")
        .send()?;
    if !response.is_success() {
        let (status, after) = (response.status(), response.retry_after_ms());
        // The kind of the error says whether it is worth another try.
        return Err(Error::from_status(status, format!("`{url}` answered {status}")).after(after));
    }
    let page = response.bytes(PAGE_LIMIT)?;
    let title = text::title(&String::from_utf8_lossy(&page));
    title.ok_or_else(|| Error::other(format!("`{url}` has no title")))
}
