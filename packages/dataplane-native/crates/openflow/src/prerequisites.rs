//! Which match fields need which others, and `Match::check`, which says what is missing.
//! It checks what Open vSwitch checks and nothing else. Called by the compiler's tests and whoever
//! builds a match from outside input. Source: ovs-fields(7), "prerequisites".

use crate::error::{Error, Result};
use crate::fields::Field;
use crate::match_::Match;

impl Match {
    /// Whether Open vSwitch would take this match: prerequisites present, masks only where allowed.
    pub fn check(&self) -> Result<()> {
        for entry in self.entries() {
            let info = entry.field.info();
            if !info.maskable && entry.mask != entry.field.all_ones() {
                return Err(Error::Field {
                    field: info.name,
                    reason: "it takes no mask",
                });
            }
            if let Some(needs) = self.missing_prerequisite(entry.field) {
                return Err(Error::Prerequisite {
                    field: info.name,
                    needs,
                });
            }
        }
        Ok(())
    }

    /// What `field` needs beside it and does not have (ovs-fields(7)).
    fn missing_prerequisite(&self, field: Field) -> Option<&'static str> {
        use Field as F;
        let eth = self.exact(F::EthType);
        let proto = self.exact(F::IpProto);
        let icmp6 = self.exact(F::Icmpv6Type);
        let ip = matches!(eth, Some(0x0800 | 0x86dd));
        let nd = eth == Some(0x86dd) && proto == Some(58) && matches!(icmp6, Some(135 | 136));
        let (ok, needs) = match field {
            F::VlanPcp => (
                self.get(F::VlanVid)
                    .is_some_and(|vid| vid.value & vid.mask & 0x1000 != 0),
                "vlan_vid with the 0x1000 bit",
            ),
            F::MplsLabel | F::MplsTc | F::MplsBos | F::MplsTtl => (
                matches!(eth, Some(0x8847 | 0x8848)),
                "eth_type 0x8847 or 0x8848",
            ),
            F::IpProto | F::IpDscp | F::IpEcn | F::IpTtl | F::IpFrag => {
                (ip, "eth_type 0x0800 or 0x86dd")
            }
            F::Ipv4Src | F::Ipv4Dst => (eth == Some(0x0800), "eth_type 0x0800"),
            F::Ipv6Src | F::Ipv6Dst | F::Ipv6Flabel => (eth == Some(0x86dd), "eth_type 0x86dd"),
            F::TcpSrc | F::TcpDst | F::TcpFlags => (ip && proto == Some(6), "IP and nw_proto 6"),
            F::UdpSrc | F::UdpDst => (ip && proto == Some(17), "IP and nw_proto 17"),
            F::SctpSrc | F::SctpDst => (ip && proto == Some(132), "IP and nw_proto 132"),
            F::Icmpv4Type | F::Icmpv4Code => (
                eth == Some(0x0800) && proto == Some(1),
                "eth_type 0x0800 and nw_proto 1",
            ),
            F::Icmpv6Type | F::Icmpv6Code => (
                eth == Some(0x86dd) && proto == Some(58),
                "eth_type 0x86dd and nw_proto 58",
            ),
            F::NdTarget | F::NdReserved | F::NdOptionsType => (
                nd,
                "eth_type 0x86dd, nw_proto 58 and icmpv6_type 135 or 136",
            ),
            F::NdSll => (nd && icmp6 == Some(135), "icmpv6_type 135"),
            F::NdTll => (nd && icmp6 == Some(136), "icmpv6_type 136"),
            F::ArpOp | F::ArpSpa | F::ArpTpa | F::ArpSha | F::ArpTha => {
                (matches!(eth, Some(0x0806 | 0x8035)), "eth_type 0x0806")
            }
            F::CtNwSrc | F::CtNwDst if eth != Some(0x0800) => (false, "eth_type 0x0800"),
            F::CtIpv6Src | F::CtIpv6Dst if eth != Some(0x86dd) => (false, "eth_type 0x86dd"),
            F::CtTpSrc | F::CtTpDst if self.get(F::CtNwProto).is_none() => (false, "ct_nw_proto"),
            F::CtNwProto
            | F::CtNwSrc
            | F::CtNwDst
            | F::CtIpv6Src
            | F::CtIpv6Dst
            | F::CtTpSrc
            | F::CtTpDst => (
                self.names_a_connection(),
                "ct_state with a bit of a connection or +trk-inv",
            ),
            _ => (true, ""),
        };
        (!ok).then_some(needs)
    }

    /// Whether ct_state implies that there is a connection (new, est, rel, rpl, snat, dnat or +trk-inv).
    fn names_a_connection(&self) -> bool {
        self.get(Field::CtState).is_some_and(|state| {
            state.value & 0xcf != 0
                || (state.value & 0x20 != 0 && state.mask & 0x10 != 0 && state.value & 0x10 == 0)
        })
    }
}
