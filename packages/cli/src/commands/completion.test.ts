// Completion: candidates for a line, against the real command tree; and the scripts in real shells.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { Context } from "../context.ts";
import { buildProgram, runCli } from "../program.ts";
import type { Terminal } from "../terminal.ts";
import { complete } from "./completion.ts";

let written = "";
const terminal: Terminal = {
  write: (text) => {
    written += text;
  },
  writeError: () => undefined,
  columns: null,
  showsProgress: false,
  readInput: async () => "",
  confirm: async () => null,
};
const signal = new AbortController().signal;
const program = buildProgram(new Context({ terminal, env: {}, signal }));
const names = async ({ singular }: { singular: string }) => [`${singular}-1`, `${singular}-2`];

const cases: [string, string[]][] = [
  ["ap", ["apply"]],
  ["__", []],
  [
    "list ",
    [
      "chassis",
      "networks",
      "policy-routes",
      "ports",
      "route-leaks",
      "router-interfaces",
      "router-links",
      "routers",
      "routes",
      "subnets",
    ],
  ],
  ["get po", ["policy-route", "port"]],
  ["get port ", ["port-1", "port-2"]],
  ["get port port-2", ["port-2"]],
  ["get port port-1 ", []],
  ["list ports ", []],
  ["-o json get port ", ["port-1", "port-2"]],
  ["--output=json get por", ["port"]],
  ["delete port port-1 port-", ["port-1", "port-2"]],
  ["describe network ", ["network-1", "network-2"]],
  ["flows ", ["port-1", "port-2"]],
  ["trace ", ["port-1", "port-2"]],
  ["trace port-1 --fragment ", ["first", "later"]],
  ["port ", ["plug", "unplug", "wait"]],
  ["port plug port-1 ", ["chassis-1", "chassis-2"]],
  ["port wait --state p", ["plugged", "programmed"]],
  ["chassis lo", ["lost"]],
  ["chassis lost ", ["chassis-1", "chassis-2"]],
  ["history router", ["router", "router-interface", "router-link"]],
  ["watch s", ["subnets"]],
  ["status -o ", ["json", "table", "yaml"]],
  ["apply -f ", ["__files"]],
  ["apply --file x --dr", ["--dry-run"]],
  ["completion ", ["bash", "zsh"]],
  ["pki i", ["init", "issue"]],
  ["describe router ", ["router-1", "router-2"]],
  ["describe interface ", ["router-interface-1", "router-interface-2"]],
  ["get gateway ", []],
];
test.each(cases)("weft %s", async (line, expected) => {
  expect(await complete(program, line.split(" "), names)).toEqual(expected);
});

test("bash accepts its script and completes with it", async () => {
  written = "";
  await runCli({ args: ["completion", "bash"], terminal, env: {}, signal });
  const answer = execFileSync(
    "bash",
    [
      "-c",
      `${written}
    weft() { printf '%s\\n' apply "$1 $2 $3"; }
    COMP_WORDS=(weft ap); COMP_CWORD=1; _weft; printf '%s,' "\${COMPREPLY[@]}"`,
    ],
    {
      encoding: "utf8",
    },
  );
  expect(answer).toBe("apply,__complete -- ap,");
});
