// The tables and columns of the Open_vSwitch database that this agent reads or writes, and nothing
// else of it: what is not named here is never transferred. Statistics are left out on purpose: they
// change every few seconds. Meanings are in ovs-vswitchd.conf.db(5). Declarations only.
import type { Row, RowInput, TableSelection } from "./schema.ts";

export const VSWITCH_DATABASE = "Open_vSwitch";

export const VSWITCH_TABLES = {
  Open_vSwitch: {
    bridges: "uuid*",
    datapaths: "string=>uuid",
    external_ids: "string=>string",
    other_config: "string=>string",
    next_cfg: "integer",
    cur_cfg: "integer",
    ovs_version: "string?",
    iface_types: "string*",
    datapath_types: "string*",
  },
  Bridge: {
    name: "string",
    ports: "uuid*",
    controller: "uuid*",
    datapath_type: "string",
    datapath_id: "string?",
    fail_mode: "string?",
    protocols: "string*",
    mcast_snooping_enable: "boolean",
    stp_enable: "boolean",
    rstp_enable: "boolean",
    external_ids: "string=>string",
    other_config: "string=>string",
  },
  Port: {
    name: "string",
    interfaces: "uuid*",
    tag: "integer?",
    vlan_mode: "string?",
    qos: "uuid?",
    external_ids: "string=>string",
    other_config: "string=>string",
  },
  Interface: {
    name: "string",
    type: "string",
    options: "string=>string",
    external_ids: "string=>string",
    other_config: "string=>string",
    ofport: "integer?",
    ofport_request: "integer?",
    error: "string?",
    admin_state: "string?",
    link_state: "string?",
    mac: "string?",
    mac_in_use: "string?",
    mtu: "integer?",
    mtu_request: "integer?",
    bfd: "string=>string",
    bfd_status: "string=>string",
  },
  Controller: {
    target: "string",
    external_ids: "string=>string",
  },
  QoS: {
    type: "string",
    queues: "integer=>uuid",
    external_ids: "string=>string",
    other_config: "string=>string",
  },
  Queue: {
    dscp: "integer?",
    external_ids: "string=>string",
    other_config: "string=>string",
  },
  Datapath: {
    datapath_version: "string",
    ct_zones: "integer=>uuid",
    external_ids: "string=>string",
  },
  CT_Zone: {
    timeout_policy: "uuid?",
    external_ids: "string=>string",
  },
} as const satisfies TableSelection;

export type VswitchTables = typeof VSWITCH_TABLES;
export type VswitchRow<T extends keyof VswitchTables> = Row<VswitchTables[T]>;
export type VswitchRowInput<T extends keyof VswitchTables> = RowInput<VswitchTables[T]>;
