import { describe, expect, test } from "vitest";
import { fields } from "./fields.ts";
import { figureTable, Findings, renderTable } from "./report.ts";
import { compare, comparisonTable, samplesOf } from "./side-by-side.ts";
import type { Size } from "./workload.ts";

describe("Findings", () => {
  test("every field is there; what nobody measured is null and says why", () => {
    const findings = new Findings();
    findings.set("cold_compile_s", 0.12345);
    findings.missing("install_ratio", "no such example");
    expect(Object.keys(findings.figures)).toEqual(fields.map(({ name }) => name));
    expect(findings.figures.cold_compile_s).toBe(0.123);
    expect(findings.notes["cold_compile_s"]).toBeUndefined();
    expect(findings.figures.install_ratio).toBeNull();
    expect(findings.notes["install_ratio"]).toBe("no such example");
    expect(findings.notes["agent_rss_mib"]).toBe("not measured");
  });

  test("a distribution fills the ranks that are fields", () => {
    const findings = new Findings();
    const summary = { n: 4, min: 1, p50: 2, p90: 3, p99: 4, max: 4 };
    findings.setDistribution("port_add_local", summary, "");
    findings.setDistribution("port_plug", null, "no switch");
    expect(findings.figures.port_add_local_p50_ms).toBe(2);
    expect(findings.figures.port_add_local_max_ms).toBe(4);
    expect(findings.figures.port_plug_p50_ms).toBeNull();
    expect(findings.notes["port_plug_p99_ms"]).toBe("no switch");
  });
});

test("the table tells a kept limit from a broken one, at its edge too, and LR has its own", () => {
  const findings = new Findings();
  findings.set("cold_compile_s", 1);
  findings.set("agent_rss_mib", 119.9);
  findings.set("install_ratio", 1.5);
  findings.set("port_add_remote_p50_ms", 10);
  findings.set("router_interface_chassis_wrong", 1);
  const verdict = (name: string, size: Size): string =>
    figureTable(findings, size)
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.match(/ok|OVER/)?.[0] ?? "";
  const cases: readonly [name: string, atL: string, atLr: string][] = [
    ["cold_compile_s", "OVER", "ok"],
    ["agent_rss_mib", "ok", "ok"],
    ["install_ratio", "ok", "ok"],
    ["port_add_remote_p50_ms", "OVER", "OVER"],
    ["router_interface_chassis_wrong", "OVER", "OVER"],
    ["port_plug_p50_ms", "", ""],
  ];
  for (const [name, atL, atLr] of cases) {
    expect([verdict(name, "L"), verdict(name, "LR")], name).toEqual([atL, atLr]);
  }
});

test("numbers are right-aligned under their column", () => {
  expect(
    renderTable(
      ["a", "bb"],
      [
        ["x", "1"],
        ["yy", "22"],
      ],
    ),
  ).toBe("a   bb\n--  --\nx    1\nyy  22");
});

describe("compare", () => {
  const ovn = {
    cold_compile: { summary: { wall_s: { p50: 2 }, northd_rss_mib: { p50: 10 } } },
    ops: {
      port_add_local: { stats: { nb_up: { p50: 0.08, p99: 0.1 } } },
      router_interface_add: { stats: { last_flow: { p50: 0.9 }, hv_cfg: { p50: 7 } } },
    },
  };
  const findings = new Findings();
  findings.set("cold_compile_s", 0.5);
  findings.set("port_add_local_p50_ms", 4);
  findings.set("router_interface_add_p50_ms", 30);

  test("seconds of OVN become our units, and the ratio says how many times less we need", () => {
    const compared = compare(findings.figures, ovn, null);
    const of = (name: string) => compared.find((one) => one.name === name);
    expect(of("cold_compile_s")).toMatchObject({ weft: 0.5, ovn: 2, ratio: 4 });
    expect(of("port_add_local_p50_ms")).toMatchObject({ weft: 4, ovn: 80, ratio: 20 });
  });

  test("a ratio that is to be reached says whether it is", () => {
    const compared = compare(findings.figures, ovn, null);
    const line = (name: string): string =>
      comparisonTable(compared, true)
        .split("\n")
        .find((one) => one.startsWith(`${name} `)) ?? "";
    expect(line("cold_compile_s")).toMatch(/>= 8 +BELOW/);
    expect(line("router_interface_add_p50_ms")).toMatch(/30 .*>= 20 +ok/);
    expect(line("port_add_local_p50_ms")).not.toMatch(/ok|BELOW/);
    expect(comparisonTable(compared, false)).not.toMatch(/ok|BELOW/);
  });

  test("the samples of each operation of OVN, none without a result", () => {
    const counted = { ops: { route_add: { n: 40 }, port_add_local: { n: 200, stats: {} } } };
    expect(samplesOf(counted)).toEqual({ port_add_local: 200, route_add: 40 });
    expect(samplesOf(null)).toEqual({});
  });

  test("a missing part leaves no figure and no ratio", () => {
    const compared = compare(null, ovn, ovn);
    const of = (name: string) => compared.find((one) => one.name === name);
    expect(of("central_rss_mib")).toMatchObject({ weft: null, ovn: null, ratio: null });
    expect(of("cold_compile_s")).toMatchObject({ weft: null, ovn: 2, ovnFull: 2, ratio: null });
    expect(comparisonTable(compared, true)).toContain("cold_compile_s");
  });
});
