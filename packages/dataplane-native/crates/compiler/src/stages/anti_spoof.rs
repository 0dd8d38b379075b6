//! Anti-spoofing: a port with port security speaks only for its own addresses. Tables 10 and 11.
//! It lets through what it names and drops other IP, ARP and ND. Called for local ports with port
//! security.
//!
//! A port may use each of its MACs (its own and those of allowed pairs) with its fixed addresses
//! and with the pairs of that MAC: VRRP sends with the virtual MAC from the real address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_openflow::{Action, Field, Match};

use super::{
    ETH_ARP, ETH_IPV4, ETH_IPV6, GROUP_BIT, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION,
    PROTO_UDP, claims, icmp6,
};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{INGRESS, Mac};
use crate::model::Port;
use crate::pipeline::{ANTI_SPOOF, ANTI_SPOOF_IPV6, SERVICES, priority};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DHCP6_SERVER: u16 = 547;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const REDIRECT: u8 = 137;
/// What a host without an address may send beside neighbour solicitations: MLD reports (RFC 3810
/// 5.2.13) and router solicitations (RFC 4861 4.1).
const WITHOUT_ADDRESS: [u8; 3] = [131, ROUTER_SOLICITATION, 143];

/// An address, or a prefix of allowed pairs, that a port may use with one of its MACs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usable {
    ip: IpAddr,
    prefix: u32,
    /// Only an allowed pair names it: speaking for it is a claim.
    pair: bool,
}

impl Usable {
    fn priority(self) -> u16 {
        let length = u16::try_from(self.prefix).unwrap_or(0);
        if self.pair {
            priority::PAIR + length
        } else {
            priority::OWN
        }
    }
}

/// Flows that hold for every port: once in the pipeline.
pub fn guards(emit: &mut Emit) {
    let at = |priority| (ANTI_SPOOF, priority);
    let multicast = Match::new().masked(Field::EthSrc, GROUP_BIT, GROUP_BIT);
    emit.drop(at(priority::GUARD), Rule::GuardMulticastSource, multicast);
    let udp = |eth| {
        Match::new()
            .set(Field::EthType, eth)
            .set(Field::IpProto, PROTO_UDP)
    };
    let offer = udp(ETH_IPV4)
        .set(Field::UdpSrc, DHCP_SERVER)
        .set(Field::UdpDst, DHCP_CLIENT);
    emit.drop(at(priority::GUARD), Rule::GuardDhcpServer, offer);
    let advertise = udp(ETH_IPV6).set(Field::UdpSrc, DHCP6_SERVER);
    emit.drop(at(priority::GUARD), Rule::GuardDhcpServer, advertise);
    for kind in [ROUTER_ADVERTISEMENT, REDIRECT] {
        let matching = icmp6(Match::new(), kind);
        emit.drop(
            at(priority::GUARD),
            Rule::GuardRouterAdvertisement,
            matching,
        );
    }
    for eth in [ETH_IPV4, ETH_ARP, ETH_IPV6] {
        let matching = Match::new().set(Field::EthType, eth);
        emit.drop(at(priority::SPOOFED), Rule::GuardSpoof, matching);
    }

    let at = |priority| (ANTI_SPOOF_IPV6, priority);
    let nowhere = || {
        Match::new()
            .set(Field::EthType, ETH_IPV6)
            .set(Field::Ipv6Src, Ipv6Addr::UNSPECIFIED)
    };
    for kind in WITHOUT_ADDRESS {
        let matching = icmp6(nowhere(), kind);
        emit.flow(
            at(priority::GUARD),
            Rule::Unspecified,
            matching,
            vec![],
            Some(SERVICES),
        );
    }
    let dad = icmp6(nowhere(), NEIGHBOUR_SOLICITATION).set(Field::NdSll, [0; 6]);
    emit.flow(
        at(priority::GUARD),
        Rule::Unspecified,
        dad,
        vec![],
        Some(SERVICES),
    );
    emit.drop(at(priority::GUARD_REST), Rule::GuardSpoof, nowhere());
    // OVS reads an absent option as zero.
    let no_option = icmp6(Match::new(), NEIGHBOUR_SOLICITATION).set(Field::NdSll, [0; 6]);
    emit.flow(
        at(priority::ASKS),
        Rule::NdSolicitation,
        no_option,
        vec![],
        Some(SERVICES),
    );
    for kind in [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT] {
        emit.drop(
            at(priority::SPOOFED),
            Rule::GuardSpoof,
            icmp6(Match::new(), kind),
        );
    }
}

/// Flows of one port.
pub fn port(emit: &mut Emit, port: &Port, ofport: u32) {
    let mut macs: Vec<Mac> = port.pairs.iter().map(|pair| pair.mac).collect();
    macs.push(port.mac);
    macs.sort_unstable();
    macs.dedup();
    for mac in macs {
        let usable = usable(port, mac);
        let from = Match::new().set(INGRESS, port.key).set(Field::EthSrc, mac);
        let at = (ANTI_SPOOF, priority::OTHER);
        emit.flow(
            at,
            Rule::OtherProtocol,
            from.clone(),
            vec![],
            Some(SERVICES),
        );
        if usable.iter().any(|usable| usable.ip.is_ipv4()) {
            ipv4(emit, &from, mac, &usable, ofport);
        }
        if usable.iter().any(|usable| usable.ip.is_ipv6()) {
            ipv6(emit, &from, mac, &usable, ofport);
        }
    }
}

fn usable(port: &Port, mac: Mac) -> Vec<Usable> {
    let fixed = port.ips.iter().map(|ip| Usable {
        ip: *ip,
        prefix: if ip.is_ipv4() { 32 } else { 128 },
        pair: false,
    });
    let pairs = port.pairs.iter().filter(|pair| pair.mac == mac);
    let pairs = pairs.map(|pair| Usable {
        ip: pair.ip,
        prefix: pair.prefix,
        pair: true,
    });
    let mut usable: Vec<Usable> = fixed.chain(pairs).collect();
    if usable.iter().any(|usable| usable.ip.is_ipv6()) {
        usable.push(Usable {
            ip: link_local(mac).into(),
            prefix: 128,
            pair: false,
        });
    }
    usable
}

/// The link-local address that a host makes of its MAC (RFC 4291 2.5.1 and appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let high = 0xfe80u128 << 112;
    let low = u64::from_be_bytes([
        mac[0] ^ 2,
        mac[1],
        mac[2],
        0xff,
        0xfe,
        mac[3],
        mac[4],
        mac[5],
    ]);
    (high | u128::from(low)).into()
}

fn ipv4(emit: &mut Emit, from: &Match, mac: Mac, usable: &[Usable], ofport: u32) {
    let own = (ANTI_SPOOF, priority::OWN);
    let none = Ipv4Addr::UNSPECIFIED;
    let discover = (from
        .clone()
        .set(Field::EthType, ETH_IPV4)
        .set(Field::IpProto, PROTO_UDP))
    .set(Field::Ipv4Src, none)
    .set(Field::Ipv4Dst, Ipv4Addr::BROADCAST)
    .set(Field::UdpSrc, DHCP_CLIENT)
    .set(Field::UdpDst, DHCP_SERVER);
    emit.flow(own, Rule::DhcpClient, discover, vec![], Some(SERVICES));
    let arp = from
        .clone()
        .set(Field::EthType, ETH_ARP)
        .set(Field::ArpSha, mac);
    let probe = arp.clone().set(Field::ArpOp, 1u16).set(Field::ArpSpa, none);
    emit.flow(own, Rule::ArpProbe, probe, vec![], Some(SERVICES));
    for usable in usable {
        let IpAddr::V4(ip) = usable.ip else { continue };
        let at = (ANTI_SPOOF, usable.priority());
        let source = from.clone().set(Field::EthType, ETH_IPV4);
        let source = source.prefix(Field::Ipv4Src, ip, usable.prefix);
        emit.flow(at, Rule::SourceAddress, source, vec![], Some(SERVICES));
        let sender = arp.clone().prefix(Field::ArpSpa, ip, usable.prefix);
        let (rule, actions) = speak(usable.pair, Rule::ArpSender, ofport);
        emit.flow(at, rule, sender, actions, Some(SERVICES));
    }
}

fn ipv6(emit: &mut Emit, from: &Match, mac: Mac, usable: &[Usable], ofport: u32) {
    let own = (ANTI_SPOOF, priority::OWN);
    let any = from.clone().set(Field::EthType, ETH_IPV6);
    let nowhere = any.clone().set(Field::Ipv6Src, Ipv6Addr::UNSPECIFIED);
    emit.flow(
        own,
        Rule::Unspecified,
        nowhere,
        vec![],
        Some(ANTI_SPOOF_IPV6),
    );
    let asks = icmp6(from.clone(), NEIGHBOUR_SOLICITATION).set(Field::NdSll, mac);
    let at = (ANTI_SPOOF_IPV6, priority::ASKS);
    emit.flow(at, Rule::NdSolicitation, asks, vec![], Some(SERVICES));
    for usable in usable {
        let IpAddr::V6(ip) = usable.ip else { continue };
        let source = any.clone().prefix(Field::Ipv6Src, ip, usable.prefix);
        let at = (ANTI_SPOOF, usable.priority());
        emit.flow(
            at,
            Rule::SourceAddress,
            source,
            vec![],
            Some(ANTI_SPOOF_IPV6),
        );
        for option in [mac, [0; 6]] {
            let says = icmp6(from.clone(), NEIGHBOUR_ADVERTISEMENT);
            let says = says
                .prefix(Field::NdTarget, ip, usable.prefix)
                .set(Field::NdTll, option);
            let (rule, actions) = speak(usable.pair, Rule::NdAdvertisement, ofport);
            let at = (ANTI_SPOOF_IPV6, usable.priority());
            emit.flow(at, rule, says, actions, Some(SERVICES));
        }
    }
}

/// Speaking for an address of a pair is reported on the way.
fn speak(pair: bool, rule: Rule, ofport: u32) -> (Rule, Vec<Action>) {
    if pair {
        (Rule::Claim, vec![claims::report(ofport)])
    } else {
        (rule, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_local_address_flips_the_universal_bit() {
        let address = link_local([0x02, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(address.to_string(), "fe80::5eff:fe10:1");
    }
}
