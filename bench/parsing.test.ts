import { expect, test } from "vitest";
import { parseInstallRatio } from "./install-ratio.ts";
import { parseFlowEvent } from "./flow-monitor.ts";
import { parseMetrics } from "./metrics.ts";

test("the ratio and the standstill in any unit", () => {
  const output = (still: string): string =>
    "pair 4: engine 1.13s, ovs-ofctl 1.02s (flow_count=100003)\n" +
    "median: engine 1.13s, ovs-ofctl --bundle 1.02s, ratio 1.11\n" +
    `longest standstill of the main thread: engine ${still}, ovs-ofctl 280.0ms\n`;
  expect(parseInstallRatio(output("41.5ms"))).toEqual({ ratio: 1.11, standstillMaxMs: 41.5 });
  expect(parseInstallRatio(output("1.2s"))?.standstillMaxMs).toBe(1200);
  expect(parseInstallRatio(output("900.0µs"))?.standstillMaxMs).toBeCloseTo(0.9);
  expect(parseInstallRatio("nothing of the kind")).toBeNull();
});

test("flow events, and lines that are none", () => {
  const line =
    " event=ADDED table=30 cookie=0x57 reg1=0x5,dl_dst=02:00:00:00:00:01 actions=output:2";
  expect(parseFlowEvent(line, 7)).toEqual({
    atMs: 7,
    kind: "ADDED",
    text: "table=30 cookie=0x57 reg1=0x5,dl_dst=02:00:00:00:00:01 actions=output:2",
  });
  const deleted = " event=DELETED reason=delete table=0 cookie=0 actions=drop";
  expect(parseFlowEvent(deleted, 0)?.kind).toBe("DELETED");
  expect(parseFlowEvent("OFPST_FLOW_MONITOR reply (OF1.5) (xid=0x0):", 0)).toBeNull();
  expect(parseFlowEvent(" event=ABBREV xid=0x5", 0)).toBeNull();
});

test("metrics with labels are summed", () => {
  const text = '# HELP a b\na 3\nb{kind="x"} 1\nb{kind="y"} 2.5\nc 1e3\n';
  expect([...parseMetrics(text)]).toEqual([
    ["a", 3],
    ["b", 3.5],
    ["c", 1000],
  ]);
});
