//! What kind of place an IP address is.
//!
//! The tables follow IANA's special-purpose registries for IPv4 and IPv6. An IPv6 address that carries an IPv4 address is
//! judged by that one where traffic really goes there (mapped, NAT64), and is otherwise special at best.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A kind of address; the text continues "the address is".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// On the public internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network, the shared range of carriers included.
    Private,
    /// Not part of the public internet; somebody may still use it on purpose.
    Special(&'static str),
    /// Never a receiver.
    Never(&'static str),
}

const METADATA: Class = Class::Never("a cloud's metadata service");
const LINK_LOCAL: Class = Class::Never("a link-local address");
const DOCUMENTATION: Class = Class::Special("an address for documentation");
const BENCHMARK: Class = Class::Special("an address for benchmarks");
const RESERVED: Class = Class::Special("a reserved address");
const TUNNEL: Class = Class::Special("an IPv6 address that carries an IPv4 address");

/// The first match counts.
const V4: &[(Ipv4Net, Class)] = &[
    (v4([169, 254, 169, 254], 32), METADATA),
    (v4([169, 254, 170, 2], 32), METADATA),
    (v4([168, 63, 129, 16], 32), METADATA),
    (v4([100, 100, 100, 200], 32), METADATA),
    (v4([192, 0, 0, 192], 32), METADATA),
    (v4([0, 0, 0, 0], 8), Class::Never("an unspecified address")),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (v4([224, 0, 0, 0], 4), Class::Never("a multicast address")),
    (v4([255, 255, 255, 255], 32), Class::Never("the broadcast address")),
    (v4([127, 0, 0, 0], 8), Class::Loopback),
    (v4([10, 0, 0, 0], 8), Class::Private),
    (v4([172, 16, 0, 0], 12), Class::Private),
    (v4([192, 168, 0, 0], 16), Class::Private),
    (v4([100, 64, 0, 0], 10), Class::Private),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([198, 18, 0, 0], 15), BENCHMARK),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 88, 99, 0], 24), RESERVED),
    (v4([240, 0, 0, 0], 4), RESERVED),
];

/// The first match counts; what is in no row is reserved.
const V6: &[(Ipv6Net, Class)] = &[
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128), METADATA),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), METADATA),
    (v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), METADATA),
    (v6([0; 8], 128), Class::Never("an unspecified address")),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Class::Never("a multicast address")),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Class::Loopback),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Class::Private),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), BENCHMARK),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), TUNNEL),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), TUNNEL),
    (v6([0; 8], 96), TUNNEL),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), TUNNEL),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), TUNNEL),
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), Class::Public),
];

/// The well-known NAT64 prefix: what is sent there arrives at the IPv4 address in its last 32 bits.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// The kind of this address.
pub(super) fn classify(address: IpAddr) -> Class {
    match canonical(address) {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// The IPv4 address that a mapped or NAT64 address leads to; any other address as it is.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if NAT64.contains(&v6) => IpAddr::V4(low_bits(v6)),
        other => other.to_canonical(),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    V4.iter().find(|(network, _)| network.contains(&address)).map_or(Class::Public, |(_, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> Class {
    let class =
        V6.iter().find(|(network, _)| network.contains(&address)).map_or(RESERVED, |(_, class)| *class);
    if class != TUNNEL {
        return class;
    }
    // A range that was allowed on purpose must not lead to what is never allowed.
    let carried = carried(address).into_iter().map(classify_v4);
    carried.into_iter().find(|class| matches!(class, Class::Never(_))).unwrap_or(TUNNEL)
}

/// Every place where one of the tunnels keeps an IPv4 address: 6to4, Teredo's server and client, and the last 32 bits.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    let at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    match address.segments()[0] {
        0x2002 => vec![at(80)],
        0x2001 => vec![at(64), Ipv4Addr::from_bits(!(bits as u32))],
        _ => vec![low_bits(address)],
    }
}

fn low_bits(address: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() as u32)
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}
