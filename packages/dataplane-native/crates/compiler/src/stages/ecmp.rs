//! Several next hops: a group chooses a member, table 34 makes a next hop of it.
//! The choice is by addresses and ports, in 256 equal slots; each slot has the member that wins it
//! by rendezvous hashing, so that a member that goes takes along its own slots alone. Fragments have
//! no ports: their group chooses by addresses. Called by routes and policy routes.
//!
//! Open vSwitch gives slot i of a hash of eight bits to bucket i when there are 256 equal ones
//! (`group_setup_dp_hash_table` in 3.1). A group of method `hash` does rendezvous hashing itself, by
//! bucket id.

use std::net::IpAddr;

use weft_openflow::{Action, Bucket, Field, Group, GroupKind, Match, Selection};

use super::route::Via;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{MEMBER, ROUTE_TABLE, group_id, set_id};
use crate::pipeline::{ECMP_MEMBER, ROUTER_OUT, priority};
use crate::router_model::Hop;

/// Slots of a group.
pub const SLOTS: u32 = 256;

/// A next hop with its number in the set, from 1: the same while others come and go.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    pub number: u16,
    pub via: Via,
}

/// Who has a set of members, and where packets go on once one is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    pub policy: bool,
    pub key: u32,
    pub next: u8,
}

/// The groups and members of a set; answers what chooses for all packets, and for fragments.
pub fn choose(emit: &mut Emit, set: Set, members: &[Member]) -> (Vec<Action>, Vec<Action>) {
    let (all, fragments) = if set.policy {
        (group_id::POLICY, group_id::POLICY_FRAGMENTS)
    } else {
        (group_id::ROUTE, group_id::ROUTE_FRAGMENTS)
    };
    let id = set_id(set.policy, set.key);
    for member in members {
        let matching = Match::new().set(ROUTE_TABLE, id).masked(
            MEMBER.field,
            u32::from(member.number) << MEMBER.ofs,
            MEMBER.mask(),
        );
        let actions = member.via.actions();
        let at = (ECMP_MEMBER, priority::MEMBER);
        emit.flow(at, Rule::EcmpMember, matching, actions, Some(ROUTER_OUT));
    }
    let bucket = |bucket: u32, member: &Member| Bucket {
        id: bucket,
        weight: Some(1),
        actions: vec![
            Action::load(MEMBER, member.number),
            Action::resubmit(set.next),
        ],
        ..Bucket::default()
    };
    let slots = (0..SLOTS).filter_map(|slot| Some(bucket(slot, winner(id, slot, members)?)));
    let by_hash = (
        group_id::of(all, 0, set.key),
        slots.collect(),
        Selection::DpHash { param: 0 },
    );
    let each = members
        .iter()
        .map(|member| bucket(member.number.into(), member));
    let addresses = match members.first().map(|member| member.via.hop.ip) {
        Some(IpAddr::V6(_)) => [Field::Ipv6Src, Field::Ipv6Dst],
        _ => [Field::Ipv4Src, Field::Ipv4Dst],
    };
    let by_addresses = (
        group_id::of(fragments, 0, set.key),
        each.collect(),
        Selection::hash(&addresses),
    );
    let [all, fragments] = [by_hash, by_addresses].map(|(group, buckets, selection)| {
        emit.select(Group {
            id: group,
            kind: GroupKind::Select,
            buckets,
            selection: Some(selection),
        });
        vec![Action::set(ROUTE_TABLE, id), Action::Group { id: group }]
    });
    (all, fragments)
}

/// Who has a slot.
fn winner(set: u32, slot: u32, members: &[Member]) -> Option<&Member> {
    members.iter().max_by_key(|member| {
        let Hop { network, ip } = member.via.hop;
        let ip = match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        (weight(set, slot, ip), ip, network)
    })
}

/// The same on every chassis and in every version: connections must not move by an upgrade.
fn weight(set: u32, slot: u32, ip: u128) -> u64 {
    let seed = mix(u64::from(set) << 32 | u64::from(slot));
    let words = ip.to_be_bytes();
    let words = words.chunks_exact(4);
    words.fold(seed, |sum, word| {
        let word = word
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        mix(sum ^ word)
    })
}

/// One step of `SplitMix64`.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ips: &[u8]) -> Vec<Member> {
        let member = |last: &u8| Member {
            number: u16::from(*last),
            via: Via {
                hop: Hop {
                    network: 5,
                    ip: [10, 0, 0, *last].into(),
                },
                mac: [2, 0, 0, 0, 0, 1],
            },
        };
        ips.iter().map(member).collect()
    }

    fn slots(members: &[Member]) -> Vec<u16> {
        let slots = (0..SLOTS).map(|slot| winner(set_id(false, 7), slot, members));
        slots.map(|member| member.expect("one").number).collect()
    }

    #[test]
    fn who_goes_takes_along_its_own_slots_alone_and_shares_are_fair() {
        for count in 2u8..=16 {
            let all: Vec<u8> = (1..=count).collect();
            let before = slots(&members(&all));
            let fair = 256 / usize::from(count);
            for member in &all {
                let own = before.iter().filter(|slot| **slot == u16::from(*member));
                let own = own.count();
                assert!(own * 3 > fair && own < fair * 3, "{own} of {fair}");
                let rest: Vec<u8> = all.iter().filter(|ip| *ip != member).copied().collect();
                let after = slots(&members(&rest));
                for (before, after) in before.iter().zip(&after) {
                    assert!(before == after || *before == u16::from(*member));
                }
            }
        }
    }
}
