//! The pipeline as data: tables, what a miss does, and the priority bands of each table.
//! It holds no flows of objects. Used by every stage, by `explain` and by the interpreter's tests.
//!
//! A packet of a port runs 0, 10, 11, 20 (21, 22, 23), 30; from a tunnel 0, 40 or 41; from a
//! physical network 0, 42. All that stays here goes on in 60 and 70.

pub const CLASSIFY: u8 = 0;
pub const ANTI_SPOOF: u8 = 10;
pub const ANTI_SPOOF_IPV6: u8 = 11;
pub const SERVICES: u8 = 20;
pub const ND_TARGET: u8 = 21;
pub const ANSWER: u8 = 22;
pub const ND_REPLY: u8 = 23;
pub const L2: u8 = 30;
pub const TUNNEL_IN: u8 = 40;
pub const TUNNEL_IN_BY_MAC: u8 = 41;
pub const PROVIDER_IN: u8 = 42;
pub const INGRESS_POLICY: u8 = 60;
pub const DELIVER: u8 = 70;

/// What happens to a packet that no other flow of a table takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    Drop,
    Goto(u8),
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub number: u8,
    pub name: &'static str,
    pub miss: Miss,
}

/// Every table, in the order in which packets meet them.
pub const TABLES: &[Table] = &[
    Table {
        number: CLASSIFY,
        name: "classify",
        miss: Miss::Drop,
    },
    Table {
        number: ANTI_SPOOF,
        name: "anti-spoof",
        miss: Miss::Drop,
    },
    Table {
        number: ANTI_SPOOF_IPV6,
        name: "anti-spoof-ipv6",
        miss: Miss::Goto(SERVICES),
    },
    Table {
        number: SERVICES,
        name: "services",
        miss: Miss::Goto(L2),
    },
    Table {
        number: ND_TARGET,
        name: "nd-target",
        miss: Miss::Goto(L2),
    },
    Table {
        number: ANSWER,
        name: "answer",
        miss: Miss::Drop,
    },
    Table {
        number: ND_REPLY,
        name: "nd-reply",
        miss: Miss::Drop,
    },
    Table {
        number: L2,
        name: "l2-lookup",
        miss: Miss::Drop,
    },
    Table {
        number: TUNNEL_IN,
        name: "tunnel-in",
        miss: Miss::Drop,
    },
    Table {
        number: TUNNEL_IN_BY_MAC,
        name: "tunnel-in-by-mac",
        miss: Miss::Drop,
    },
    Table {
        number: PROVIDER_IN,
        name: "provider-in",
        miss: Miss::Drop,
    },
    Table {
        number: INGRESS_POLICY,
        name: "ingress-policy",
        miss: Miss::Goto(DELIVER),
    },
    Table {
        number: DELIVER,
        name: "deliver",
        miss: Miss::Drop,
    },
];

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

    /// 10, 11: guards that hold for every port; own addresses; addresses of allowed pairs, longest
    /// prefix first; drop of IP and ARP that nobody allowed; other protocols.
    pub const GUARD: u16 = 500;
    pub const GUARD_REST: u16 = 450;
    pub const OWN: u16 = 400;
    /// Plus the length of the prefix: 200..=328.
    pub const PAIR: u16 = 200;
    pub const SPOOFED: u16 = 100;
    pub const OTHER: u16 = 50;

    /// 20, 21: a port's own announcements before answers; a port's address before the gateway's.
    pub const SERVICE_OWN: u16 = 300;
    pub const SERVICE_ANSWER: u16 = 200;
    pub const SERVICE_GATEWAY: u16 = 100;
    pub const SERVICE_METER: u16 = 50;
    /// 22, 23: what the engine answers before what flows answer.
    pub const ANSWER_SERVICE: u16 = 200;
    pub const ANSWER_FLOWS: u16 = 100;

    /// 30, 40, 41, 42: MACs of ports; MACs of addresses that moved; broadcast and multicast; the
    /// rest.
    pub const UNICAST: u16 = 300;
    pub const UNICAST_ADDRESS: u16 = 200;
    pub const MULTICAST: u16 = 100;
    pub const UNKNOWN: u16 = 50;

    /// 70.
    pub const DELIVER: u16 = 100;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_only_lead_forward() {
        for table in TABLES {
            if let Miss::Goto(next) = table.miss {
                assert!(
                    next > table.number && name(next).is_some(),
                    "{}",
                    table.name
                );
            }
        }
        assert_eq!(name(99), None);
    }
}
