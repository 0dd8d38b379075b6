// Command lines that are wrong: each ends with 2, and its one line says what is wrong and names a way out. And the help.
import type { Command } from "commander";
import { expect, test } from "vitest";
import { Context } from "./context.ts";
import { buildProgram } from "./program.ts";
import { processTerminal } from "./terminal.ts";
import { runWeft } from "./testing/run.ts";

const kinds =
  "networks, subnets, ports, chassis, routers, router-interfaces, routes, policy-routes, router-links, route-leaks";

test.each<[args: string, error: string]>([
  ["frobnicate", "unknown command 'frobnicate'; see weft --help"],
  ["lst ports", "unknown command 'lst'; did you mean list? see weft --help"],
  ["-o json lsit ports", "unknown command 'lsit'; did you mean list? see weft --help"],
  ["chassis adpot c1", "unknown command 'adpot'; did you mean adopt? see weft chassis --help"],
  ["list portz", "portz: unknown kind; did you mean ports? see weft help kinds"],
  ["list prots", "prots: unknown kind; did you mean ports? see weft help kinds"],
  ["list gateways", `gateways: unknown kind; known are ${kinds}`],
  ["watch ports netwrks", "netwrks: unknown kind; did you mean networks? see weft help kinds"],
  [
    "list ports --lable a=b",
    "unknown option '--lable'; did you mean --label? see weft list --help",
  ],
  [
    "list ports --outptu json",
    "unknown option '--outptu'; did you mean --output? see weft list --help",
  ],
  ["port wait p --colour", "unknown option '--colour'; see weft port wait --help"],
  ["list ports -x", "unknown option '-x'; see weft list --help"],
  [
    "list ports -o xml",
    "option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, json, yaml; see weft --help",
  ],
  ["list ports -o", "option '-o, --output <format>' argument missing; see weft --help"],
  [
    "port wait p --state down",
    "option '--state <state>' argument 'down' is invalid. Allowed choices are plugged, programmed, up; see weft port wait --help",
  ],
  [
    "get ports --at-revision x",
    "option '--at-revision <n>' argument 'x' is invalid. Write a whole number, decimal or with 0x; see weft get --help",
  ],
  [
    "list ports -l app",
    "option '-l, --label <key=value>' argument 'app' is invalid. Write key=value; see weft list --help",
  ],
  [
    "apply -f x --timeout never",
    "option '--timeout <duration>' argument 'never' is invalid. Write a duration such as 30s, 500ms or 2m, at most 24h; see weft apply --help",
  ],
  ["get", "missing required argument 'kind'; see weft get --help"],
  ["apply", "required option '-f, --file <file>' not specified; see weft apply --help"],
  [
    "status now",
    "too many arguments for 'status'. Expected 0 arguments but got 1: now; see weft status --help",
  ],
  ["history port", "port: name the object too: weft history port NAME"],
  ["trace web-1", "trace: give a destination, or --frame and none; see weft trace --help"],
  ["explain x57", "x57: no cookie; write it as ovs-ofctl does: 0x57..."],
  ["help nothing", "nothing: no such command or topic; see weft --help"],
  ["help kidns", "kidns: no such command or topic; did you mean kinds? see weft --help"],
  [
    "help chassis adpot",
    "adpot: no such command or topic; did you mean adopt? see weft chassis --help",
  ],
  ["help constructor", "constructor: no such command or topic; see weft --help"],
])("%s", async (args, error) => {
  expect(await runWeft(args)).toEqual({ code: 2, out: "", err: `error: ${error}\n` });
});

test("a format in the environment is told with its choices too", async () => {
  const { code, err } = await runWeft("list ports", { env: { WEFT_OUTPUT: "xml" } });
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error: environment variable WEFT_OUTPUT: output: .*"table"\|"json"\|"yaml"\n$/,
  );
});

test("the help fits 100 columns, and says of each argument what it is", async () => {
  const context = new Context({
    terminal: processTerminal(),
    env: {},
    signal: new AbortController().signal,
  });
  const check = async (command: Command, path: readonly string[]): Promise<void> => {
    const name = path.join(" ");
    const { out } = await runWeft([...path, "--help"].join(" "), { columns: 100 });
    expect(out).toMatch(new RegExp(`^Usage: weft ${name}`));
    expect(
      out.split("\n").filter((line) => line.length > 100),
      name,
    ).toEqual([]);
    for (const argument of command.registeredArguments) {
      expect(argument.description, `${name} ${argument.name()}`).not.toBe("");
    }
    for (const child of command.commands.filter((one) => !one.name().startsWith("__"))) {
      await check(child, [...path, child.name()]);
    }
  };
  await check(buildProgram(context), []);
});

test("the help has the verbs in groups", async () => {
  const { code, out } = await runWeft("--help");
  expect(code).toBe(0);
  const verbs = out.split("\n").flatMap((line) => /^(?:\w.*:$| {2}[a-z]+)/.exec(line) ?? []);
  expect(verbs.map((verb) => verb.trim())).toEqual([
    "Options:",
    ...["Objects:", "apply", "get", "list", "describe", "delete", "history", "watch"],
    ...["What is going on:", "status", "trace", "flows", "explain"],
    ...["Operating:", "chassis", "port", "backup", "central"],
    ...["Setting up:", "pki", "completion", "help"],
  ]);
  expect((await runWeft("help port wait")).out).toContain("--state <state>");
  expect((await runWeft("help kinds")).out).toContain(
    "policy-route      policy-routes, policy, policies           PolicyRoute\n",
  );
});

test("without a verb there is the help", async () => {
  const { code, out, err } = await runWeft("");
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^Usage: weft /);
});
