// Why nobody takes a packet although a port has its destination, or a router its MAC: it is down, or nowhere. Reads the model only; called
// by tracer.ts once the flows know no receiver.

import type { TraceFields } from "@weft/shared/trace-query.ts";
import { describeObject } from "../model/references.ts";
import type { PortRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { destinationOf, macOf } from "./words.ts";

/** Sentences about those in these networks who have the packet's destination, or the MAC that it is sent to, and cannot take it. */
export function absentReceivers(
  model: Model,
  networks: ReadonlySet<string>,
  fields: TraceFields,
): string[] {
  const ip = destinationOf(fields);
  const texts: string[] = [];
  for (const network of networks) {
    for (const id of model.members("portNetwork", network)) {
      const port = model.get("port", id);
      const why = port?.fixedIps.some((fixed) => fixed.ip === ip) && absence(model, port);
      if (port && why) texts.push(`${describeObject("port", port)} has ${ip}, but ${why}`);
    }
    texts.push(...downRouters(model, network, macOf(fields, "eth_dst")));
  }
  return texts;
}

function downRouters(model: Model, network: string, mac: string): string[] {
  return [...model.members("interfaceNetwork", network)].flatMap((id) => {
    const row = model.get("router-interface", id);
    const router = row?.mac === mac ? model.get("router", row.router) : undefined;
    if (router === undefined || router.adminUp) return [];
    const name = describeObject("router", router);
    return [`${name} has ${mac}, but is administratively down: apply it without adminDown`];
  });
}

/** Why a port whose flows take the packet has nobody behind it; undefined = it has. */
export function idle(model: Model, port: PortRow): string | undefined {
  const binding = model.get("binding", port.id);
  if (binding === undefined || binding.state === "up") return undefined;
  const name = describeObject("port", port);
  return `${name} is ${binding.state.toUpperCase()}, not UP: see weft describe port ${port.id}`;
}

/** Undefined = others can reach it. */
function absence(model: Model, port: PortRow): string | undefined {
  if (!port.adminUp) return "is administratively down: apply it without adminDown";
  const binding = model.get("binding", port.id);
  const see = `see weft describe port ${port.id}`;
  // Of a port that was unplugged the binding stays, without a chassis.
  if (binding === undefined || binding.chassis === "") return `is plugged nowhere: ${see}`;
  const { state, chassis } = binding;
  if (state === "programmed" || state === "up") return undefined;
  return `is ${state.toUpperCase()} on chassis ${chassis}: ${see}`;
}
