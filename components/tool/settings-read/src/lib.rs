//! How the operator set this assistant up.
//!
//! The host takes secrets out before this sees anything; nothing can be changed from here.

use cara_sdk::tool::{Content, Context, Tool, beginning, read_arguments, say, unknown};
use cara_sdk::{Error, configuration};
use serde::Deserialize;
use serde_json::Value;

/// The component.
#[derive(Debug)]
pub struct SettingsRead;

cara_sdk::export_tool!(SettingsRead);

/// The most characters of JSON that are shown.
const SHOWN: usize = 20_000;

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    path: String,
}

impl Tool for SettingsRead {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "settings_read" => {
                let path = checked(read_arguments::<Read>(&arguments)?.path)?;
                say(shown(&path, configuration::read(&path)?.as_deref()))
            }
            other => Err(unknown(other)),
        }
    }
}

fn checked(path: String) -> Result<String, Error> {
    match path.len() {
        0..=256 => Ok(path),
        length => Err(Error::bad_request(format!("`path` has at most 256 bytes, this one has {length}"))),
    }
}

/// What a model is told of the configuration at `path`.
fn shown(path: &str, json: Option<&str>) -> String {
    let Some(json) = json else {
        return match path {
            "" => "nothing is configured".to_owned(),
            path => format!("nothing is set at `{path}`"),
        };
    };
    let value: Result<Value, _> = serde_json::from_str(json);
    let pretty = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let pretty = pretty.unwrap_or_else(|| json.to_owned());
    match beginning(&pretty, SHOWN) {
        whole if whole.len() == pretty.len() => pretty,
        part => format!("{part}\n(cut after {SHOWN} characters; ask for a deeper `path`)"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn a_part_of_the_configuration_is_shown_readably() {
        assert_eq!(shown("chat", Some(r#"{"model":"m","turns":3}"#)), "{\n  \"model\": \"m\",\n  \"turns\": 3\n}");
        assert_eq!(shown("chat.model", Some("\"m\"")), "\"m\"");
    }

    #[test]
    fn what_is_not_set_is_said_and_not_an_error() {
        assert_eq!(shown("chat.modle", None), "nothing is set at `chat.modle`");
        assert_eq!(shown("", None), "nothing is configured");
    }

    #[test]
    fn a_long_part_is_cut_and_says_so() {
        let text = shown("", Some(&format!("[{}1]", "1,".repeat(20_000))));
        assert!(text.ends_with("(cut after 20000 characters; ask for a deeper `path`)"));
        assert!(text.len() < 20_100);
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_host_is_asked() {
        let long = format!(r#"{{"path":"{}"}}"#, "a".repeat(257));
        for arguments in [r#"{"path":1}"#, "[1]", &long] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = SettingsRead::call("settings_read".into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
