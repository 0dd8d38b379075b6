//! Fenced peers: a chassis that may still use freed keys is not heard. Top of table 0.
//! Called for fenced-peer instructions.

use std::net::IpAddr;

use weft_openflow::{Field, Match};

use crate::cookie::Rule;
use crate::emit::Emit;
use crate::pipeline::{CLASSIFY, priority};

/// Drops tunnel packets from these addresses.
pub fn peer(emit: &mut Emit, vteps: impl Iterator<Item = IpAddr>) {
    for vtep in vteps {
        let matching = match vtep {
            IpAddr::V4(ip) => Match::new().set(Field::TunSrc, ip),
            IpAddr::V6(ip) => Match::new().set(Field::TunIpv6Src, ip),
        };
        emit.drop((CLASSIFY, priority::FENCED), Rule::Fenced, matching);
    }
}
