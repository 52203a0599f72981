//! Which addresses may be asked, in every form they can be written in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};

use super::public;

fn refused(address: &str) -> bool {
    public(address.parse().unwrap()).is_err()
}

#[test]
fn each_kind_of_address_that_is_not_public_is_refused() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:8.8.8.8",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2a00:1450::5efe:10.0.0.1",
        "2a00:1450::200:5efe:10.0.0.1",
    ] {
        assert!(refused(address), "{address}");
    }
}

#[test]
fn the_neighbours_of_refused_networks_are_open() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450:4001::5efe:8.8.8.8",
    ] {
        assert!(!refused(address), "{address}");
    }
}

/// What the standard library knows of an address, which is less than we refuse.
fn known_to_be_closed(address: Ipv4Addr) -> bool {
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_unspecified()
}

/// Addresses that fall into the small networks as often as into the rest.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let first =
        prop_oneof![any::<u8>(), prop::sample::select(vec![0u8, 10, 100, 127, 169, 172, 192, 198, 203, 224, 240, 255])];
    let second = prop_oneof![any::<u8>(), prop::sample::select(vec![0u8, 16, 18, 31, 51, 64, 88, 127, 168, 254])];
    (first, second, any::<u8>(), any::<u8>()).prop_map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d))
}

proptest! {
    #[test]
    fn what_the_standard_library_calls_closed_is_closed(address in any_v4()) {
        prop_assert!(!known_to_be_closed(address) || public(IpAddr::V4(address)).is_err());
    }

    #[test]
    fn an_ipv6_address_is_never_more_open_than_the_ipv4_address_it_carries(address in any_v4()) {
        let open = public(IpAddr::V4(address)).is_ok();
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let carried = |head: [u16; 6]| {
            let [s, t, u, v, w, x] = head;
            public(IpAddr::V6(Ipv6Addr::new(s, t, u, v, w, x, high, low))).is_ok()
        };
        prop_assert_eq!(carried([0, 0, 0, 0, 0, 0xffff]), open);
        prop_assert_eq!(carried([0x64, 0xff9b, 0, 0, 0, 0]), open);
        prop_assert_eq!(carried([0x2a00, 1, 2, 3, 0, 0x5efe]), open);
        prop_assert!(!carried([0; 6]));
        prop_assert!(public(IpAddr::V6(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1))).is_err());
    }

    #[test]
    fn only_global_unicast_is_open_beyond_what_carries_ipv4(segments in any::<[u16; 8]>()) {
        let address = Ipv6Addr::from(segments);
        let carries = matches!(segments, [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
        prop_assert!(carries || segments[0] >> 13 == 1 || public(IpAddr::V6(address)).is_err());
    }

    /// However an address is written, the parser of addresses sees the same number, and so the same answer is given.
    #[test]
    fn no_way_to_write_an_address_makes_it_more_open(address in any_v4()) {
        let number = address.to_bits();
        let [a, b, c, d] = address.octets();
        for written in [
            format!("{number}"),
            format!("{number:#x}"),
            format!("0{number:o}"),
            format!("{a}.{}", number & 0xff_ffff),
            format!("{a:#x}.0{b:o}.{}", number & 0xffff),
            format!("0{a:o}.{b:#X}.{c}.{d}"),
            format!("{a}.{b}.{c}.{d}."),
            format!("{a}%2e{b}%2E{c}.{d}"),
            format!("{a}。{b}。{c}。{d}"),
        ] {
            let url = Url::parse(&format!("http://{written}/")).unwrap();
            prop_assert_eq!(url.host(), Some(Host::Ipv4(address)), "{}", written);
        }
    }
}
