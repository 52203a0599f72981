//! Which documents does the caller want found?
//!
//! ```json
//! {"source": "notes", "language": ["en", "zh"], "tags": ["red"], "key": "notes/*.md",
//!  "published": {"from": "2026-01-01", "before": "2026-02-01"}, "modified": {"from": "2026-01-01"},
//!  "metadata": {"year": {"gte": 2020, "lt": 2024}, "state": ["open", "new"], "owner": {"exists": true}}}
//! ```
//!
//! Invariants:
//! - All that is demanded must hold; a list is fulfilled by one of its values.
//! - No message repeats a value.

use serde_json::{Map, Value};
use wellspring_core::filter::{Bound, Demand, Filter, Relation, glob_is_closed};
use wellspring_core::limits;

use crate::draft::time;
use crate::error::ApiError;
use crate::fields::{Fields, invalid};

const FIELDS: &[&str] = &["source", "language", "tags", "key", "published", "modified", "metadata"];
const RELATIONS: &[(&str, Relation)] =
    &[("gte", Relation::AtLeast), ("gt", Relation::Above), ("lte", Relation::AtMost), ("lt", Relation::Below)];

/// Takes `filter` and `acl`, the caller's access labels, out of a request.
pub(crate) fn filter_of(fields: &mut Fields) -> Result<Filter, ApiError> {
    let labels = labels(fields.take("acl"))?;
    let Some(filter) = fields.take("filter") else { return Ok(Filter { labels, ..Filter::default() }) };
    if !filter.is_object() {
        return Err(invalid("filter", "must be an object", "see `GET /v1/openapi.json`"));
    }
    let mut fields = Fields::of(filter, FIELDS)?;
    let sources = one_or_more(fields.take("source"), "source")?;
    let sources = sources.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
    let [published_from, published_before] = moments(&mut fields, "published")?;
    let [modified_from, modified_before] = moments(&mut fields, "modified")?;
    let key_glob = fields.string("key")?;
    if key_glob.as_ref().is_some_and(|glob| glob.is_empty() || glob.len() > limits::GLOB_BYTES_MAX) {
        let reason = format!("must have 1 to {} bytes", limits::GLOB_BYTES_MAX);
        return Err(invalid("key", &reason, "write it like notes/*.md"));
    }
    if key_glob.as_ref().is_some_and(|glob| !glob_is_closed(glob)) {
        return Err(invalid("key", "has a `[` that no `]` closes", "a set of characters is written like [a-c]"));
    }
    Ok(Filter {
        sources: sources.map_err(|_| invalid("source", "is no source's name", "`GET /v1/sources` lists them"))?,
        languages: one_or_more(fields.take("language"), "language")?,
        tags: one_or_more(fields.take("tags"), "tags")?,
        key_glob,
        published_from,
        published_before,
        modified_from,
        modified_before,
        metadata: demands(fields.object("metadata")?)?,
        labels,
    })
}

/// The access labels of a caller. None named is not the same as none brought: who sends an empty list or an empty label
/// has lost the labels on the way, and is told rather than shown what everybody may see.
fn labels(value: Option<Value>) -> Result<Vec<String>, ApiError> {
    let hint = "name the labels that the caller brings, or leave `acl` out to find what everybody may find";
    if value.as_ref().and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return Err(invalid("acl", "names no label", hint));
    }
    let labels = one_or_more(value, "acl")?;
    if labels.iter().any(|label| label.trim().is_empty()) {
        return Err(invalid("acl", "has a label that is empty", hint));
    }
    Ok(labels)
}

/// A text, or a list of texts.
fn one_or_more(value: Option<Value>, name: &str) -> Result<Vec<String>, ApiError> {
    let wrong = || invalid(name, "must be a string or a list of strings", "see `GET /v1/openapi.json`");
    let values = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(one) => vec![one],
    };
    if values.is_empty() || values.len() > limits::FILTER_VALUES_MAX {
        let reason = format!("must have 1 to {} values", limits::FILTER_VALUES_MAX);
        return Err(invalid(name, &reason, "leave it out to demand nothing"));
    }
    let texts = values.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong()),
    });
    texts.collect()
}

/// The two ends of a stretch of time.
fn moments(fields: &mut Fields, name: &str) -> Result<[Option<jiff::Timestamp>; 2], ApiError> {
    let Some(value) = fields.take(name) else { return Ok([None, None]) };
    if !value.is_object() {
        return Err(invalid(name, "must be an object with `from`, `before`, or both", "write times like 2026-11-05"));
    }
    let mut ends = Fields::of(value, &["from", "before"])?;
    let mut end = |end: &str| ends.string(end)?.map(|text| time(name, &text)).transpose();
    Ok([end("from")?, end("before")?])
}

/// The demands on fields of `metadata`.
fn demands(fields: Map<String, Value>) -> Result<Vec<(String, Demand)>, ApiError> {
    if fields.len() > limits::FILTER_DEMANDS_MAX {
        let reason = format!("may demand something of at most {} fields", limits::FILTER_DEMANDS_MAX);
        return Err(invalid("metadata", &reason, "ask for fewer"));
    }
    fields.into_iter().map(|(name, value)| Ok((name, demand(value)?))).collect()
}

fn demand(value: Value) -> Result<Demand, ApiError> {
    let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let wrong = || {
        let reason = "demands what is none of: a value, a list of values, `gt`, `gte`, `lt` and `lte`, or `exists`";
        invalid("metadata", reason, "values are strings, numbers, true and false")
    };
    match value {
        Value::Array(values) => {
            let fits = (1..=limits::FILTER_VALUES_MAX).contains(&values.len()) && values.iter().all(plain);
            if fits { Ok(Demand::AnyOf(values)) } else { Err(wrong()) }
        }
        Value::Object(mut parts) => match parts.remove("exists") {
            Some(Value::Bool(exists)) if parts.is_empty() => Ok(Demand::Exists(exists)),
            Some(_) => Err(wrong()),
            None if parts.is_empty() => Err(wrong()),
            None => parts
                .into_iter()
                .map(|(name, value)| bound(&name, value).ok_or_else(wrong))
                .collect::<Result<_, _>>()
                .map(Demand::Ordered),
        },
        value if plain(&value) => Ok(Demand::AnyOf(vec![value])),
        _ => Err(wrong()),
    }
}

fn bound(name: &str, value: Value) -> Option<(Relation, Bound)> {
    let (_, relation) = RELATIONS.iter().find(|(known, _)| *known == name)?;
    let bound = match value {
        Value::Number(number) => Bound::Number(number.clone()),
        Value::String(text) => Bound::Text(text),
        _ => return None,
    };
    Some((*relation, bound))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<Filter, ApiError> {
        filter_of(&mut Fields::of(body, &["filter", "acl"])?)
    }

    #[test]
    fn a_filter_is_read_as_documented() {
        let filter = parse(json!({ "acl": "board", "filter": {
            "source": "notes", "language": ["en", "zh"], "tags": ["red"], "key": "notes/*.md",
            "published": { "from": "2026-01-01" }, "modified": { "before": "2026-01-01T10:00:00Z" },
            "metadata": { "state": ["open", 1], "year": { "gte": 2020, "lt": 2024 }, "owner": { "exists": true } },
        }}))
        .unwrap();
        assert_eq!((filter.labels, filter.tags, filter.languages.len()), (vec!["board".into()], vec!["red".into()], 2));
        assert_eq!(filter.published_from.unwrap().to_string(), "2026-01-01T00:00:00Z");
        let of = |name: &str| &filter.metadata.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(*of("owner"), Demand::Exists(true));
        assert_eq!(*of("state"), Demand::AnyOf(vec![json!("open"), json!(1)]));
        assert!(of("year").holds(Some(&json!(2020))) && !of("year").holds(Some(&json!(2024))));
        assert_eq!(parse(json!({})).unwrap(), Filter::default());
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name_and_without_its_value() {
        for (filter, name) in [
            (json!("secret"), "filter"),
            (json!({ "tags": [] }), "tags"),
            (json!({ "tags": [1] }), "tags"),
            (json!({ "source": "Not A Name secret" }), "source"),
            (json!({ "published": { "from": "secret" } }), "published"),
            (json!({ "key": "" }), "key"),
            (json!({ "key": "secret[" }), "key"),
            (json!({ "metadata": { "a": { "almost": "secret" } } }), "metadata"),
            (json!({ "metadata": { "a": { "exists": true, "gt": 1 } } }), "metadata"),
            (json!({ "metadata": { "a": [] } }), "metadata"),
            (json!({ "metadata": { "a": null } }), "metadata"),
        ] {
            let refused = parse(json!({ "filter": filter })).unwrap_err().detail();
            assert!(refused.message.contains(&format!("`{name}`")), "{refused:?}");
            assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
        }
        assert_eq!(parse(json!({ "filter": { "tag": "x" } })).unwrap_err().code(), "unknown_field");
    }
}
