//! May a stranger's address lead us here?
//!
//! Invariants:
//! - Only what can be a public web server is open: an address that no list names is refused, not allowed.
//! - An IPv6 address that carries an IPv4 address is never more open than the address it carries.
//!
//! Sources: the IANA special-purpose address registries of IPv4 and IPv6, and RFC 6890.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use thiserror::Error;

/// Why an address may not be asked, in words that say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the address is {0}")]
pub(super) struct Forbidden(&'static str);

impl Forbidden {
    /// Whether naming the host opens it: everything but this service itself.
    pub(super) fn opens_when_named(self) -> bool {
        self != OWN
    }
}

/// The one address that no leave opens.
const OWN: Forbidden = Forbidden("this service's own");

/// Decides over one address. A type, so that tests can give the loopback network a public part.
pub(super) type AddressRule = fn(IpAddr) -> Result<(), Forbidden>;

/// The rule: public addresses only.
pub(super) fn public(address: IpAddr) -> Result<(), Forbidden> {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => public_v6(address),
    }
}

/// The rule for ports on which this service listens itself: no address of this machine.
pub(super) fn elsewhere(address: IpAddr) -> Result<(), Forbidden> {
    let address = address.to_canonical();
    // The system binds to its own addresses alone, so it is asked, for each anew: interfaces come and go.
    let is_ours = address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok();
    if is_ours { Err(OWN) } else { Ok(()) }
}

/// Networks of IPv4 that hold no public web server: (network, prefix length, what it is).
const FORBIDDEN_V4: [(Ipv4Addr, u32, &str); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared behind a carrier's NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // The virtual machines' agent of a large cloud: public by its number, and never by its meaning.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's metadata service"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "a cloud's metadata service"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Networks within 2000::/3 that hold no public web server.
const FORBIDDEN_V6: [(Ipv6Addr, u32, &str); 4] = [
    // Teredo, benchmarks, ORCHID and other protocols.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a 6to4 tunnel"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
];

/// Names for networks outside 2000::/3, all of which are refused.
const NAMED_V6: [(Ipv6Addr, u32, &str); 7] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::UNSPECIFIED, 96, "an IPv4 address in a form that is out of use"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

fn public_v4(address: Ipv4Addr) -> Result<(), Forbidden> {
    let within = |&&(network, prefix, _): &&(Ipv4Addr, u32, &str)| {
        (address.to_bits() ^ network.to_bits()) & (u32::MAX << (32 - prefix)) == 0
    };
    FORBIDDEN_V4.iter().find(within).map_or(Ok(()), |&(_, _, what)| Err(Forbidden(what)))
}

fn public_v6(address: Ipv6Addr) -> Result<(), Forbidden> {
    let segments = address.segments();
    let carried = Ipv4Addr::from_bits((u32::from(segments[6]) << 16) | u32::from(segments[7]));
    match segments {
        // ::ffff:0:0/96, IPv4-mapped: the kernel connects to the IPv4 address itself.
        [0, 0, 0, 0, 0, 0xffff, _, _] => return public_v4(carried),
        // 64:ff9b::/96, NAT64: how a network without IPv4 reaches the rest of the world.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => return public_v4(carried),
        _ => {}
    }
    let within = |&&(network, prefix, _): &&(Ipv6Addr, u32, &str)| {
        (address.to_bits() ^ network.to_bits()) & (u128::MAX << (128 - prefix)) == 0
    };
    if segments[0] & 0xe000 != 0x2000 {
        let what = NAMED_V6.iter().find(within).map_or("not a public one", |&(_, _, what)| what);
        return Err(Forbidden(what));
    }
    if let Some(&(_, _, what)) = FORBIDDEN_V6.iter().find(within) {
        return Err(Forbidden(what));
    }
    // ISATAP: an interface that a tunnel made of an IPv4 address.
    if segments[4] & !0x0200 == 0 && segments[5] == 0x5efe { public_v4(carried) } else { Ok(()) }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
