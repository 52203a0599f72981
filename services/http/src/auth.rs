//! Who may ask?
//!
//! With an access key: whoever brings it. Without one the service listens on the loopback only, and the danger is
//! the user's own browser, which any web page can send here.
//!
//! Invariants:
//! - A key is kept as a hash and compared in constant time; neither the key nor its hash is ever printed.
//! - Without a key, a request must name this machine in `Host` (or a page that rebinds its DNS name reads documents)
//!   and must not come from another origin (or a page that posts blindly changes them).

use std::fmt;
use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use subtle::ConstantTimeEq;

use crate::error::{ApiError, Code};

/// The header that carries the key where `Authorization` is taken by something else.
pub const KEY_HEADER: &str = "x-wellspring-key";

/// A secret that callers share with the service.
#[derive(Clone)]
pub struct AccessKey {
    hash: blake3::Hash,
}

impl AccessKey {
    /// Takes a key; white space around it is not part of it. `None` when nothing is left.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        (!key.is_empty()).then(|| Self { hash: blake3::hash(key.as_bytes()) })
    }

    /// Whether a caller brought this key. Hashing first makes the lengths equal, so the time tells nothing.
    fn matches(&self, presented: &[u8]) -> bool {
        let presented = blake3::hash(presented.trim_ascii());
        presented.as_bytes().ct_eq(self.hash.as_bytes()).into()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(***)")
    }
}

/// Lets a request in, or says why not.
pub(crate) fn admit(key: Option<&AccessKey>, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    match key {
        Some(key) => check_key(key, headers),
        None => check_host(uri, headers).and_then(|()| check_origin(headers)),
    }
}

/// Checks the key a request brings.
fn check_key(key: &AccessKey, headers: &HeaderMap) -> Result<(), ApiError> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes();
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    let presented = bearer.or_else(|| headers.get(KEY_HEADER).map(|value| value.as_bytes()));
    if presented.is_some_and(|presented| key.matches(presented)) {
        return Ok(());
    }
    let what = if presented.is_none() { "the request carries no access key" } else { "the access key is wrong" };
    Err(ApiError::new(
        Code::Unauthorized,
        what,
        "send `Authorization: Bearer KEY` with the key the service was started with",
    ))
}

/// Checks that the request was meant for this machine.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, more) = (hosts.next().and_then(|value| value.to_str().ok()), hosts.next().is_some());
    let header_is_local = !more && host.is_some_and(is_local);
    // An absolute request target overrides the header, so both must be local.
    let target_is_local = uri.authority().is_none_or(|authority| is_local(authority.as_str()));
    if header_is_local && target_is_local {
        return Ok(());
    }
    Err(ApiError::new(
        Code::HostNotAllowed,
        "without an access key only requests to `localhost`, `127.0.0.1` or `[::1]` are answered",
        "use one of these names, or start the service with an access key",
    ))
}

/// Whether an authority (`host` or `host:port`) names this machine by a loopback name.
fn is_local(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Checks that no web page of another origin sent the request.
fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origin_host = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    if origin_host.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::OriginNotAllowed,
        "a web page of another origin may not use this service without an access key",
        "call the service from a program, or start it with an access key",
    ))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn admitted(key: Option<&str>, headers: &[(&'static str, &str)]) -> Result<(), String> {
        let key = key.and_then(AccessKey::new);
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let headers = pairs.collect::<HeaderMap>();
        admit(key.as_ref(), &"/v1/status".parse().unwrap(), &headers).map_err(|error| error.code().to_owned())
    }

    #[test]
    fn a_key_is_wanted_and_never_shown() {
        assert_eq!(admitted(Some("secret"), &[("authorization", "Bearer secret")]), Ok(()));
        assert_eq!(admitted(Some("secret"), &[("authorization", "bearer  secret")]), Ok(()));
        assert_eq!(admitted(Some("secret"), &[("x-wellspring-key", "secret")]), Ok(()));
        for wrong in [&[][..], &[("authorization", "Bearer secre")], &[("authorization", "Basic secret")]] {
            assert_eq!(admitted(Some("secret"), wrong), Err("unauthorized".to_owned()), "{wrong:?}");
        }
        assert_eq!(format!("{:?}", AccessKey::new("secret").unwrap()), "AccessKey(***)");
        assert!(AccessKey::new(" \n").is_none());
    }

    #[test]
    fn without_a_key_the_host_must_be_this_machine() {
        for host in ["localhost", "LocalHost:7700", "127.0.0.1:7700", "[::1]:7700", "127.0.0.2"] {
            assert_eq!(admitted(None, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:7700", "10.0.0.1", "u@localhost", "[::2]", ""] {
            assert_eq!(admitted(None, &[("host", host)]), Err("host_not_allowed".to_owned()), "{host}");
        }
        assert_eq!(admitted(None, &[]), Err("host_not_allowed".to_owned()));
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        assert!(admit(None, &"http://evil.example/v1/status".parse().unwrap(), &headers).is_err());
    }

    #[test]
    fn without_a_key_another_origin_is_refused() {
        let with_origin = |origin| admitted(None, &[("host", "localhost:7700"), ("origin", origin)]);
        assert_eq!(with_origin("http://localhost:7700"), Ok(()));
        for origin in ["http://evil.example", "null", "http://localhost:8080", "http://localhost"] {
            assert_eq!(with_origin(origin), Err("origin_not_allowed".to_owned()), "{origin}");
        }
    }
}
