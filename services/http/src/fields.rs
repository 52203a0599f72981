//! Which fields did the caller send, and are they the ones this request knows?
//!
//! Written by hand rather than derived, because a derived error would name the field's value, and a value may be a
//! document's text.
//!
//! Invariants:
//! - A name that is not known is refused, with the nearest known name in the hint.
//! - No message repeats a value.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::text::is_invisible;

use crate::error::{ApiError, Code};

/// Similarity (Jaro-Winkler) from which a name counts as misspelt rather than invented.
const SIMILAR: f64 = 0.75;
/// Characters of an unknown name that a message repeats.
const NAME_CHARS_SHOWN: usize = 40;

/// The fields of a JSON object, each taken once.
#[derive(Debug)]
pub(crate) struct Fields {
    values: Map<String, Value>,
}

impl Fields {
    /// Reads a JSON object that has only `known` fields.
    pub(crate) fn parse(json: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        // Some editors begin every file with a byte order mark, which JSON does not know.
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
        let no_json = |error: serde_json::Error| {
            // Of a line of a stream the stream's own count is told, beside which another line 1 would mislead.
            let at = match json.contains(&b'\n') {
                true => format!("line {}, column {}", error.line(), error.column()),
                false => format!("column {}", error.column()),
            };
            ApiError::new(Code::InvalidJson, format!("this is no valid JSON ({at})"), "send one JSON object in UTF-8")
        };
        let value: Value = serde_json::from_slice(json).map_err(no_json)?;
        // Programs differ in which of two equal fields counts: what one of them checked, another would take.
        let Names(names) =
            if value.is_object() { serde_json::from_slice(json).map_err(no_json)? } else { Names(vec![]) };
        if let Some(twice) = known.iter().find(|known| names.iter().filter(|name| name == *known).count() > 1) {
            return Err(invalid(twice, "is given twice", "give it once"));
        }
        Self::of(value, known)
    }

    /// Takes a JSON value that must be an object with only `known` fields.
    pub(crate) fn of(value: Value, known: &[&str]) -> Result<Self, ApiError> {
        let Value::Object(values) = value else {
            return Err(ApiError::new(Code::InvalidJson, "this is JSON, but not an object", "send one JSON object"));
        };
        match values.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(unknown_name("field", unknown, known)),
            None => Ok(Self { values }),
        }
    }

    /// Takes a field; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Puts back a value that was only looked at.
    pub(crate) fn put_back(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Takes a text.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// Takes a yes or no.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    /// Takes a JSON object as it is.
    pub(crate) fn object(&mut self, name: &str) -> Result<Map<String, Value>, ApiError> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(wrong_type(name, "an object")),
        }
    }

    /// Takes a list of texts.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else { return Err(wrong_type(name, "a list of strings")) };
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong_type(name, "a list of strings")),
        });
        texts.collect()
    }
}

/// The names of a JSON object's fields, in order and as often as each is given.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key()? {
                    map.next_value::<IgnoredAny>()?;
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The parameters of a query string, each at most once.
#[derive(Debug)]
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads a query string that has only `known` parameters.
    pub(crate) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| {
            ApiError::new(Code::InvalidUrl, "the query string cannot be read", "percent-encode it as UTF-8")
        })?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown_name("parameter", name, known));
            }
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid(name, "is given twice", "give it once"));
            }
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is given without a value.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, value)| known == name && value.is_empty())
    }

    /// The `collection` parameter, or the default collection.
    pub(crate) fn collection(&self) -> Result<CollectionName, ApiError> {
        collection(self.get("collection"))
    }

    /// Whether `wait=searchable` was asked for.
    pub(crate) fn wait(&self) -> Result<bool, ApiError> {
        match self.get("wait") {
            None => Ok(false),
            Some("searchable") => Ok(true),
            Some(_) => Err(invalid("wait", "has an unknown value", "the only value is `searchable`")),
        }
    }

    /// The `limit` parameter, from 1 to `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.get("limit") {
            None => Ok(default),
            Some(text) => limit_within(text.parse().ok(), max),
        }
    }
}

/// Checks a number of results; `None` stands for what is no number.
pub(crate) fn limit_within(number: Option<u64>, max: usize) -> Result<usize, ApiError> {
    number.and_then(|number| usize::try_from(number).ok()).filter(|number| (1..=max).contains(number)).ok_or_else(
        || {
            ApiError::new(
                Code::InvalidLimit,
                format!("`limit` must be a whole number from 1 to {max}"),
                "ask for fewer, or leave it out",
            )
        },
    )
}

/// Checks a query or a question, which is returned without white space around it.
pub(crate) fn query_text(name: &str, text: Option<String>) -> Result<String, ApiError> {
    let text = text.ok_or_else(|| missing(name))?;
    if text.len() > limits::QUERY_BYTES_MAX {
        return Err(ApiError::new(
            Code::QueryTooLong,
            format!("`{name}` is longer than {} bytes", limits::QUERY_BYTES_MAX),
            "ask for less at once; longer text is a document",
        ));
    }
    let trimmed = text.trim();
    // Control characters and marks of no width ask nothing, and look like an empty field to whoever sent them.
    if trimmed.chars().all(|c| c.is_control() || is_invisible(c)) {
        return Err(ApiError::new(Code::EmptyQuery, format!("`{name}` is empty"), "say what to look for"));
    }
    Ok(trimmed.to_owned())
}

/// Checks a collection's name; the default one where none is given.
pub(crate) fn collection(name: Option<&str>) -> Result<CollectionName, ApiError> {
    let Some(name) = name else { return Ok(CollectionName::default()) };
    name.parse().map_err(|error| invalid("collection", &format!("{error}"), "leave it out for the default collection"))
}

/// The error of a required field that is absent.
pub(crate) fn missing(name: &str) -> ApiError {
    ApiError::new(Code::MissingField, format!("`{name}` is missing"), format!("add `{name}`"))
}

/// The error of a value that cannot be.
pub(crate) fn invalid(name: &str, what: &str, hint: &str) -> ApiError {
    ApiError::new(Code::InvalidField, format!("`{name}` {what}"), hint.to_owned())
}

/// The error of a value of another type.
fn wrong_type(name: &str, wanted: &str) -> ApiError {
    ApiError::new(Code::InvalidField, format!("`{name}` must be {wanted}"), "see `GET /v1/openapi.json`")
}

/// The error of a name that is not known, pointing at the nearest one.
fn unknown_name(kind: &str, name: &str, known: &[&str]) -> ApiError {
    let shown = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_SHOWN).collect::<String>();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&shown.to_lowercase(), candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("known are: {}", known.join(", ")),
    };
    ApiError::new(Code::UnknownField, format!("there is no {kind} `{shown}` here"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_points_at_the_nearest_known_one() {
        let refused = |json: &str| Fields::parse(json.as_bytes(), &["title", "text", "url"]).unwrap_err().detail();
        assert_eq!(refused(r#"{"titel": "x"}"#).hint, "did you mean `title`?");
        assert_eq!(refused(r#"{"zzz": "x"}"#).hint, "known are: title, text, url");
        let long = refused(&format!(r#"{{"{}": 1}}"#, "secret ".repeat(100)));
        assert!(long.message.len() < 100, "{}", long.message);
    }

    #[test]
    fn a_field_is_given_once() {
        let twice = Fields::parse(br#"{"title": "one", "text": "x", "title": "two"}"#, &["title", "text"]).unwrap_err();
        assert_eq!((twice.code(), twice.detail().message.as_str()), ("invalid_field", "`title` is given twice"));
        // What lies deeper is the caller's own.
        assert!(Fields::parse(br#"{"title": {"a": 1, "a": 2}}"#, &["title"]).is_ok());
    }

    #[test]
    fn no_message_repeats_a_value() {
        for json in [r#"{"title": ["secret"]}"#, r#"{"title": "secret"#, r#""secret""#, "secret"] {
            let error = Fields::parse(json.as_bytes(), &["title"]).and_then(|mut fields| fields.string("title"));
            let detail = error.unwrap_err().detail();
            assert!(!format!("{detail:?}").contains("secret"), "{detail:?}");
        }
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        let parse = |uri: &str| Parameters::parse(&uri.parse().unwrap(), &["limit", "wait"]);
        assert_eq!(parse("/x?limit=3&wait=").unwrap().limit(10, 5).unwrap(), 3);
        assert_eq!(parse("/x?limit=3&limit=4").unwrap_err().code(), "invalid_field");
        assert_eq!(parse("/x?limits=3").unwrap_err().detail().hint, "did you mean `limit`?");
        for bad in ["0", "6", "-1", "1.5", "many", "99999999999999999999"] {
            assert_eq!(parse(&format!("/x?limit={bad}")).unwrap().limit(1, 5).unwrap_err().code(), "invalid_limit");
        }
    }
}
