//! `Key`: an instruction key, parsed. Its order decides which of two units wins a flow that both
//! want. It knows key texts only, no bodies. Used by `tables` and `units`.
//!
//! The chassis name in `chassis/<name>/...` is not part of the identity: an engine is only given
//! its own.

use std::net::IpAddr;
use std::sync::Arc;

/// One instruction key, or `Pipeline` for the flows that are there without any instruction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    Pipeline,
    /// `chassis/<name>/config`
    Config,
    /// `local/vif/<port id>`
    Vif(Arc<str>),
    /// `local/tunnel/<number of the encap type>`
    Tunnel(i32),
    /// `local/patch/<physical network>`
    Patch(Arc<str>),
    /// `chassis/<name>/fence/<chassis key>`
    Fence(u32),
    /// `router/<router key>/config`
    Router(u32),
    /// `router/<router key>/interface/<key of the network or link>`; before addresses, so that
    /// nobody can claim away a gateway.
    RouterPort(u32, u32),
    /// `network/<network key>/config`
    Network(u32),
    /// `chassis/<name>/port/<port key>`
    Port(u32),
    /// `network/<network key>/location/<port key>`
    Location(u32, u32),
    /// `network/<network key>/address/<ip in hex>`; after ports and locations, so that nobody can
    /// claim away a fixed address.
    Address(u32, IpAddr),
    /// `chassis/<name>/address/<network key>/<ip in hex>`: of a provider network; as [`Key::Address`].
    WiredAddress(u32, IpAddr),
    /// `flood/<network key>/peer/<chassis key>`
    Flood(u32, u32),
    /// `router/<router key>/neighbour/<port key>`
    Neighbour(u32, u32),
    /// `router/<router key>/claimed/<network key>/<ip in hex>`; after neighbours, so that nobody can
    /// claim away a fixed address.
    Claimed(u32, u32, IpAddr),
    /// `router/<router key>/route/<route key>`
    Route(u32, u32),
    /// `router/<router key>/policy/<policy key>`
    Policy(u32, u32),
    /// `router/<router key>/leaked/<leak key>/<network key>/<prefix in hex>/<length>`
    Leaked(Box<LeakedKey>),
    /// A text that is no key.
    Unknown(Arc<str>),
}

/// What names a leaked route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeakedKey {
    pub router: u32,
    pub leak: u32,
    pub network: u32,
    pub prefix: IpAddr,
    pub length: u32,
}

impl Key {
    /// Parses a key; what is none becomes [`Key::Unknown`].
    pub fn parse(text: &str) -> Self {
        parse(text).unwrap_or_else(|| Key::Unknown(text.into()))
    }

    /// Whether the key lies in the scope `chassis/<name>`, `network/<network key>`,
    /// `flood/<network key>`, `router/<router key>` or `local`.
    pub fn in_scope(&self, scope: &str) -> bool {
        match self {
            Key::Pipeline => false,
            Key::Config | Key::Fence(_) | Key::Port(_) | Key::WiredAddress(..) => {
                scope.starts_with("chassis/")
            }
            Key::Vif(_) | Key::Tunnel(_) | Key::Patch(_) => scope == "local",
            Key::Network(n) | Key::Address(n, _) | Key::Location(n, _) => {
                scope.strip_prefix("network/").and_then(number) == Some(*n)
            }
            Key::Flood(n, _) => scope.strip_prefix("flood/").and_then(number) == Some(*n),
            Key::Router(r)
            | Key::RouterPort(r, _)
            | Key::Neighbour(r, _)
            | Key::Claimed(r, ..)
            | Key::Route(r, _)
            | Key::Policy(r, _) => scope.strip_prefix("router/").and_then(number) == Some(*r),
            Key::Leaked(key) => scope.strip_prefix("router/").and_then(number) == Some(key.router),
            Key::Unknown(text) => text
                .strip_prefix(scope)
                .is_some_and(|rest| rest.starts_with('/')),
        }
    }
}

fn parse(text: &str) -> Option<Key> {
    let (kind, rest) = text.split_once('/')?;
    match kind {
        "local" => {
            let (what, name) = rest.split_once('/')?;
            match what {
                "vif" if !name.is_empty() => Some(Key::Vif(name.into())),
                "patch" if !name.is_empty() => Some(Key::Patch(name.into())),
                "tunnel" => Some(Key::Tunnel(i32::try_from(number(name)?).ok()?)),
                _ => None,
            }
        }
        "chassis" => {
            let mut parts = rest.splitn(3, '/').skip(1);
            match (parts.next()?, parts.next()) {
                ("config", None) => Some(Key::Config),
                ("port", Some(key)) => Some(Key::Port(number(key)?)),
                ("fence", Some(key)) => Some(Key::Fence(number(key)?)),
                ("address", Some(which)) => {
                    let (network, hex) = which.split_once('/')?;
                    Some(Key::WiredAddress(number(network)?, address(hex)?))
                }
                _ => None,
            }
        }
        "network" => {
            let mut parts = rest.splitn(3, '/');
            let network = number(parts.next()?)?;
            match (parts.next()?, parts.next()) {
                ("config", None) => Some(Key::Network(network)),
                ("location", Some(key)) => Some(Key::Location(network, number(key)?)),
                ("address", Some(hex)) => Some(Key::Address(network, address(hex)?)),
                _ => None,
            }
        }
        "router" => router(rest),
        "flood" => {
            let (network, peer) = rest.split_once("/peer/")?;
            Some(Key::Flood(number(network)?, number(peer)?))
        }
        _ => None,
    }
}

fn router(rest: &str) -> Option<Key> {
    let parts: Vec<&str> = rest.split('/').collect();
    let router = number(parts.first()?)?;
    match parts.get(1..)? {
        ["config"] => Some(Key::Router(router)),
        ["interface", network] => Some(Key::RouterPort(router, number(network)?)),
        ["neighbour", port] => Some(Key::Neighbour(router, number(port)?)),
        ["claimed", network, hex] => Some(Key::Claimed(router, number(network)?, address(hex)?)),
        ["route", route] => Some(Key::Route(router, number(route)?)),
        ["policy", policy] => Some(Key::Policy(router, number(policy)?)),
        ["leaked", leak, network, prefix, length] => Some(Key::Leaked(Box::new(LeakedKey {
            router,
            leak: number(leak)?,
            network: number(network)?,
            prefix: address(prefix)?,
            length: number(length)?,
        }))),
        _ => None,
    }
}

/// A decimal number in its one form: no sign, no leading zeros.
fn number(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

fn address(hex: &str) -> Option<IpAddr> {
    let canonical = hex
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match (hex.len(), canonical) {
        (8, true) => u32::from_str_radix(hex, 16)
            .ok()
            .map(|bits| IpAddr::V4(bits.into())),
        (32, true) => u128::from_str_radix(hex, 16)
            .ok()
            .map(|bits| IpAddr::V6(bits.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_parse_or_are_unknown() {
        let cases = [
            ("chassis/c1/config", Key::Config),
            ("chassis/c1/port/7", Key::Port(7)),
            ("chassis/c1/fence/65535", Key::Fence(65535)),
            (
                "chassis/c1/address/5/0a000001",
                Key::WiredAddress(5, IpAddr::from([10, 0, 0, 1])),
            ),
            ("network/5/config", Key::Network(5)),
            ("network/5/location/9", Key::Location(5, 9)),
            ("flood/5/peer/9", Key::Flood(5, 9)),
            (
                "network/5/address/0a000001",
                Key::Address(5, IpAddr::from([10, 0, 0, 1])),
            ),
            ("router/4/config", Key::Router(4)),
            ("router/4/interface/5", Key::RouterPort(4, 5)),
            ("router/4/neighbour/9", Key::Neighbour(4, 9)),
            (
                "router/4/claimed/5/0a000001",
                Key::Claimed(4, 5, IpAddr::from([10, 0, 0, 1])),
            ),
            ("router/4/route/6", Key::Route(4, 6)),
            ("router/4/policy/7", Key::Policy(4, 7)),
            (
                "router/4/leaked/8/5/0a000000/24",
                Key::Leaked(Box::new(LeakedKey {
                    router: 4,
                    leak: 8,
                    network: 5,
                    prefix: IpAddr::from([10, 0, 0, 0]),
                    length: 24,
                })),
            ),
            ("local/vif/p1", Key::Vif("p1".into())),
            ("local/tunnel/1", Key::Tunnel(1)),
            ("local/patch/phys/a", Key::Patch("phys/a".into())),
        ];
        for (text, key) in cases {
            assert_eq!(Key::parse(text), key);
        }
        for text in [
            "",
            "x",
            "network/05/config",
            "network/5/address/0A000001",
            "chassis/c1/address/0a000001",
            "local/vif/",
            "network/5/flood/9",
            "flood/5/9",
            "router/4",
            "router/4/config/5",
            "router/4/leaked/8/5/0a000000",
        ] {
            assert_eq!(Key::parse(text), Key::Unknown(text.into()));
        }
    }

    #[test]
    fn scopes_hold_their_keys() {
        assert!(Key::Location(5, 9).in_scope("network/5"));
        assert!(!Key::Location(5, 9).in_scope("network/50"));
        assert!(Key::Flood(5, 9).in_scope("flood/5"));
        assert!(!Key::Flood(5, 9).in_scope("network/5"));
        assert!(Key::parse("router/4/leaked/8/5/0a000000/24").in_scope("router/4"));
        assert!(Key::parse("router/4/claimed/5/0a000001").in_scope("router/4"));
        assert!(!Key::Route(4, 6).in_scope("router/6"));
        assert!(Key::Port(9).in_scope("chassis/c1"));
        assert!(Key::parse("chassis/c1/address/5/0a000001").in_scope("chassis/c1"));
        assert!(!Key::parse("chassis/c1/address/5/0a000001").in_scope("network/5"));
        assert!(!Key::Pipeline.in_scope("chassis/c1"));
        assert!(Key::parse("network/5/what").in_scope("network/5"));
    }
}
