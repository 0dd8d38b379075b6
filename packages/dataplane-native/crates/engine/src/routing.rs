//! Packets that routers hand to the engine: those that they give up, and those whose next hop nobody knows yet.
//! It joins what the compiler knows to `icmp` and `neighbour`, and sends; it forwards nothing itself.
//! Called by `services`. An error begins at the router that makes it, so that it is routed like any packet.

use crate::icmp::{self, Trouble};
use crate::limits::Limit;
use crate::neighbour::{self, Step};
use crate::worker::Worker;
use std::net::IpAddr;
use std::time::Instant;
use weft_compiler::router_services::{InterfaceFacts, Punt, Reason, ask, inject, read_punt};
use weft_openflow::PacketIn;

impl Worker {
    /// Says to the sender why its packet goes no further, or asks for the next hop. `None`: nothing was done.
    pub(crate) fn serve_router(&mut self, packet: &PacketIn, now: Instant) -> Option<()> {
        let punt = read_punt(packet)?;
        let table = self.program.compiler().service_table();
        let trouble = match punt.reason {
            Reason::TimeExceeded => Trouble::TtlExceeded,
            Reason::NoRoute => Trouble::NoRoute,
            Reason::HostUnreachable => Trouble::HostUnreachable,
            Reason::TooBig => {
                let mtu_bytes = table.segment_mtu(punt.router_key, punt.egress_network_key)?;
                Trouble::TooBig { mtu_bytes }
            }
            Reason::Resolve => {
                // Behind a leak nobody can be asked.
                match table.interface(punt.router_key, punt.egress_network_key) {
                    None => Trouble::HostUnreachable,
                    Some(interface) => match self.next_hop_step(&punt, now)? {
                        Step::Ask => return self.ask_for(punt.next_hop, &interface),
                        Step::Wait => return Some(()),
                        Step::Unreachable => Trouble::HostUnreachable,
                    },
                }
            }
        };
        self.send_error(&packet.packet, trouble, &punt, now)
    }

    fn next_hop_step(&mut self, punt: &Punt, now: Instant) -> Option<Step> {
        let limits = &mut self.services.limits;
        let allowed = limits.allow(Limit::Questions, punt.port_key, now);
        let wanted = (punt.egress_network_key, punt.next_hop);
        allowed.then(|| self.services.questions.step(wanted, now))
    }

    /// Asks all who may have the next hop.
    fn ask_for(&mut self, next_hop: IpAddr, interface: &InterfaceFacts) -> Option<()> {
        let request = neighbour::request(interface, next_hop)?;
        self.packet_out(ask(interface.network_key), request)
    }

    fn send_error(
        &mut self,
        frame: &[u8],
        trouble: Trouble,
        punt: &Punt,
        now: Instant,
    ) -> Option<()> {
        let limits = &mut self.services.limits;
        if !limits.allow(Limit::Errors, punt.port_key, now) {
            return None;
        }
        let table = self.program.compiler().service_table();
        let ingress = table.interface(punt.router_key, punt.ingress_network_key)?;
        // Whoever is to have the packet is looked for last.
        let error = if trouble == Trouble::HostUnreachable {
            icmp::error(&icmp::before_the_router(frame), trouble, &ingress)?
        } else {
            icmp::error(frame, trouble, &ingress)?
        };
        self.packet_out(inject(&ingress), error)
    }
}
