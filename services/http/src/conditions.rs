//! What does the caller demand of this write?
//!
//! `If-Match` (or `?if_match=`) with a revision or `*`, `If-None-Match: *`, and `Idempotency-Key`.
//!
//! Invariants:
//! - A demand that cannot be understood, or that is made twice and differently, is refused: it is never dropped.

use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use wellspring_core::document::Revision;
use wellspring_core::push::{Condition, IdempotencyKey};

use crate::error::ApiError;
use crate::fields::{Parameters, invalid};

/// The request header by which a request is known again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The condition that the parameters and headers make.
pub(crate) fn condition(headers: &HeaderMap, parameters: &Parameters) -> Result<Condition, ApiError> {
    let by_header = one(headers, &IF_MATCH, "If-Match")?.map(|text| matching("If-Match", text)).transpose()?;
    let by_parameter = parameters.get("if_match").map(|text| matching("if_match", text)).transpose()?;
    let absent = match one(headers, &IF_NONE_MATCH, "If-None-Match")? {
        None => None,
        Some("*") => Some(Condition::Absent),
        Some(_) => return Err(invalid("If-None-Match", "has an unknown value", "the only value is `*`: create only")),
    };
    let mut conditions = [by_header, by_parameter, absent].into_iter().flatten();
    let first = conditions.next().unwrap_or_default();
    if conditions.any(|other| other != first) {
        return Err(invalid("if_match", "contradicts another condition of the request", "make one condition"));
    }
    Ok(first)
}

/// Refuses a condition on a request that writes many documents.
pub(crate) fn refuse_condition(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in [IF_MATCH, IF_NONE_MATCH] {
        if headers.contains_key(&name) {
            return Err(invalid(name.as_str(), "says nothing about many documents", "write the document on its own"));
        }
    }
    Ok(())
}

/// The caller's key for the request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(text) = one(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")? else { return Ok(None) };
    let key = text.parse().map_err(|error| {
        invalid("Idempotency-Key", &format!("is none: {error}"), "send a fresh random one, such as a UUID")
    })?;
    Ok(Some(key))
}

/// A revision as an entity tag.
pub(crate) fn entity_tag(revision: Revision) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits and quotes are visible ASCII")
}

/// `*`, a revision, or a revision in quotes.
fn matching(name: &str, text: &str) -> Result<Condition, ApiError> {
    if text == "*" {
        return Ok(Condition::Present);
    }
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    match bare.parse() {
        Ok(revision) => Ok(Condition::Revision(Revision(revision))),
        Err(_) => Err(invalid(name, "is no revision", "send the number that `revision` or `ETag` carries, or `*`")),
    }
}

/// The one value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(shown, "is given twice", "give it once"));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(invalid(shown, "is no visible ASCII text", "leave it out or correct it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<(&'static str, &'static str)>, query: &str) -> Result<Condition, String> {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
        let parameters = Parameters::parse(&format!("/x?{query}").parse().unwrap(), &["if_match"]).unwrap();
        condition(&headers, &parameters).map_err(|error| error.code().to_owned())
    }

    #[test]
    fn a_condition_is_read_or_refused() {
        let at = |revision| Ok(Condition::Revision(Revision(revision)));
        assert_eq!(read(None, ""), Ok(Condition::None));
        assert_eq!(read(Some(("if-match", "\"7\"")), ""), at(7));
        assert_eq!(read(Some(("if-match", "7")), "if_match=7"), at(7));
        assert_eq!(read(None, "if_match=*"), Ok(Condition::Present));
        assert_eq!(read(Some(("if-none-match", "*")), ""), Ok(Condition::Absent));
        let refused = Err("invalid_field".to_owned());
        assert_eq!(read(Some(("if-match", "7")), "if_match=8"), refused);
        assert_eq!(read(Some(("if-none-match", "*")), "if_match=8"), refused);
        assert_eq!(read(Some(("if-match", "\"7\", \"8\"")), ""), refused);
        assert_eq!(read(Some(("if-match", "W/\"7\"")), ""), refused);
        assert_eq!(read(Some(("if-none-match", "7")), ""), refused);
    }
}
