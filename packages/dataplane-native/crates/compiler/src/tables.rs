//! The instructions as tables with indexes. They compile nothing. `Compiler::apply` writes them; units
//! read them through `reader`, packet services as they are.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::cookie::Object;
use crate::few::Few;
use crate::fields::Mac;
use crate::key::Key;
use crate::model::{Body, Location, Network, Port};
use crate::stages::anti_spoof::link_local;

/// What a unit read: a change of it makes the unit run again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dep {
    /// A row, or that there is none. Of a network also whether it is hosted and routed: it has local
    /// ports, and interfaces of routers. That is coarse: it changes with the first and the last.
    Row(Key),
    /// Which local ports a network has; their rows are dependencies of their own.
    PortsOf(u32),
    /// Who has an address in a network; their rows are dependencies of their own.
    HoldersOf(u32, IpAddr),
    /// Which leaked routes lead a router into a network.
    LeaksOf(u32, u32),
    /// The flood peers of a network, rows included.
    FloodOf(u32),
    /// All fences, rows included.
    Fences,
    /// Which claimed addresses have this MAC in a network.
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
    pub(crate) rows: BTreeMap<Key, Row>,
    /// The keys of the refused rows.
    refused: BTreeSet<Key>,
    pub(crate) ports_of: HashMap<u32, Few<u32>>,
    /// The rows of claimed addresses.
    pub(crate) owners_of_mac: HashMap<(u32, Mac), Few<Key>>,
    owners_of_ip: HashMap<(u32, IpAddr), Few<Key>>,
    ports_by_id: HashMap<Arc<str>, Few<u32>>,
    vifs_by_ofport: HashMap<u32, Few<Arc<str>>>,
    /// Routers with an interface on a network or link.
    pub(crate) routers_of: HashMap<u32, Few<u32>>,
    /// By router and network.
    pub(crate) leaks_of: HashMap<(u32, u32), Few<Key>>,
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
        let rows = self.rows.get(key).into_iter().chain(&row);
        let networks: SmallVec<[u32; 2]> = rows.filter_map(used_by).collect();
        let uses: SmallVec<[(u32, (bool, bool)); 2]> = networks
            .into_iter()
            .map(|network| (network, self.used(network)))
            .collect();
        if let Some(old) = self.rows.remove(key) {
            self.index(key, &old, false, &mut touched);
        }
        if let Some(new) = row {
            self.index(key, &new, true, &mut touched);
            self.rows.insert(key.clone(), new);
        }
        for (network, before) in uses {
            if self.used(network) != before {
                touched.push(Dep::Row(Key::Network(network)));
            }
        }
        touched
    }

    /// Whether a network has local ports, plugged or not, and interfaces of routers.
    pub fn used(&self, network: u32) -> (bool, bool) {
        (
            self.ports_of.contains_key(&network),
            self.routers_of.contains_key(&network),
        )
    }

    fn index(&mut self, key: &Key, row: &Row, add: bool, touched: &mut Vec<Dep>) {
        match (row.working(), key) {
            (Ok(Body::Port(port)), _) => {
                toggle(&mut self.ports_of, port.network, &port.key, add);
                toggle(&mut self.ports_by_id, port.id.clone(), &port.key, add);
                self.index_ips(port.network, &port.ips, key, add, touched);
                touched.push(Dep::PortsOf(port.network));
            }
            (Ok(Body::Location(location)), _) => {
                self.index_ips(location.network, &location.ips, key, add, touched);
            }
            (Ok(Body::Address(owner)), _) => {
                let of = (owner.network, owner.mac);
                toggle(&mut self.owners_of_mac, of, key, add);
                touched.push(Dep::OwnersOfMac(of.0, of.1));
                // Routers know an address on the wire by rows of their own.
                if matches!(key, Key::Address(..)) {
                    self.index_ips(owner.network, &[owner.ip], key, add, touched);
                }
            }
            (Ok(Body::Vif { ofport }), Key::Vif(id)) => {
                toggle(&mut self.vifs_by_ofport, *ofport, id, add);
            }
            (Ok(Body::RouterPort(port)), _) => {
                toggle(&mut self.routers_of, port.network, &port.router, add);
                let mut ips: Vec<IpAddr> = port.addresses.iter().map(|own| own.ip).collect();
                ips.push(link_local(port.mac).into());
                self.index_ips(port.network, &ips, key, add, touched);
            }
            (Ok(Body::Neighbour(neighbour)), _) => {
                self.index_ips(neighbour.network, &neighbour.ips, key, add, touched);
            }
            (Ok(Body::Leaked(leaked)), _) => {
                let group = (leaked.router, leaked.network);
                toggle(&mut self.leaks_of, group, key, add);
                touched.push(Dep::LeaksOf(leaked.router, leaked.network));
            }
            (Ok(Body::FloodPeer(_)), Key::Flood(network, _)) => {
                touched.push(Dep::FloodOf(*network));
            }
            (Ok(Body::Fence(_)), _) => touched.push(Dep::Fences),
            _ => {}
        }
    }

    fn index_ips(
        &mut self,
        network: u32,
        ips: &[IpAddr],
        key: &Key,
        add: bool,
        touched: &mut Vec<Dep>,
    ) {
        for ip in ips {
            toggle(&mut self.owners_of_ip, (network, *ip), key, add);
            touched.push(Dep::HoldersOf(network, *ip));
        }
    }

    pub fn body(&self, key: &Key) -> Option<&Body> {
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

    /// The MTU that leaked routes of a router name for a network.
    pub fn leaked_mtu(&self, router: u32, network: u32) -> Option<u16> {
        let first = self.leaks_of.get(&(router, network))?.iter().next()?;
        match self.body(first) {
            Some(Body::Leaked(leaked)) => Some(leaked.mtu),
            _ => None,
        }
    }

    /// The interfaces of routers, local ports, locations, address owner and neighbours of routers
    /// that have this address, in the order in which they win it.
    pub fn owners_of(&self, network: u32, ip: IpAddr) -> impl Iterator<Item = &Key> {
        self.owners_of_ip
            .get(&(network, ip))
            .into_iter()
            .flat_map(Few::iter)
    }

    /// The keys of all instructions about a port: its own, its location, the addresses that it
    /// owns, what it is to routers.
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
                Ok(Body::Neighbour(neighbour)) => neighbour.port == port,
                _ => false,
            });
        own.into_iter()
            .chain(others.map(|(key, _)| key.clone()))
            .collect()
    }
}

impl Tables {
    /// The keys of the instructions about a router or what belongs to one. It looks at all that
    /// could be: for people, not for units.
    pub fn keys_of_router_object(&self, object: Object) -> Vec<Key> {
        let is = |(key, row): &(&Key, &Row)| match (object, key, &row.body) {
            (Object::Router(own), Key::Router(key), _)
            | (Object::Route(own), Key::Route(_, key), _)
            | (Object::PolicyRoute(own), Key::Policy(_, key), _) => own == *key,
            (Object::Leak(own), Key::Leaked(key), _) => own == key.leak,
            (Object::RouterInterface(own), _, Ok(Body::RouterPort(port))) => {
                !port.link && own == port.key
            }
            (Object::RouterLink(own), _, Ok(Body::RouterPort(port))) => {
                port.link && own == port.key
            }
            _ => false,
        };
        let rows = self.rows.range(Key::Router(0)..Key::Network(0));
        let others = self.rows.range(Key::Route(0, 0)..);
        let all = rows.chain(others).filter(is);
        all.map(|(key, _)| key.clone()).collect()
    }
}

/// The network that a row makes hosted or routed.
fn used_by(row: &Row) -> Option<u32> {
    match row.working() {
        Ok(Body::Port(port)) => Some(port.network),
        Ok(Body::RouterPort(port)) => Some(port.network),
        _ => None,
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
