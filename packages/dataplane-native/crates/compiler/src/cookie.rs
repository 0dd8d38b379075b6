//! Cookies: from a flow back to the object and the rule that it stands for.
//! It holds no flows. Written by the stages, read by `Compiler::explain` and the engine's ownership
//! mask.
//!
//! ```text
//! 63..56 mark 0x57 | 55..48 table | 47..44 object kind | 43..20 object key | 19..0 rule
//! ```

/// Our mark: what does not carry it in a cookie is not ours.
pub const MARK: u64 = 0x57;
/// Selects the mark in a cookie.
pub const MARK_MASK: u64 = 0xff << 56;

/// The object a flow belongs to, with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// The pipeline itself, a tunnel port included.
    Pipeline,
    Network(u32),
    Port(u32),
    Chassis(u32),
    /// A port elsewhere, by its port key.
    Location(u32),
    /// An address of allowed pairs, by the key of the port that it belongs to.
    Address(u32),
    Router(u32),
    RouterInterface(u32),
    Route(u32),
    PolicyRoute(u32),
    /// A port that a router reaches, by its port key.
    RouterNeighbour(u32),
    Leak(u32),
    /// An end of a link, by the key of the link.
    RouterLink(u32),
}

impl Object {
    fn parts(self) -> (u64, u32) {
        match self {
            Object::Pipeline => (0, 0),
            Object::Network(key) => (1, key),
            Object::Port(key) => (2, key),
            Object::Chassis(key) => (3, key),
            Object::Location(key) => (4, key),
            Object::Address(key) => (5, key),
            Object::Router(key) => (6, key),
            Object::RouterInterface(key) => (7, key),
            Object::Route(key) => (8, key),
            Object::PolicyRoute(key) => (9, key),
            Object::RouterNeighbour(key) => (10, key),
            Object::Leak(key) => (11, key),
            Object::RouterLink(key) => (12, key),
        }
    }

    fn from_parts(kind: u64, key: u32) -> Option<Self> {
        Some(match kind {
            0 => Object::Pipeline,
            1 => Object::Network(key),
            2 => Object::Port(key),
            3 => Object::Chassis(key),
            4 => Object::Location(key),
            5 => Object::Address(key),
            6 => Object::Router(key),
            7 => Object::RouterInterface(key),
            8 => Object::Route(key),
            9 => Object::PolicyRoute(key),
            10 => Object::RouterNeighbour(key),
            11 => Object::Leak(key),
            12 => Object::RouterLink(key),
            _ => return None,
        })
    }
}

macro_rules! rules {
    ($($variant:ident = $number:literal $text:literal;)*) => {
        /// Why a flow is there. Numbers are stable: people keep cookies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Rule { $($variant = $number,)* }

        impl Rule {
            /// One line for people.
            pub fn text(self) -> &'static str {
                match self { $(Rule::$variant => $text,)* }
            }

            fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Rule::$variant),)* _ => None }
            }
        }
    };
}

rules! {
    Miss = 0 "what no other flow of the table takes";
    PortIn = 1 "packets of the port enter its network";
    AdminDown = 2 "the port is administratively down: nothing in, nothing out";
    TunnelIn = 3 "tunnel headers become registers";
    TunnelVersion = 4 "tunnel packets of an unknown TLV version are dropped";
    ProviderIn = 5 "packets of the physical network enter the network";
    Fenced = 6 "tunnel packets of a fenced chassis are dropped";
    GuardMulticastSource = 16 "a multicast source MAC is dropped";
    GuardDhcpServer = 17 "DHCP server messages of guests are dropped";
    GuardRouterAdvertisement = 18 "router advertisements and redirects of guests are dropped";
    GuardSpoof = 19 "source addresses that are not the port's are dropped";
    SourceAddress = 20 "source addresses of the port";
    DhcpClient = 21 "the port asks for an IPv4 address";
    ArpSender = 22 "ARP with the port's own addresses";
    ArpProbe = 23 "ARP probes of the port";
    OtherProtocol = 24 "other protocols with the port's own MAC";
    Unspecified = 25 "IPv6 packets without a source address: DAD, MLD and router solicitations";
    NdSolicitation = 26 "neighbour solicitations with the port's own MAC, or none";
    NdAdvertisement = 27 "neighbour advertisements of the port's own addresses";
    Claim = 28 "the port speaks for an address of allowed pairs: the claim is reported";
    Announcement = 29 "the port, with port security off, may say who has an address: the claim is reported";
    Unguarded = 30 "the port has port security off: nothing is checked";
    ArpAnswer = 40 "ARP requests are answered here";
    ArpOwn = 41 "an announcement of the address is not answered but flooded";
    ArpGateway = 42 "a port that probes the gateway's address is told that it is taken";
    NdMeter = 43 "neighbour solicitations of the port, rate limited";
    NdTarget = 44 "who answers for this neighbour";
    NdOwn = 45 "the port's own duplicate address detection is not answered but flooded";
    NdGateway = 46 "a port that probes the gateway's address is told that it is taken";
    NdAnswer = 47 "neighbour solicitations are answered here";
    NdService = 48 "neighbour solicitations that the engine answers";
    LocalUnicast = 60 "to a port of this chassis";
    RemoteUnicast = 61 "to a port of another chassis";
    Flood = 62 "broadcast and multicast";
    UnknownUnicast = 63 "unknown destinations: to the ports with port security off";
    ProviderOut = 64 "to the physical network";
    TunnelToPort = 65 "from a tunnel to the port";
    TunnelFlood = 66 "from a tunnel to all ports of the network here";
    TunnelRelay = 67 "from a tunnel to all ports of the network here and to this block";
    ProviderToPort = 68 "from the physical network to the port";
    Deliver = 69 "out of the port";
    TunnelOut = 70 "into the tunnel: header from registers";
    RoutedProviderOut = 71 "routed to the physical network, from the MAC of this chassis";
    Ask = 72 "a router asks who has an address: to the ports with port security off";
    RouterEntry = 80 "to the router's interface: the router has it";
    HopLimit = 81 "eight routers in one pass: time exceeded";
    RouterEcho = 82 "echo requests to the router's own addresses are answered, so many a second";
    RouterOwn = 83 "nothing but echo is taken by the router itself";
    NeverRouted = 84 "multicast, loopback, link-local and unspecified addresses are never routed";
    DirectedBroadcast = 85 "broadcasts of a connected prefix are never routed";
    TimeExceeded = 86 "the TTL or hop limit ran out: time exceeded";
    RouterIp = 87 "IP is routed, nothing else";
    Connected = 88 "to a network of the router";
    StaticRoute = 89 "to the next hop of the route";
    Ecmp = 90 "to one of the next hops of the route, by a hash of addresses and ports";
    EcmpFragment = 91 "fragments: to one of the next hops, by a hash of addresses";
    Blackhole = 92 "the route drops";
    LeakedRoute = 93 "to a network of another router that is leaked";
    NoRoute = 94 "no route: unreachable";
    PolicyAllow = 95 "the policy leaves it at the table's answer";
    PolicyDrop = 96 "the policy drops";
    PolicyReroute = 97 "the policy names another next hop";
    EcmpMember = 98 "the next hop that was chosen";
    MtuCheck = 99 "is it longer than the network's MTU?";
    TooBig = 100 "longer than the network's MTU: too big";
    RouterLeave = 101 "the router sends it: TTL or hop limit less one";
    Neighbour = 102 "the next hop's MAC";
    Resolve = 103 "nobody is known to have the next hop: ports with port security off are asked";
    HostUnreachable = 104 "nobody has the next hop: unreachable";
    PuntMeter = 105 "what routers give up of the port, rate limited";
    PuntOut = 106 "the engine answers with an error, or asks for the next hop";
    RouterLeaveOwn = 108 "the router sends what it made itself";
    EchoMeter = 109 "echo requests of the port to routers, rate limited";
    EchoAnswer = 110 "the router's answer to an echo request";
}

/// The cookie of a flow.
pub fn encode(table: u8, object: Object, rule: Rule) -> u64 {
    let (kind, key) = object.parts();
    MARK << 56
        | u64::from(table) << 48
        | kind << 44
        | u64::from(key & 0x00ff_ffff) << 20
        | u64::from(rule as u32)
}

/// What a cookie says; `None` when it is not one of ours.
pub fn decode(cookie: u64) -> Option<(u8, Object, Rule)> {
    if cookie >> 56 != MARK {
        return None;
    }
    let low = |shift: u32, bits: u32| u32::try_from(cookie >> shift & ((1 << bits) - 1)).ok();
    let table = u8::try_from(low(48, 8)?).ok()?;
    let object = Object::from_parts(u64::from(low(44, 4)?), low(20, 24)?)?;
    Some((table, object, Rule::from_number(low(0, 20)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_says_what_it_was_made_of() {
        let cases = [
            (0, Object::Pipeline, Rule::Miss, 0x5700_0000_0000_0000),
            (
                50,
                Object::Location(0x00ab_cdef),
                Rule::RemoteUnicast,
                0x5732_4abc_def0_003d,
            ),
            (70, Object::Port(1), Rule::Deliver, 0x5746_2000_0010_0045),
        ];
        for (table, object, rule, cookie) in cases {
            assert_eq!(encode(table, object, rule), cookie);
            assert_eq!(decode(cookie), Some((table, object, rule)));
        }
        assert_eq!(decode(0x5800_0000_0000_0000), None);
        assert_eq!(decode(0x570f_f000_0000_0000), None);
    }
}
