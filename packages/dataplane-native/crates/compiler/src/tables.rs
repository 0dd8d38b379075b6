//! The instructions as tables with indexes, and the tracking reader that units read them through.
//! It compiles nothing. `Compiler::apply` writes it; stages read it, and what they read is
//! recorded.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use weft_instructions::v1::EncapType;

use crate::few::Few;
use crate::fields::Mac;
use crate::key::Key;
use crate::model::{AddressOwner, Body, FloodPeer, Location, Network, Port, Tunnel};

/// What a unit read: a change of it makes the unit run again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dep {
    /// A row, or that there is none.
    Row(Key),
    /// Which local ports a network has; their rows are dependencies of their own.
    PortsOf(u32),
    /// The flood peers of a network, rows included.
    FloodOf(u32),
    /// The addresses of allowed pairs with this MAC in a network.
    OwnersOfMac(u32, Mac),
}

/// One instruction: its key as it came, and its body or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: Box<str>,
    pub body: Result<Body, String>,
    /// What the switch said to something that was compiled from it. Such a row is there, but failed,
    /// just as one with a broken body.
    pub refused: Option<String>,
}

impl Row {
    /// As it came.
    pub fn new(name: &str, body: Result<Body, String>) -> Self {
        Self {
            name: name.into(),
            body,
            refused: None,
        }
    }

    /// What others may build on, or why nothing.
    pub fn working(&self) -> Result<&Body, &str> {
        match (&self.refused, &self.body) {
            (None, Ok(body)) => Ok(body),
            (Some(reason), _) | (None, Err(reason)) => Err(reason),
        }
    }

    fn came_as(&self, other: &Self) -> bool {
        self.name == other.name && self.body == other.body
    }
}

/// All instructions. Indexes hold no empty sets.
#[derive(Debug, Default)]
pub struct Tables {
    rows: BTreeMap<Key, Row>,
    /// The keys of the refused rows.
    refused: BTreeSet<Key>,
    ports_of: HashMap<u32, Few<u32>>,
    owners_of_mac: HashMap<(u32, Mac), Few<IpAddr>>,
    owners_of_ip: HashMap<(u32, IpAddr), Few<Key>>,
    ports_by_id: HashMap<Arc<str>, Few<u32>>,
    vifs_by_ofport: HashMap<u32, Few<Arc<str>>>,
}

impl Tables {
    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }

    /// Replaces or removes a row; answers what of it readers may have seen, nothing when nothing
    /// changed. A refusal ends with the contents that were refused.
    pub fn put(&mut self, key: &Key, row: Option<Row>) -> Vec<Dep> {
        let same = match (self.rows.get(key), &row) {
            (Some(old), Some(new)) => old.came_as(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if same {
            return Vec::new();
        }
        self.replace(key, row)
    }

    /// Marks a row as refused or no longer so; answers as `put` does, nothing when there is no row.
    pub fn refuse(&mut self, key: &Key, refused: Option<String>) -> Vec<Dep> {
        match self.rows.get(key) {
            Some(row) if row.refused != refused => {
                let row = Row {
                    refused,
                    ..row.clone()
                };
                self.replace(key, Some(row))
            }
            _ => Vec::new(),
        }
    }

    /// The keys of the refused rows.
    pub fn refused(&self) -> &BTreeSet<Key> {
        &self.refused
    }

    fn replace(&mut self, key: &Key, row: Option<Row>) -> Vec<Dep> {
        if row.as_ref().is_some_and(|row| row.refused.is_some()) {
            self.refused.insert(key.clone());
        } else {
            self.refused.remove(key);
        }
        let mut touched = vec![Dep::Row(key.clone())];
        if let Some(old) = self.rows.remove(key) {
            self.index(key, &old, false, &mut touched);
        }
        if let Some(new) = row {
            self.index(key, &new, true, &mut touched);
            self.rows.insert(key.clone(), new);
        }
        touched
    }

    fn index(&mut self, key: &Key, row: &Row, add: bool, touched: &mut Vec<Dep>) {
        match (row.working(), key) {
            (Ok(Body::Port(port)), _) => {
                toggle(&mut self.ports_of, port.network, &port.key, add);
                toggle(&mut self.ports_by_id, port.id.clone(), &port.key, add);
                self.index_ips(port.network, &port.ips, key, add);
                touched.push(Dep::PortsOf(port.network));
            }
            (Ok(Body::Location(location)), _) => {
                self.index_ips(location.network, &location.ips, key, add);
            }
            (Ok(Body::Address(owner)), _) => {
                let group = (owner.network, owner.mac);
                toggle(&mut self.owners_of_mac, group, &owner.ip, add);
                self.index_ips(owner.network, &[owner.ip], key, add);
                touched.push(Dep::OwnersOfMac(owner.network, owner.mac));
            }
            (Ok(Body::Vif { ofport }), Key::Vif(id)) => {
                toggle(&mut self.vifs_by_ofport, *ofport, id, add);
            }
            (Ok(Body::FloodPeer(_)), Key::Flood(network, _)) => {
                touched.push(Dep::FloodOf(*network));
            }
            _ => {}
        }
    }

    fn index_ips(&mut self, network: u32, ips: &[IpAddr], key: &Key, add: bool) {
        for ip in ips {
            toggle(&mut self.owners_of_ip, (network, *ip), key, add);
        }
    }

    fn body(&self, key: &Key) -> Option<&Body> {
        self.rows.get(key).and_then(|row| row.working().ok())
    }

    pub fn network(&self, key: u32) -> Option<&Network> {
        match self.body(&Key::Network(key)) {
            Some(Body::Network(network)) => Some(network),
            _ => None,
        }
    }

    pub fn port(&self, key: u32) -> Option<&Port> {
        match self.body(&Key::Port(key)) {
            Some(Body::Port(port)) => Some(port),
            _ => None,
        }
    }

    pub fn location(&self, network: u32, port: u32) -> Option<&Location> {
        match self.body(&Key::Location(network, port)) {
            Some(Body::Location(location)) => Some(location),
            _ => None,
        }
    }

    pub fn address(&self, network: u32, ip: IpAddr) -> Option<&AddressOwner> {
        match self.body(&Key::Address(network, ip)) {
            Some(Body::Address(owner)) => Some(owner),
            _ => None,
        }
    }

    pub fn ofport(&self, port: &Port) -> Option<u32> {
        match self.body(&Key::Vif(port.id.clone())) {
            Some(Body::Vif { ofport }) => Some(*ofport),
            _ => None,
        }
    }

    /// The ports whose VIF is this port of the switch, lowest port key first.
    pub fn ports_at(&self, ofport: u32) -> impl Iterator<Item = &Port> {
        let ids = self
            .vifs_by_ofport
            .get(&ofport)
            .into_iter()
            .flat_map(Few::iter);
        let keys = ids
            .filter_map(|id| self.ports_by_id.get(id))
            .flat_map(Few::iter);
        keys.copied()
            .collect::<BTreeSet<u32>>()
            .into_iter()
            .filter_map(|key| self.port(key))
    }

    /// The local ports, locations and address owner that have this address, in the order in which
    /// they win it.
    pub fn owners_of(&self, network: u32, ip: IpAddr) -> impl Iterator<Item = &Key> {
        self.owners_of_ip
            .get(&(network, ip))
            .into_iter()
            .flat_map(Few::iter)
    }

    /// The keys of all instructions about a port: its own, its location, the addresses that it
    /// owns.
    pub fn keys_of_port(&self, port: u32) -> Vec<Key> {
        let own = self
            .rows
            .get_key_value(&Key::Port(port))
            .map(|(key, _)| key.clone());
        let others = self
            .rows
            .range(Key::Location(0, 0)..)
            .filter(|(_, row)| match &row.body {
                Ok(Body::Address(owner)) => owner.port == port,
                Ok(Body::Location(location)) => location.port == port,
                _ => false,
            });
        own.into_iter()
            .chain(others.map(|(key, _)| key.clone()))
            .collect()
    }
}

/// Adds or removes a member of a group; empty groups go.
fn toggle<K: Hash + Eq, T: Ord + Clone>(
    index: &mut HashMap<K, Few<T>>,
    group: K,
    member: &T,
    add: bool,
) {
    match index.entry(group) {
        Entry::Occupied(mut entry) if !add => {
            entry.get_mut().remove(member);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        entry if add => entry.or_default().insert(member),
        _ => {}
    }
}

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

    /// The lowest address that this MAC answers for by an address owner.
    pub fn first_owned_by(&self, network: u32, mac: Mac) -> Option<IpAddr> {
        self.read(Dep::OwnersOfMac(network, mac));
        self.tables
            .owners_of_mac
            .get(&(network, mac))?
            .iter()
            .next()
            .copied()
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
