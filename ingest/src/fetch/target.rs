//! Is this an address that may be asked at all, before anything is looked up?
//!
//! Invariants:
//! - Every address passes here: the first of a visit, and the target of every redirect.
//! - A literal address is judged here, since no resolver ever sees it; a name is judged where it is resolved.
//! - Whether a host may lie in a private network depends on its name alone, written out by the operator.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};
use wellspring_core::fetch::{FetchError, FetchErrorKind};
use wellspring_core::limits;

use super::address::{AddressRule, Forbidden, elsewhere};

/// Ports that speak another protocol, which a request could be made to talk to: the list that browsers refuse
/// (WHATWG Fetch, "port blocking").
const PORTS_FORBIDDEN: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// An address that may be asked.
///
/// - Its scheme is `http` or `https`; it carries no name, no password and no fragment.
/// - `host` is in lower case, without a final dot and without brackets.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) host: String,
    /// The operator named this host, so it may lie in a private network.
    pub(super) private: bool,
    /// The port is one on which this service listens itself, so no address of this machine may be asked.
    pub(super) own_port: bool,
}

impl Target {
    /// Where its server listens.
    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }
}

/// What decides over addresses during one visit.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    pub(super) private_hosts: &'a [String],
    pub(super) rule: AddressRule,
    pub(super) own_ports: &'a [u16],
}

impl Gate<'_> {
    /// The first address of a visit.
    pub(super) fn first(self, address: &str) -> Result<Target, FetchError> {
        if address.len() > limits::FETCH_URL_BYTES_MAX {
            return Err(refused("the address is too long"));
        }
        self.admit(
            Url::parse(address).map_err(|error| {
                FetchError::caused_by(FetchErrorKind::Refused, "the address is not a valid one", error)
            })?,
        )
    }

    /// Where a redirect leads.
    pub(super) fn redirect(self, from: &Target, location: &str) -> Result<Target, FetchError> {
        if location.len() > limits::FETCH_URL_BYTES_MAX {
            return Err(refused(format!("{} redirects to an address that is too long", from.host)));
        }
        let url = from.url.join(location).map_err(|error| {
            let attempted = format!("{} redirects to something that is no address", from.host);
            FetchError::caused_by(FetchErrorKind::Refused, attempted, error)
        })?;
        if from.url.scheme() == "https" && url.scheme() == "http" {
            return Err(refused(format!("{} redirects from https to http", from.host)));
        }
        self.admit(url)
    }

    fn admit(self, mut url: Url) -> Result<Target, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("only http and https addresses can be fetched"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("the address carries a user name or a password"));
        }
        if url.port().is_some_and(|port| PORTS_FORBIDDEN.contains(&port)) {
            return Err(refused("the address names a port of another protocol"));
        }
        url.set_fragment(None);
        let host = url.host().map(normal).filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refused("the address names no host"))?;
        let private = self.private_hosts.iter().any(|named| named_host(named).as_deref() == Some(host.as_str()));
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        let own_port = url.port_or_known_default().is_some_and(|port| self.own_ports.contains(&port));
        let judged = |rule: AddressRule| literal.map_or(Ok(()), rule);
        let forbidden = |forbidden: Forbidden| {
            FetchError::caused_by(FetchErrorKind::Refused, format!("{host} may not be asked"), forbidden)
        };
        if own_port {
            judged(elsewhere).map_err(forbidden)?;
        }
        if !private {
            judged(self.rule).map_err(forbidden)?;
        }
        Ok(Target { url, host, private, own_port })
    }
}

/// A host as it is compared and remembered.
pub(super) fn normal<S: AsRef<str>>(host: Host<S>) -> String {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
        }
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

/// A host as an operator writes it, in the form of [`normal`]; `None` when it is no host.
fn named_host(named: &str) -> Option<String> {
    if let Ok(address) = named.parse::<Ipv6Addr>() {
        return Some(address.to_string());
    }
    Host::parse(named).ok().map(normal).filter(|host| !host.is_empty())
}

fn refused(attempted: impl Into<String>) -> FetchError {
    FetchError::new(FetchErrorKind::Refused, attempted)
}

#[cfg(test)]
mod tests {
    use super::super::address::public;
    use super::*;

    fn gate(private_hosts: &[String]) -> Gate<'_> {
        Gate { private_hosts, rule: public, own_ports: &[7878] }
    }

    fn kind(result: Result<Target, FetchError>) -> FetchErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused() {
        let long = format!("http://example.com/{}", "a".repeat(limits::FETCH_URL_BYTES_MAX));
        for address in [
            "",
            "example.com",
            "/path",
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
            "data:text/plain,hello",
            "javascript:alert(1)",
            "ws://example.com/",
            "http://",
            "http:///",
            "http://./",
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://:secret@example.com/",
            "http://example.com:22/",
            "http://example.com:25/",
            "https://example.com:6667/",
            "http://example.com:0/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://①②⑦.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[::]/",
            "http://0/",
            &long,
        ] {
            assert_eq!(kind(gate(&[]).first(address)), FetchErrorKind::Refused, "{address}");
        }
    }

    #[test]
    fn a_plain_web_address_passes_without_its_fragment() {
        let target = gate(&[]).first("HTTPS://Example.COM.:443/a?b=c#d").unwrap();
        assert_eq!(target.url.as_str(), "https://example.com./a?b=c");
        assert_eq!((target.host.as_str(), target.private), ("example.com", false));
        assert!(gate(&[]).first("http://example.com:8080/").is_ok());
        assert!(gate(&[]).first("http://8.8.8.8/").is_ok());
        assert!(gate(&[]).first("http://[2606:4700::1111]/").is_ok());
    }

    #[test]
    fn a_private_host_is_named_exactly_and_in_any_case() {
        let named = ["Intranet.Example.".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), "[fd00::1]".to_owned()];
        for address in ["http://intranet.example/", "http://INTRANET.example./", "http://0x7f.1/", "http://[0:0::1]/"] {
            assert!(gate(&named).first(address).unwrap().private, "{address}");
        }
        assert!(gate(&named).first("http://[fd00::1]:8080/").unwrap().private);
        assert!(!gate(&named).first("http://www.intranet.example/").unwrap().private);
        assert!(!gate(&named).first("http://intranet.example.org/").unwrap().private);
        for address in ["http://127.0.0.2/", "http://[::2]/", "http://[::ffff:127.0.0.1]/", "http://[fd00::2]/"] {
            assert_eq!(kind(gate(&named).first(address)), FetchErrorKind::Refused, "{address}");
        }
    }

    #[test]
    fn no_leave_opens_this_service_itself() {
        let named = ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "localhost", "example.com"].map(str::to_owned);
        for host in ["127.0.0.1", "127.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"] {
            let refused = gate(&named).first(&format!("http://{host}:7878/v1/status")).unwrap_err();
            assert_eq!(refused.kind(), FetchErrorKind::Refused, "{host}");
        }
        assert!(gate(&named).first("http://127.0.0.1:7879/").is_ok(), "another port is another service");
        let by_name = gate(&named).first("http://localhost:7878/").unwrap();
        assert!(by_name.own_port, "a name is judged where it is resolved");
        let from = gate(&named).first("http://127.0.0.1:7879/").unwrap();
        assert_eq!(kind(gate(&named).redirect(&from, "//127.0.0.1:7878/v1/status")), FetchErrorKind::Refused);
    }

    #[test]
    fn a_redirect_is_judged_as_the_first_address_was() {
        let from = gate(&[]).first("https://example.com/a/b?c").unwrap();
        assert_eq!(gate(&[]).redirect(&from, "../d").unwrap().url.as_str(), "https://example.com/d");
        assert_eq!(gate(&[]).redirect(&from, "//example.org/d").unwrap().url.as_str(), "https://example.org/d");
        for location in [
            "http://example.com/a/b",
            "file:///etc/passwd",
            "//127.0.0.1/",
            "https://user@example.org/",
            "https://[::1]/",
            "//example.com:22/",
            "https://",
        ] {
            assert_eq!(kind(gate(&[]).redirect(&from, location)), FetchErrorKind::Refused, "{location}");
        }
        let plain = gate(&[]).first("http://example.com/").unwrap();
        assert!(gate(&[]).redirect(&plain, "https://example.com/").is_ok());
    }
}
