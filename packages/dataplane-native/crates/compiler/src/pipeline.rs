//! The pipeline as data: tables, what a miss does, and the priority bands of each table.
//! It holds no flows of objects. Used by every stage, by `explain` and by the interpreter's tests.
//!
//! A packet of a port runs 0, 10, 11, 20 (22), 30, 50; from a tunnel 0, 5 or 6; from a physical network
//! 0, 7. A neighbour solicitation of a port begins a pass of its own at 21 (22, 23). What a router has
//! runs 31 to 37 and begins again at 30, in the network that it is sent to; what it gives up goes to
//! the engine by 38 and 39, and echo requests to it are answered by 40 and 41. What leaves by a tunnel
//! ends in 51 to 56, by encap and address family; what stays here goes on in 60 and 70.

use weft_instructions::v1::EncapType;

use crate::router_services::Reason;

pub const CLASSIFY: u8 = 0;
pub const TUNNEL_IN: u8 = 5;
pub const TUNNEL_IN_BY_MAC: u8 = 6;
pub const PROVIDER_IN: u8 = 7;
pub const ANTI_SPOOF: u8 = 10;
pub const ANTI_SPOOF_IPV6: u8 = 11;
pub const SERVICES: u8 = 20;
pub const ND_TARGET: u8 = 21;
pub const ANSWER: u8 = 22;
pub const ND_REPLY: u8 = 23;
pub const ROUTER_ENTRY: u8 = 30;
pub const ROUTER_IN: u8 = 31;
pub const ROUTE: u8 = 32;
pub const POLICY_ROUTE: u8 = 33;
pub const ECMP_MEMBER: u8 = 34;
pub const ROUTER_OUT: u8 = 35;
pub const ROUTER_LEAVE: u8 = 36;
pub const NEIGHBOUR: u8 = 37;
pub const PUNT: u8 = 38;
pub const PUNT_OUT: u8 = 39;
pub const ECHO_LIMIT: u8 = 40;
pub const ECHO: u8 = 41;
pub const L2: u8 = 50;
pub const GENEVE4_OUT: u8 = 51;
pub const GENEVE6_OUT: u8 = 52;
pub const VXLAN4_OUT: u8 = 53;
pub const VXLAN6_OUT: u8 = 54;
pub const GRE4_OUT: u8 = 55;
pub const GRE6_OUT: u8 = 56;
pub const INGRESS_POLICY: u8 = 60;
pub const DELIVER: u8 = 70;

/// What happens to a packet that no other flow of a table takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    Drop,
    Goto(u8),
    /// To the engine, in table 38 and on.
    Punt(Reason),
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub number: u8,
    pub name: &'static str,
    pub miss: Miss,
}

const fn table(number: u8, name: &'static str, miss: Miss) -> Table {
    Table { number, name, miss }
}

/// Every table, by number.
pub const TABLES: &[Table] = &[
    table(CLASSIFY, "classify", Miss::Drop),
    table(TUNNEL_IN, "tunnel-in", Miss::Drop),
    table(TUNNEL_IN_BY_MAC, "tunnel-in-by-mac", Miss::Drop),
    table(PROVIDER_IN, "provider-in", Miss::Drop),
    table(ANTI_SPOOF, "anti-spoof", Miss::Drop),
    table(ANTI_SPOOF_IPV6, "anti-spoof-ipv6", Miss::Goto(SERVICES)),
    table(SERVICES, "services", Miss::Goto(ROUTER_ENTRY)),
    table(ND_TARGET, "nd-target", Miss::Goto(ROUTER_ENTRY)),
    table(ANSWER, "answer", Miss::Drop),
    table(ND_REPLY, "nd-reply", Miss::Drop),
    table(ROUTER_ENTRY, "router-entry", Miss::Goto(L2)),
    table(ROUTER_IN, "router-in", Miss::Drop),
    table(ROUTE, "route", Miss::Punt(Reason::NoRoute)),
    table(POLICY_ROUTE, "policy-route", Miss::Goto(ECMP_MEMBER)),
    table(ECMP_MEMBER, "ecmp-member", Miss::Goto(ROUTER_OUT)),
    table(ROUTER_OUT, "router-out", Miss::Drop),
    table(ROUTER_LEAVE, "router-leave", Miss::Drop),
    table(NEIGHBOUR, "neighbour", Miss::Punt(Reason::HostUnreachable)),
    table(PUNT, "punt", Miss::Drop),
    table(PUNT_OUT, "punt-out", Miss::Drop),
    table(ECHO_LIMIT, "echo-limit", Miss::Drop),
    table(ECHO, "echo", Miss::Drop),
    table(L2, "l2-lookup", Miss::Drop),
    table(GENEVE4_OUT, "geneve4-out", Miss::Drop),
    table(GENEVE6_OUT, "geneve6-out", Miss::Drop),
    table(VXLAN4_OUT, "vxlan4-out", Miss::Drop),
    table(VXLAN6_OUT, "vxlan6-out", Miss::Drop),
    table(GRE4_OUT, "gre4-out", Miss::Drop),
    table(GRE6_OUT, "gre6-out", Miss::Drop),
    table(INGRESS_POLICY, "ingress-policy", Miss::Goto(DELIVER)),
    table(DELIVER, "deliver", Miss::Drop),
];

/// The table that sends known unicast into a tunnel of this encap, to a VTEP of the one family or
/// the other; `None`: packets do not leave by such tunnels.
pub const fn tunnel_out(encap: EncapType, ipv4: bool) -> Option<u8> {
    match (encap, ipv4) {
        (EncapType::Geneve, true) => Some(GENEVE4_OUT),
        (EncapType::Geneve, false) => Some(GENEVE6_OUT),
        (EncapType::Vxlan, true) => Some(VXLAN4_OUT),
        (EncapType::Vxlan, false) => Some(VXLAN6_OUT),
        (EncapType::Gre, true) => Some(GRE4_OUT),
        (EncapType::Gre, false) => Some(GRE6_OUT),
        (EncapType::Unspecified | EncapType::Stt, _) => None,
    }
}

/// The name of a table; `None` when there is no such table.
pub fn name(number: u8) -> Option<&'static str> {
    TABLES
        .iter()
        .find(|table| table.number == number)
        .map(|table| table.name)
}

/// Priorities, highest first, table by table. Within a band no two flows overlap.
pub mod priority {
    /// All tables.
    pub const MISS: u16 = 0;

    /// 0: fenced senders before all else, then what is understood, then what is not.
    pub const FENCED: u16 = 200;
    pub const CLASSIFY: u16 = 100;
    pub const CLASSIFY_REST: u16 = 50;

    /// 10, 11: ports without guards, which may announce an address; guards that hold for every other
    /// port; solicitations, before flows that look at a target: to
    /// the datapath those of all targets are then one flow; own addresses; addresses of allowed pairs,
    /// longest prefix first; drop of IP and ARP that nobody allowed; other protocols.
    pub const ANNOUNCEMENT: u16 = 610;
    pub const UNGUARDED: u16 = 600;
    pub const GUARD: u16 = 500;
    pub const GUARD_REST: u16 = 450;
    pub const ASKS: u16 = 420;
    pub const OWN: u16 = 400;
    /// Plus the length of the prefix: 200..=328.
    pub const PAIR: u16 = 200;
    pub const SPOOFED: u16 = 100;
    pub const OTHER: u16 = 50;

    /// 20, 21: a port's own announcements, and those of addresses that move, before answers; a port's
    /// address before the gateway's.
    pub const SERVICE_OWN: u16 = 300;
    pub const SERVICE_ANNOUNCED: u16 = 250;
    pub const SERVICE_ANSWER: u16 = 200;
    pub const SERVICE_GATEWAY: u16 = 100;
    pub const SERVICE_METER: u16 = 50;
    /// 22, 23: what the engine answers before what flows answer.
    pub const ANSWER_SERVICE: u16 = 200;
    pub const ANSWER_FLOWS: u16 = 100;

    /// 30.
    pub const ROUTER_ENTRY: u16 = 100;
    /// 31: too many routers; the router's own addresses; what is
    /// never routed; what has come to its end; the rest of IP.
    pub const HOP_LIMIT: u16 = 700;
    pub const OWN_ECHO: u16 = 600;
    pub const OWN_REST: u16 = 500;
    pub const NEVER_ROUTED: u16 = 400;
    pub const TIME_EXCEEDED: u16 = 300;
    pub const ROUTER_IP: u16 = 100;
    /// 32: plus eight times the length of the prefix, plus the kind of route: 10..=1038.
    pub const ROUTE: u16 = 10;
    pub const CONNECTED: u16 = 4;
    pub const STATIC_FRAGMENT: u16 = 3;
    pub const STATIC: u16 = 2;
    pub const LEAKED: u16 = 1;
    /// 33: twice the priority of the policy route, plus one for fragments: 2..=65535.
    pub const POLICY_FACTOR: u16 = 2;
    /// 34, 35.
    pub const MEMBER: u16 = 100;
    pub const MTU: u16 = 100;
    /// 36.
    pub const TOO_BIG: u16 = 200;
    pub const LEAVE_OWN: u16 = 150;
    pub const LEAVE: u16 = 100;
    /// 37: whom all routers know; whom one knows; whom nobody knows.
    pub const NEIGHBOUR: u16 = 300;
    pub const NEIGHBOUR_OF_ROUTER: u16 = 200;
    pub const RESOLVE: u16 = 100;
    /// 38, 39.
    pub const PUNT: u16 = 100;
    /// 40, 41: what goes back by its port before what is routed.
    pub const ECHO_LINK_LOCAL: u16 = 200;
    pub const ECHO: u16 = 100;

    /// 50: questions of routers.
    pub const ASK: u16 = 400;
    pub const ASK_NOBODY: u16 = 350;
    /// 5, 6, 7, 50: MACs of ports; MACs of addresses that moved; what was routed into a provider
    /// network; broadcast and multicast; the rest.
    pub const UNICAST: u16 = 300;
    pub const UNICAST_ADDRESS: u16 = 200;
    pub const ROUTED_OUT: u16 = 150;
    pub const MULTICAST: u16 = 100;
    pub const UNKNOWN: u16 = 50;

    /// 51 to 56.
    pub const TUNNEL_OUT: u16 = 100;

    /// 70.
    pub const DELIVER: u16 = 100;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_only_lead_forward() {
        for table in TABLES {
            let next = match table.miss {
                Miss::Drop => None,
                Miss::Goto(next) => Some(next),
                Miss::Punt(_) => Some(PUNT),
            };
            if let Some(next) = next {
                assert!(
                    next > table.number && name(next).is_some(),
                    "{}",
                    table.name
                );
            }
        }
        assert!(TABLES.is_sorted_by_key(|table| table.number));
        assert_eq!(name(99), None);
    }
}
