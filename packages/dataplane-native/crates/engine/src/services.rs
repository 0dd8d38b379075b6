//! Packets that flows hand to the engine: neighbour solicitations to answer, address claims to report, and
//! what routers give up (`routing`). Owns what is remembered of ports; what to answer is the compiler's pure
//! functions. Called by the worker for every packet-in, whatever it waits for.

use crate::claims::Claims;
use crate::config::MAX_UNSENT_SERVICE_BYTES;
use crate::event::Event;
use crate::limits::{Limit, Limits};
use crate::neighbour::Questions;
use crate::worker::Worker;
use std::time::Instant;
use weft_compiler::router_services::Reason;
use weft_compiler::services::{Service, answer_nd, read_claim};
use weft_openflow::{Action, Field, Match, Message, PacketIn, PacketOut, port};

/// What is kept of ports that asked.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) limits: Limits,
    pub(crate) questions: Questions,
    pub(crate) claims: Claims,
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
                let owner = owner.and_then(|owner| Some((owner.port_key?, owner.mac)));
                let (address, claimer) = ((port.network_key, claim.ip), (port.port_key, claim.mac));
                let claims = &mut self.services.claims;
                if !claims.is_news(address, claimer, owner, now) {
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
