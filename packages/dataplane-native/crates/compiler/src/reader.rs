//! The tracking reader: units read instructions through it, and what they read is recorded.
//! It changes nothing. Made by `compiler` for each run of a unit.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use weft_instructions::v1::EncapType;

use crate::few::Few;
use crate::fields::Mac;
use crate::key::Key;
use crate::model::{Attachment, Body, FloodPeer, Location, Network, Port, Tunnel};
use crate::router_model::{Hop, RouterPort};
use crate::tables::{Dep, Tables};

/// Reads the tables for one unit and records what it read.
#[derive(Debug)]
pub struct Reader<'a> {
    tables: &'a Tables,
    deps: RefCell<Vec<Dep>>,
}

impl<'a> Reader<'a> {
    pub fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            deps: RefCell::default(),
        }
    }

    /// What was read, sorted, each once.
    pub fn into_deps(self) -> Vec<Dep> {
        let mut deps = self.deps.into_inner();
        deps.sort_unstable();
        deps.dedup();
        deps.shrink_to_fit();
        deps
    }

    fn read(&self, dep: Dep) {
        self.deps.borrow_mut().push(dep);
    }

    fn row(&self, key: Key) -> Option<&'a Body> {
        let body = self.tables.body(&key);
        self.read(Dep::Row(key));
        body
    }

    /// Why a row that is needed cannot be used: it failed, or it is `missing`.
    fn reason(&self, key: &Key, missing: String) -> String {
        match self.tables.get(key) {
            Some(row) => format!("{} fails here: see its own failure", row.name),
            None => missing,
        }
    }

    /// Our own chassis key, which a chassis that hosts nothing yet may lack.
    pub fn chassis_key(&self) -> Result<u32, String> {
        if let Some(Body::Config { chassis_key }) = self.row(Key::Config) {
            return Ok(*chassis_key);
        }
        let missing = "this chassis has no key yet: central has not sent chassis/<name>/config";
        Err(self.reason(&Key::Config, missing.into()))
    }

    pub fn network(&self, key: u32) -> Result<&'a Network, String> {
        self.read(Dep::Row(Key::Network(key)));
        let missing = || {
            format!("network {key} is not known here: central has not sent network/{key}/config")
        };
        let network = self.tables.network(key);
        network.ok_or_else(|| self.reason(&Key::Network(key), missing()))
    }

    pub fn port(&self, key: u32) -> Option<&'a Port> {
        self.read(Dep::Row(Key::Port(key)));
        self.tables.port(key)
    }

    pub fn location(&self, network: u32, port: u32) -> Option<&'a Location> {
        self.read(Dep::Row(Key::Location(network, port)));
        self.tables.location(network, port)
    }

    /// The ofport of a local port; `None` while it is not plugged.
    pub fn ofport(&self, port: &Port) -> Option<u32> {
        self.read(Dep::Row(Key::Vif(port.id.clone())));
        self.tables.ofport(port)
    }

    /// A port that is plugged on this chassis, by key, in `network`.
    pub fn plugged(&self, network: u32, key: u32) -> Option<(&'a Port, u32)> {
        let port = self.port(key).filter(|port| port.network == network)?;
        Some((port, self.ofport(port)?))
    }

    /// The local ports of a network, by key.
    pub fn ports_of(&self, network: u32) -> impl Iterator<Item = &'a Port> {
        self.read(Dep::PortsOf(network));
        let keys = self
            .tables
            .ports_of
            .get(&network)
            .into_iter()
            .flat_map(Few::iter);
        keys.filter_map(|key| self.port(*key))
    }

    /// Whether a router has an interface on the network.
    pub fn routed(&self, network: u32) -> bool {
        self.read(Dep::Row(Key::Network(network)));
        self.tables.used(network).1
    }

    /// The interface of a router on a network or link, if packets can leave by it.
    pub fn segment(&self, router: u32, network: u32) -> Result<&'a RouterPort, String> {
        let key = Key::RouterPort(router, network);
        let missing = || format!("the router has no interface on network {network} here");
        let Some(Body::RouterPort(port)) = self.row(key.clone()) else {
            return Err(self.reason(&key, missing()));
        };
        if !port.link
            && let Attachment::Provider { physical, .. } = &self.network(network)?.attachment
        {
            self.patch(physical)?;
        }
        Ok(port)
    }

    /// Whether somebody is known to have the next hop of a router.
    pub fn alive(&self, router: u32, hop: Hop) -> bool {
        self.read(Dep::HoldersOf(hop.network, hop.ip));
        self.tables.owners_of(hop.network, hop.ip).any(|key| {
            let body = self.row(key.clone());
            match (key, body) {
                (_, Some(Body::Port(port))) => port.admin_up && self.ofport(port).is_some(),
                (_, Some(Body::Location(location))) => self.elsewhere(location.chassis),
                (_, Some(Body::Address(owner))) => {
                    self.reached(owner.network, owner.port, owner.chassis)
                }
                (Key::RouterPort(other, _), Some(_)) => *other != router,
                (_, Some(Body::Neighbour(one))) => {
                    one.router == router && self.reached(one.network, one.port, one.chassis)
                }
                _ => false,
            }
        })
    }

    /// Whether a port can be sent to: plugged here and up, or located on another chassis.
    fn reached(&self, network: u32, port: u32, chassis: u32) -> bool {
        match self.plugged(network, port) {
            Some((port, _)) => port.admin_up,
            None => self.elsewhere(chassis),
        }
    }

    fn elsewhere(&self, chassis: u32) -> bool {
        self.chassis_key().is_ok_and(|own| own != chassis)
    }

    /// Whether this is the first of the leaked routes that lead a router into a network where it has
    /// no interface: that one brings what they share.
    pub fn first_leak(&self, router: u32, network: u32, own: &Key) -> bool {
        self.read(Dep::LeaksOf(router, network));
        let group = self.tables.leaks_of.get(&(router, network));
        let first = group.and_then(|leaks| leaks.iter().next());
        first == Some(own) && self.row(Key::RouterPort(router, network)).is_none()
    }

    /// Whether the network has local ports, plugged or not.
    pub fn hosted(&self, network: u32) -> bool {
        self.read(Dep::Row(Key::Network(network)));
        self.tables.used(network).0
    }

    /// The flood peers of a network, by chassis key.
    pub fn flood_peers(&self, network: u32) -> impl Iterator<Item = &'a FloodPeer> {
        self.read(Dep::FloodOf(network));
        let range = Key::Flood(network, 0)..=Key::Flood(network, u32::MAX);
        self.tables
            .rows
            .range(range)
            .filter_map(|(_, row)| match row.working() {
                Ok(Body::FloodPeer(peer)) => Some(peer),
                _ => None,
            })
    }

    /// Whether a fence of a lower chassis key names this address.
    pub fn fenced_before(&self, chassis: u32, vtep: IpAddr) -> bool {
        self.read(Dep::Fences);
        let mut lower = self.tables.rows.range(Key::Fence(0)..Key::Fence(chassis));
        lower.any(
            |(_, row)| matches!(row.working(), Ok(Body::Fence(vteps)) if vteps.contains(&vtep)),
        )
    }

    /// The claimed addresses that this MAC answers for in a network.
    pub fn owned_by(&self, network: u32, mac: Mac) -> impl Iterator<Item = &'a Key> {
        self.read(Dep::OwnersOfMac(network, mac));
        let group = self.tables.owners_of_mac.get(&(network, mac));
        group.into_iter().flat_map(Few::iter)
    }

    /// The tunnel port of an encap, or why packets cannot leave by it.
    pub fn tunnel(&self, encap: EncapType) -> Result<&'a Tunnel, String> {
        let key = Key::Tunnel(encap as i32);
        match self.row(key.clone()) {
            Some(Body::Tunnel(tunnel)) => Ok(tunnel),
            _ => Err(self.reason(
                &key,
                format!(
                    "no {name} tunnel port on this chassis: add {name} to encaps in agent.yaml",
                    name = encap_name(encap)
                ),
            )),
        }
    }

    /// The patch port to a physical network, or what to do to get one.
    pub fn patch(&self, physical: &Arc<str>) -> Result<u32, String> {
        let key = Key::Patch(physical.clone());
        match self.row(key.clone()) {
            Some(Body::Patch { ofport }) => Ok(*ofport),
            _ => Err(self.reason(
                &key,
                format!(
                    "no bridge mapping for physical network \"{physical}\" on this chassis: \
                     add providerBridges in agent.yaml"
                ),
            )),
        }
    }
}

fn encap_name(encap: EncapType) -> &'static str {
    match encap {
        EncapType::Unspecified => "unspecified",
        EncapType::Geneve => "geneve",
        EncapType::Vxlan => "vxlan",
        EncapType::Gre => "gre",
        EncapType::Stt => "stt",
    }
}
