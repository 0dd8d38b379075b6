// What validation refuses about ports: networks, MACs, addresses, pools that are empty, and allowed pairs.
import { describe, it } from "vitest";
import { port } from "../store/transactor.fixture.ts";
import { maxFixedIpsPerPort } from "./limits.ts";
import { expectRefused } from "./networks.fixture.ts";
import { given, many, type RefusedCase } from "./plan.fixture.ts";

describe("a port is refused for", () => {
  it.each<RefusedCase>([
    [
      "a port of no network",
      [port("x", { network: "no" })],
      ["DANGLING_REFERENCE port.spec.network"],
    ],
    ["a port without a network", [port("x", { network: "" })], ["MISSING_FIELD port.spec.network"]],
    [
      "a port that moves",
      [port("p1", { network: "n2" }, { id: "p1" })],
      ["IMMUTABLE_FIELD port.spec.network"],
    ],
    [
      "a MAC that is taken",
      [port("x", { mac: "0A:00:00:00:00:01" })],
      ["DUPLICATE_MAC port.spec.mac"],
    ],
    [
      "a MAC twice in the set",
      [port("x", { mac: "0a:00:00:00:00:02" }), port("y", { mac: "0a:00:00:00:00:02" })],
      ["DUPLICATE_MAC port.spec.mac", "DUPLICATE_MAC port.spec.mac"],
    ],
    [
      "a multicast MAC",
      [port("x", { mac: "01:00:5e:00:00:01" })],
      ["INVALID_ADDRESS port.spec.mac"],
    ],
    ["no MAC at all", [port("x", { mac: "zz" })], ["INVALID_ADDRESS port.spec.mac"]],
    [
      "an IP that is taken",
      [port("x", given("10.0.0.10"))],
      ["DUPLICATE_IP port.spec.fixed_ips[0].ip"],
    ],
    [
      "an IP twice",
      [
        port("x", {
          fixedIps: [
            { subnet: "", ip: "10.0.0.11" },
            { subnet: "s4", ip: "10.0.0.11" },
          ],
        }),
      ],
      ["DUPLICATE_IP port.spec.fixed_ips[1].ip"],
    ],
    [
      "an IP of no subnet",
      [port("x", given("10.7.0.1"))],
      ["OUTSIDE_SUBNET port.spec.fixed_ips[0].ip"],
    ],
    [
      "an IP outside its subnet",
      [port("x", given("10.7.0.1", "s4"))],
      ["OUTSIDE_SUBNET port.spec.fixed_ips[0].ip"],
    ],
    [
      "the gateway's IP",
      [port("x", given("10.0.0.1"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "the broadcast IP",
      [port("x", given("10.0.0.255"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "no IP at all",
      [port("x", given("10.0.0.256"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "a subnet of another network",
      [port("x", given("", "tiny"))],
      ["DANGLING_REFERENCE port.spec.fixed_ips[0].subnet"],
    ],
    [
      "a subnet that is not there",
      [port("x", given("", "none"))],
      ["DANGLING_REFERENCE port.spec.fixed_ips[0].subnet"],
    ],
    ["an empty fixed IP", [port("x", given(""))], ["MISSING_FIELD port.spec.fixed_ips[0]"]],
    [
      "fixed IPs and none",
      [port("x", { ...given("", "s4"), noFixedIps: true })],
      ["INVALID_FIELD port.spec.fixed_ips"],
    ],
    [
      "too many IPs",
      [port("x", { fixedIps: many(maxFixedIpsPerPort + 1, () => ({ subnet: "s4", ip: "" })) })],
      ["OVER_LIMIT port.spec.fixed_ips"],
    ],
    ["a pool that is empty", [port("x", { network: "n2" })], ["EXHAUSTED port.spec.fixed_ips"]],
    [
      "a pool that is empty, by name",
      [port("x", { network: "n2", ...given("", "tiny") })],
      ["EXHAUSTED port.spec.fixed_ips[0]"],
    ],
    [
      "a pair with host bits",
      [port("x", { allowedAddressPairs: [{ ip: "10.0.0.1/24", mac: "" }] })],
      ["INVALID_ADDRESS port.spec.allowed_address_pairs[0].ip"],
    ],
    [
      "a pair with a bad MAC",
      [port("x", { allowedAddressPairs: [{ ip: "10.0.0.99", mac: "x" }] })],
      ["INVALID_ADDRESS port.spec.allowed_address_pairs[0].mac"],
    ],
    [
      "a chassis that is not there",
      [port("x", { requestedChassis: "c9" })],
      ["DANGLING_REFERENCE port.spec.requested_chassis"],
    ],
    [
      "a long device",
      [port("x", { deviceOwner: "d".repeat(256) })],
      ["OVER_LIMIT port.spec.device_owner"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
