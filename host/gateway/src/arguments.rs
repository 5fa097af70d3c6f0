//! Arguments of a use case in a request: the client writes them, the router
//! reads them.
//!
//! What the path names stands in the path; the rest stands in the query where a use case reads or removes, else in the body.

use axum::body::Body;
use bytes::Bytes;
use cara_control::{Entry, Error, ErrorKind, Operation, Prepared, Route};
use http::{Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeMap;

/// The arguments that stand in a path, by name.
pub(crate) type InPath = BTreeMap<String, String>;

/// The name of every server of the application, whichever way leads to it.
pub(crate) const HOST: &str = "localhost";

/// The request for a use case.
pub(crate) fn written<O: Operation>(operation: &O) -> Result<Request<Body>, Error> {
    let Value::Object(mut arguments) = serde_json::to_value(operation)? else {
        return Err(Error::new(ErrorKind::Internal, "arguments are an object"));
    };
    let Route { method, path: pattern, .. } = O::ROUTE;
    let mut path = String::new();
    for part in pattern.split('/').skip(1) {
        path.push('/');
        match argument(part) {
            Some(name) => {
                let value = arguments.remove(name);
                let value = value.as_ref().and_then(Value::as_str).unwrap_or_default();
                path.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            }
            None => path.push_str(part),
        }
    }
    let mut body = Body::empty();
    if O::ROUTE.reads_query() {
        arguments.retain(|_, value| !value.is_null());
        let query = serde_urlencoded::to_string(&arguments)?;
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
    } else {
        body = Body::from(serde_json::to_vec(&arguments)?);
    }
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CONTENT_TYPE, "application/json");
    Ok(request.body(body)?)
}

/// The name of the argument for which a part of a route's path stands.
fn argument(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// Reads the arguments of a use case.
pub(crate) fn read(entry: &Entry, path: &InPath, query: Option<&str>, body: Bytes) -> Result<Prepared, Error> {
    match entry.route.reads_query() {
        true => (entry.from_query)(&in_query(path, query)?),
        false => (entry.from_json)(&in_body(path, body)?),
    }
}

/// All arguments as a query.
fn in_query(path: &InPath, query: Option<&str>) -> Result<String, Error> {
    let named = serde_urlencoded::to_string(path)?;
    let parts = [named.as_str(), query.unwrap_or_default()];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&"))
}

/// All arguments as a JSON object. Its text is put together, so that the body is read once, into the type that it is for.
fn in_body(path: &InPath, body: Bytes) -> Result<Bytes, Error> {
    if path.is_empty() && !body.is_empty() {
        return Ok(body);
    }
    let none = || Error::new(ErrorKind::Invalid, "the body is no JSON object\nhint: `cara api` describes it");
    let rest = match body.trim_ascii() {
        [] => b"}",
        text => text.strip_prefix(b"{").ok_or_else(none)?.trim_ascii_start(),
    };
    let mut whole = serde_json::to_vec(path)?;
    whole.pop();
    if !path.is_empty() && !rest.starts_with(b"}") {
        whole.push(b',');
    }
    whole.extend_from_slice(rest);
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_control::{Visitor, visit};
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use schemars::generate::SchemaSettings;
    use serde_json::json;

    /// A text that no encoding leaves as it is; and one for arguments that are checked when they are read.
    const TEXTS: [&str; 2] = ["a/ü &=?%2F+\"{}", "owner"];

    /// A value of this schema, with everything in it that may be left out.
    fn sample(schema: &Value, text: &str) -> Value {
        for all in ["oneOf", "anyOf", "allOf"] {
            if let Some(choices) = schema.get(all).and_then(Value::as_array) {
                return sample(choices.iter().find(|choice| choice["type"] != "null").unwrap(), text);
            }
        }
        if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
            return value.clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").unwrap(),
            kind => kind,
        };
        match kind.as_str() {
            Some("string") => json!(text),
            Some("integer") => json!(7),
            Some("number") => json!(1.5),
            Some("boolean") => json!(true),
            Some("array") => json!([sample(&schema["items"], text)]),
            Some("object") => match schema.get("properties").and_then(Value::as_object) {
                Some(all) => all.iter().map(|(name, schema)| (name.clone(), sample(schema, text))).collect(),
                None => {
                    json!({ text: schema.get("additionalProperties").map_or(json!(1), |schema| sample(schema, text)) })
                }
            },
            _ => json!(text),
        }
    }

    /// What a router finds in a path.
    fn found(route: &str, path: &str) -> InPath {
        let pairs = route.split('/').zip(path.split('/'));
        let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned();
        pairs.filter_map(|(name, part)| Some((argument(name)?.to_owned(), decoded(part)))).collect()
    }

    struct RoundTrip(usize);

    impl Visitor for RoundTrip {
        fn visit<O: Operation>(&mut self) {
            let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
            let schema = settings.into_generator().into_root_schema_for::<O>().to_value();
            let name = O::ROUTE.name;
            let mut read = TEXTS.iter().filter_map(|text| serde_json::from_value::<O>(sample(&schema, text)).ok());
            let operation = read.next().unwrap_or_else(|| panic!("{name} takes none of its own arguments"));
            let request = written(&operation).unwrap_or_else(|why| panic!("{name}: {why}"));
            let path = found(O::ROUTE.path, request.uri().path());
            let again: O = if O::ROUTE.reads_query() {
                let query = in_query(&path, request.uri().query()).unwrap();
                serde_urlencoded::from_str(&query).unwrap_or_else(|why| panic!("{name}: {why} in {query}"))
            } else {
                let body = request.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
                let body = in_body(&path, body).unwrap();
                serde_json::from_slice(&body).unwrap_or_else(|why| panic!("{name}: {why}"))
            };
            assert_eq!(serde_json::to_value(&operation).unwrap(), serde_json::to_value(&again).unwrap(), "{name}");
            self.0 += 1;
        }
    }

    #[test]
    fn the_arguments_of_every_use_case_arrive_as_they_were_sent() {
        let mut all = RoundTrip(0);
        visit(&mut all);
        assert!(all.0 > 60);
    }

    #[test]
    fn a_body_cannot_say_again_what_the_path_says() {
        let path: InPath = [("id".to_owned(), "x".to_owned())].into();
        let whole = |body: &'static str| in_body(&path, Bytes::from(body)).map(|whole| String::from_utf8(whole.into()));
        assert_eq!(whole("").unwrap().unwrap(), r#"{"id":"x"}"#);
        assert_eq!(whole(" { } ").unwrap().unwrap(), r#"{"id":"x"}"#);
        assert_eq!(whole(r#"{"a":1}"#).unwrap().unwrap(), r#"{"id":"x","a":1}"#);
        assert!(whole("[1]").is_err() && whole("x").is_err());
        let twice = in_body(&path, Bytes::from(r#"{"id":"y"}"#)).unwrap();
        assert!(serde_json::from_slice::<cara_control::approvals::RespondToApproval>(&twice).is_err());
    }
}
