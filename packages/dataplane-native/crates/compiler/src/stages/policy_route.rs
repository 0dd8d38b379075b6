//! Policy routes: after the lookup, by priority, they leave its answer, drop, or name another next
//! hop. Table 33. Called for policy routes.

use weft_openflow::{Action, Field, Match};

use super::route::Via;
use super::{ETH_IPV4, ETH_IPV6, fragment, prefix};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{INGRESS_NETWORK, ROUTER, routed};
use crate::pipeline::{ECMP_MEMBER, POLICY_ROUTE, ROUTER_OUT, priority};
use crate::router_model::{PolicyRule, Prefix};

/// Flows of one policy.
const FLOWS: usize = 1024;

/// Whom it takes: one match or several, where port spans are no prefixes.
fn matches(rule: &PolicyRule) -> Result<Vec<Match>, String> {
    let (source, destination) = match rule.protocol {
        6 => (Field::TcpSrc, Field::TcpDst),
        132 => (Field::SctpSrc, Field::SctpDst),
        _ => (Field::UdpSrc, Field::UdpDst),
    };
    let sources = masks(&rule.source_ports);
    let destinations = masks(&rule.destination_ports);
    let families = rule.families();
    if families.len() * sources.len() * destinations.len() > FLOWS {
        return Err(format!(
            "its ports make more than {FLOWS} flows: name fewer or wider port ranges"
        ));
    }
    let mut matches = Vec::new();
    for ipv4 in families {
        let mut base = Match::new().set(ROUTER, routed(rule.router));
        base = base.set(Field::EthType, if ipv4 { ETH_IPV4 } else { ETH_IPV6 });
        if rule.ingress_network != 0 {
            base = base.set(INGRESS_NETWORK, rule.ingress_network);
        }
        let side = |base: Match, v4, v6, named: Option<Prefix>| match named {
            Some(named) => prefix(base, v4, v6, named),
            None => base,
        };
        base = side(base, Field::Ipv4Src, Field::Ipv6Src, rule.source);
        base = side(base, Field::Ipv4Dst, Field::Ipv6Dst, rule.destination);
        if rule.protocol != 0 {
            base = base.set(Field::IpProto, rule.protocol);
        }
        for (from, from_mask) in &sources {
            for (to, to_mask) in &destinations {
                let matching = base.clone().masked(source, *from, *from_mask);
                matches.push(matching.masked(destination, *to, *to_mask));
            }
        }
    }
    Ok(matches)
}

/// Port spans as values with masks; no span: one that takes all.
fn masks(spans: &[(u16, u16)]) -> Vec<(u16, u16)> {
    if spans.is_empty() {
        return vec![(0, 0)];
    }
    let mut masks = Vec::new();
    for (first, last) in spans {
        let (mut from, end) = (u32::from(*first), u32::from(*last) + 1);
        while from < end {
            // The largest block that starts here and ends in time.
            let aligned = if from == 0 { 16 } else { from.trailing_zeros() };
            let bits = aligned.min((end - from).ilog2());
            let mask = 0xffff_u32 >> bits << bits;
            masks.extend(u16::try_from(from).ok().zip(u16::try_from(mask).ok()));
            from += 1 << bits;
        }
    }
    masks.sort_unstable();
    masks.dedup();
    masks
}

fn at(rule: &PolicyRule) -> (u8, u16) {
    (POLICY_ROUTE, priority::POLICY_FACTOR * rule.priority)
}

/// The table's answer stands.
pub fn allow(emit: &mut Emit, rule: &PolicyRule) -> Result<(), String> {
    for matching in matches(rule)? {
        let next = Some(ECMP_MEMBER);
        emit.flow(at(rule), Rule::PolicyAllow, matching, vec![], next);
    }
    Ok(())
}

pub fn drop(emit: &mut Emit, rule: &PolicyRule) -> Result<(), String> {
    for matching in matches(rule)? {
        emit.drop(at(rule), Rule::PolicyDrop, matching);
    }
    Ok(())
}

/// To this next hop, whatever the table chose.
pub fn via(emit: &mut Emit, rule: &PolicyRule, via: &Via) -> Result<(), String> {
    for matching in matches(rule)? {
        let actions = via.actions();
        let next = Some(ROUTER_OUT);
        emit.flow(at(rule), Rule::PolicyReroute, matching, actions, next);
    }
    Ok(())
}

/// To one of several next hops: `choose` for all packets, `fragments` for fragments, which match
/// no ports.
pub fn several(
    emit: &mut Emit,
    rule: &PolicyRule,
    choose: &[Action],
    fragments: &[Action],
) -> Result<(), String> {
    for matching in matches(rule)? {
        let (table, priority) = at(rule);
        let whole = matching.clone();
        emit.flow(
            (table, priority),
            Rule::PolicyReroute,
            whole,
            choose.to_vec(),
            None,
        );
        let at = (table, priority + 1);
        emit.flow(
            at,
            Rule::EcmpFragment,
            fragment(matching),
            fragments.to_vec(),
            None,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_spans_become_masks_that_take_exactly_them() {
        let cases: [&[(u16, u16)]; 8] = [
            &[(0, 65_535)],
            &[(80, 80)],
            &[(0, 0)],
            &[(1, 65_534)],
            &[(1000, 1999)],
            &[(65_535, 65_535)],
            &[(1, 1), (3, 9), (5, 7)],
            &[(1024, 2047), (1024, 2047)],
        ];
        for spans in cases {
            let masks = masks(spans);
            assert!(masks.len() <= 30 * spans.len(), "{spans:?}");
            for port in 0..=u16::MAX {
                let named = spans
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&port));
                let taken = masks.iter().any(|(value, mask)| port & mask == *value);
                assert_eq!(named, taken, "{port} of {spans:?}");
            }
        }
        assert_eq!(masks(&[]), [(0, 0)]);
    }
}
