//! Would this address be asked at all? Decided when somebody names it, so that a wrong one is no surprise at the first
//! visit.
//!
//! Invariants:
//! - The answer is a courtesy to whoever names the address, never the lock: each request is judged anew by the same
//!   rule, whatever was said here.
//! - Nothing connects here. A name is looked up by the client's own resolver, and only where there is a client; a name
//!   that cannot be looked up now is admitted, since it may be there by the first visit.

use std::error::Error;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::time::timeout;
use url::{Host, Url};
use wellspring_core::fetch::{Admit, FetchError, FetchErrorKind, NotAdmitted};
use wellspring_core::source::{Origin, SettingsError, SourceSettings};

use super::HttpFetch;
use super::address::{self, AddressRule, Forbidden};
use super::resolve::open_ones;
use super::target::{Gate, Target, normal};

/// Decides by what the address itself says: for a service that is offline.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByItsForm;

#[async_trait]
impl Admit for ByItsForm {
    async fn admit(&self, url: &str, private_hosts: &[String]) -> Result<(), NotAdmitted> {
        by_its_form(url, private_hosts, address::public, &[]).map(drop)
    }
}

#[async_trait]
impl Admit for HttpFetch {
    async fn admit(&self, url: &str, private_hosts: &[String]) -> Result<(), NotAdmitted> {
        let target = by_its_form(url, private_hosts, self.rule, &self.options.own_ports)?;
        if target.private && !target.own_port || !matches!(target.url.host(), Some(Host::Domain(_))) {
            return Ok(());
        }
        let found = match timeout(self.options.connect_timeout, self.lookup.lookup(&target.host)).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => return Ok(()),
        };
        let first: Option<IpAddr> = found.first().copied();
        if target.own_port {
            let why = |forbidden| format!("leads to `{}`: {forbidden}", target.host);
            let not = |forbidden| NotAdmitted { why: why(forbidden), private_host: None };
            open_ones(found.clone(), address::elsewhere).map_err(not)?;
        }
        if target.private {
            return Ok(());
        }
        open_ones(found, self.rule).map(drop).map_err(|forbidden| {
            let at = first.map_or_else(String::new, |address| format!(" ({address})"));
            NotAdmitted { why: format!("leads to `{}`{at}: {forbidden}", target.host), private_host: Some(target.host) }
        })
    }
}

fn by_its_form(
    url: &str,
    private_hosts: &[String],
    rule: AddressRule,
    own_ports: &[u16],
) -> Result<Target, NotAdmitted> {
    let private = |host: String, why: String| NotAdmitted { why, private_host: Some(host) };
    // What is wrong with an address that no leave would open comes first.
    let anything: AddressRule = |_| Ok(());
    let target = Gate { private_hosts, rule: anything, own_ports }
        .first(url)
        .map_err(|error| NotAdmitted { why: format!("cannot be asked: {}", error.chain()), private_host: None })?;
    if target.private {
        return Ok(target);
    }
    let literal = match target.url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(Err(forbidden)) = literal.map(rule) {
        return Err(private(target.host.clone(), format!("leads to `{}`: {forbidden}", target.host)));
    }
    // Names that mean this machine wherever they are asked (RFC 6761).
    if target.host == "localhost" || target.host.ends_with(".localhost") {
        return Err(private(target.host.clone(), format!("leads to `{}`: this machine itself", target.host)));
    }
    Ok(target)
}

/// Why a request for an address was refused, the same at each such request, and what would open it; `None` when it was
/// not refused.
pub(crate) fn refusal(url: &str, error: &FetchError) -> Option<String> {
    if error.kind() != FetchErrorKind::Refused {
        return None;
    }
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let forbidden = causes.find_map(|cause| cause.downcast_ref::<Forbidden>().copied());
    let host = Url::parse(url).ok().as_ref().and_then(Url::host).map(normal);
    // A redirect may have led elsewhere: then the error speaks of another host.
    let host = host.filter(|host| error.to_string().contains(host.as_str()));
    Some(match (forbidden, host) {
        (Some(forbidden), Some(host)) if forbidden.opens_when_named() => {
            format!("{host} may not be asked: {forbidden}; `--private-host {host}` lets it, if it is meant")
        }
        (Some(forbidden), Some(host)) => format!("{host} may not be asked: {forbidden}"),
        _ => error.chain(),
    })
}

/// Whether the addresses that a source names would be asked.
pub(crate) async fn admit_source(admit: &dyn Admit, settings: &SourceSettings) -> Result<(), SettingsError> {
    let addresses = match &settings.origin {
        Origin::Folder { .. } => Vec::new(),
        Origin::Feed { url, .. } | Origin::Page { url } => vec![("url", url)],
        Origin::Site { url, sitemap, .. } => [("url", Some(url)), ("sitemap", sitemap.as_ref())]
            .map(|(field, url)| url.map(|url| (field, url)))
            .into_iter()
            .flatten()
            .collect(),
    };
    for (field, url) in addresses {
        admit_address(admit, field, url, &settings.private_hosts).await?;
    }
    Ok(())
}

/// Whether one address would be asked.
pub(crate) async fn admit_address(
    admit: &dyn Admit,
    field: &'static str,
    url: &str,
    private_hosts: &[String],
) -> Result<(), SettingsError> {
    admit.admit(url, private_hosts).await.map_err(|NotAdmitted { why, private_host }| SettingsError {
        field,
        what: why,
        hint: match private_host {
            Some(host) => format!(
                "addresses that are not public are asked only where they are named: if this one is meant, add `{host}` to \
                 `private_hosts` (`--private-host {host}`)"
            ),
            None => "an address looks like `https://example.org/feed.xml`, and leads to another service than this".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn admitted(url: &str, private_hosts: &[&str]) -> Result<(), NotAdmitted> {
        let private_hosts: Vec<String> = private_hosts.iter().map(|&host| host.to_owned()).collect();
        ByItsForm.admit(url, &private_hosts).await
    }

    #[tokio::test]
    async fn what_an_address_says_itself_is_judged_at_once() {
        for (url, host) in [
            ("http://127.0.0.1:8080/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("https://[::1]/feed", "::1"),
            ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
            ("http://LOCALHOST/", "localhost"),
            ("http://wiki.localhost./", "wiki.localhost"),
        ] {
            let refused = admitted(url, &[]).await.unwrap_err();
            assert_eq!(refused.private_host.as_deref(), Some(host), "{url}");
            assert!(refused.why.contains(host), "{}", refused.why);
            assert!(admitted(url, &[host]).await.is_ok(), "{url}");
        }
        assert!(admitted("http://8.8.8.8/", &[]).await.is_ok());
        assert!(admitted("https://nowhere.example/", &[]).await.is_ok(), "no name is looked up");
        let port = admitted("http://example.org:22/", &["example.org"]).await.unwrap_err();
        assert_eq!(port.private_host, None, "no leave opens the port of another protocol");
    }
}
