//! Packets that flows hand to the engine: neighbour solicitations to answer, address claims to report, and
//! what routers give up (`routing`). Owns what is remembered of ports; what to answer is the compiler's pure
//! functions. Called by the worker for every packet-in, whatever it waits for.

use crate::config::MAX_UNSENT_SERVICE_BYTES;
use crate::event::Event;
use crate::limits::{Limit, Limits};
use crate::neighbour::Questions;
use crate::worker::Worker;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_compiler::router_services::Reason;
use weft_compiler::services::{Service, answer_nd, read_claim};
use weft_openflow::{Action, Field, Match, Message, PacketIn, PacketOut, port};

/// Claims that are remembered so that they are not repeated.
const MAX_CLAIMS: usize = 8_192;
/// The same claim is reported again only after this; until then central's answer is awaited.
const CLAIM_REPEAT: Duration = Duration::from_secs(1);

/// What is kept of ports that asked.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) limits: Limits,
    pub(crate) questions: Questions,
    claimed: HashMap<(Arc<str>, IpAddr, [u8; 6]), Instant>,
}

impl Services {
    /// Whether this claim was not reported a moment ago. A full table says no: the guest repeats itself.
    fn is_new(&mut self, claim: (Arc<str>, IpAddr, [u8; 6]), now: Instant) -> bool {
        if self.claimed.len() >= MAX_CLAIMS {
            self.claimed
                .retain(|_, at| now.saturating_duration_since(*at) < CLAIM_REPEAT);
        }
        let recent = |at: &Instant| now.saturating_duration_since(*at) < CLAIM_REPEAT;
        if self.claimed.get(&claim).is_some_and(recent) || self.claimed.len() >= MAX_CLAIMS {
            return false;
        }
        self.claimed.insert(claim, now);
        true
    }
}

impl Worker {
    /// Serves one packet, or drops and counts it.
    pub(crate) fn packet_in(&mut self, packet: &PacketIn) {
        self.stats.packet_ins += 1;
        if self.serve(packet).is_none() {
            self.stats.packet_ins_dropped += 1;
        }
    }

    fn serve(&mut self, packet: &PacketIn) -> Option<()> {
        let now = Instant::now();
        if Reason::decode(&packet.userdata).is_some() {
            return self.serve_router(packet, now);
        }
        let service = Service::decode(&packet.userdata)?;
        let ofport = u32::try_from(packet.metadata.exact(Field::InPort)?).ok()?;
        let limit = match service {
            Service::NeighbourAnswer => Limit::Answers,
            Service::Claim => Limit::Claims,
        };
        if !self.services.limits.allow(limit, ofport, now) {
            return None;
        }
        let table = self.program.compiler().service_table();
        let port = table.port_at(ofport)?;
        match service {
            Service::NeighbourAnswer => {
                let answer = answer_nd(&packet.packet, &port, table)?;
                self.packet_out(vec![Action::output(ofport)], answer)
            }
            Service::Claim => {
                let claim = read_claim(&packet.packet, &port)?;
                let owner = table.claimed_by(port.network_key, claim.ip);
                let holds =
                    owner.is_some_and(|o| o.port_key == Some(port.port_key) && o.mac == claim.mac);
                if holds
                    || !self
                        .services
                        .is_new((claim.port_id.clone(), claim.ip, claim.mac), now)
                {
                    return Some(());
                }
                let port_id = claim.port_id.to_string();
                self.emit(Event::Claim {
                    port_id,
                    ip: claim.ip,
                    mac: claim.mac,
                });
                Some(())
            }
        }
    }

    /// Sends a packet that came by no port; `None` when too much is waiting to be sent.
    pub(crate) fn packet_out(&mut self, actions: Vec<Action>, packet: Vec<u8>) -> Option<()> {
        if self.link.unsent() > MAX_UNSENT_SERVICE_BYTES {
            return None;
        }
        let metadata = Match::new().set(Field::InPort, port::CONTROLLER);
        let message = Message::PacketOut(Box::new(PacketOut {
            metadata,
            actions,
            packet,
        }));
        let xid = self.link.next_xid();
        self.link
            .push(|out| weft_openflow::encode(out, xid, &message))
            .ok()?;
        self.stats.packet_outs += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_claims_are_bounded() {
        let mut services = Services::default();
        let now = Instant::now();
        let claim = |n: u32| (Arc::from("p"), IpAddr::from(n.to_be_bytes()), [2; 6]);
        let new = (0..2 * u32::try_from(MAX_CLAIMS).unwrap())
            .filter(|&n| services.is_new(claim(n), now))
            .count();
        assert_eq!(new, MAX_CLAIMS);
        assert!(
            services.is_new(claim(1_000_000), now + CLAIM_REPEAT),
            "old ones make room"
        );
    }

    #[test]
    fn a_claim_is_repeated_only_after_a_while() {
        let mut services = Services::default();
        let now = Instant::now();
        let claim = (Arc::from("p"), IpAddr::from([10, 0, 0, 1]), [2; 6]);
        assert!(services.is_new(claim.clone(), now));
        assert!(!services.is_new(claim.clone(), now + CLAIM_REPEAT / 2));
        assert!(services.is_new(claim, now + CLAIM_REPEAT));
    }
}
