//! Facts about ports and addresses for packet services, borrowed from the compiler. It decides
//! nothing. Read by `services`, `router_services` and the engine.

use std::net::IpAddr;
use std::sync::Arc;

use crate::fields::Mac;
use crate::key::Key;
use crate::model::{Body, Pair, Port};
use crate::tables::Tables;

/// A plugged port, as packet services see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFacts {
    pub port_id: Arc<str>,
    pub port_key: u32,
    pub network_key: u32,
    pub ofport: u32,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub allowed_pairs: Vec<Pair>,
    pub port_security: bool,
}

/// Who answers for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub mac: Mac,
    /// `None`: a gateway.
    pub port_key: Option<u32>,
    /// The gateway is an interface of this router, which answers all who ask. Without one only
    /// those are answered who want the address for themselves.
    pub router_key: Option<u32>,
}

/// Facts, borrowed from the compiler.
#[derive(Debug, Clone, Copy)]
pub struct ServiceTable<'a> {
    pub(crate) tables: &'a Tables,
}

impl<'a> ServiceTable<'a> {
    pub(crate) fn new(tables: &'a Tables) -> Self {
        Self { tables }
    }

    /// The port behind a port of the switch; of several that claim it the one whose flows are in.
    pub fn port_at(self, ofport: u32) -> Option<PortFacts> {
        self.tables
            .ports_at(ofport)
            .next()
            .map(|port| facts(port, ofport))
    }

    /// A port of this chassis that is plugged.
    pub fn port(self, port_key: u32) -> Option<PortFacts> {
        let port = self.tables.port(port_key)?;
        Some(facts(port, self.tables.ofport(port)?))
    }

    /// Who has the address in the network: a router, a port here, a port elsewhere, the owner of a moving
    /// address, the gateway.
    pub fn owner(self, network_key: u32, ip: IpAddr) -> Option<Owner> {
        let mut owners = self.tables.owners_of(network_key, ip);
        owners.find_map(|key| self.owner_by(key)).or_else(|| {
            let network = self.tables.network(network_key)?;
            let mac = network
                .gateway_mac
                .filter(|_| network.gateways.contains(&ip))?;
            Some(Owner {
                mac,
                port_key: None,
                router_key: None,
            })
        })
    }

    fn owner_by(self, key: &Key) -> Option<Owner> {
        let (mac, port) = match self.tables.get(key)?.working() {
            // A port that is not plugged here may be elsewhere: then its location says so.
            Ok(Body::Port(port)) => {
                self.tables.ofport(port).filter(|_| port.admin_up)?;
                (port.mac, port.key)
            }
            Ok(Body::Address(owner)) => (owner.mac, owner.port),
            Ok(Body::Location(location)) => (location.mac, location.port),
            Ok(Body::RouterPort(interface)) => {
                return Some(Owner {
                    mac: interface.mac,
                    port_key: None,
                    router_key: Some(interface.router),
                });
            }
            _ => return None,
        };
        Some(Owner {
            mac,
            port_key: Some(port),
            router_key: None,
        })
    }

    /// The port that central last named as owner of an address that was claimed: any of an overlay, on
    /// a provider network one of this chassis.
    pub fn claimed_by(self, network_key: u32, ip: IpAddr) -> Option<Owner> {
        let keys = [
            Key::Address(network_key, ip),
            Key::WiredAddress(network_key, ip),
        ];
        keys.iter().find_map(|key| match self.tables.body(key)? {
            Body::Address(owner) => Some(Owner {
                mac: owner.mac,
                port_key: Some(owner.port),
                router_key: None,
            }),
            _ => None,
        })
    }
}

fn facts(port: &Port, ofport: u32) -> PortFacts {
    PortFacts {
        port_id: port.id.clone(),
        port_key: port.key,
        network_key: port.network,
        ofport,
        mac: port.mac,
        ips: port.ips.clone(),
        allowed_pairs: port.pairs.clone(),
        port_security: port.security,
    }
}
