// The ranges of keys: their edges, and that no port key can be mistaken for a replication key.
import { expect, test } from "vitest";
import {
  chassisBlock,
  egressFlood,
  egressRelay,
  egressRelayUnknownUnicast,
  egressUnknownUnicast,
  isChassisKey,
  isNetworkKey,
  isPortKey,
  isVlan,
} from "./vni.ts";

test("edges", () => {
  expect([0, 1, 0xff_ffff, 0x100_0000, 1.5].map(isNetworkKey)).toEqual([
    false,
    true,
    true,
    false,
    false,
  ]);
  expect([0, 1, 0xff_efff, 0xff_f000].map(isPortKey)).toEqual([false, true, true, false]);
  expect([0, 1, 65_535, 65_536].map(isChassisKey)).toEqual([false, true, true, false]);
  expect([0, 1, 4094, 4095].map(isVlan)).toEqual([false, true, true, false]);
  expect([1, 127, 128, 255, 256].map(chassisBlock)).toEqual([0, 0, 1, 1, 2]);
});

test("replication keys are distinct and no port's", () => {
  const keys = [egressFlood, egressRelay, egressUnknownUnicast, egressRelayUnknownUnicast];
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys.some(isPortKey)).toBe(false);
});
