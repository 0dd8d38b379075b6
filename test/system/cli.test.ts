// The command line against a real central with a real chassis: what the verbs show, and that bad input is refused with the object and
// the field named and nothing changed. How documents are parsed and tables are drawn is tested beside packages/cli.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliResult } from "../lab/central.ts";
import { Cluster } from "../lab/cluster.ts";
import { until } from "../lab/ovs.ts";
import type { Kept } from "../lab/processes.ts";
import { A, BAD_COMMANDS, BAD_FILES, INTENT, port } from "./bad-input.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wfcli", chassis: [A] });
  const result = await apply(INTENT, "--comment", "the first ones", "--wait");
  expect(result).toMatchObject({ code: 0, stderr: "" });
  await cluster.plugGuests(["web-1"]);
  await cluster.waitUp(["web-1"]);
});

afterAll(async () => {
  await cluster?.stop();
});

const weft = (...args: readonly string[]) => cluster.central.cli(...args);

async function apply(text: string, ...flags: readonly string[]): Promise<CliResult> {
  const file = join(cluster.dir, "bad.yaml");
  await writeFile(file, text);
  const result = await weft("apply", "-f", file, ...flags);
  return { ...result, stderr: result.stderr.replaceAll(file, "bad.yaml") };
}

interface Status {
  readonly revision: number;
  readonly convergedRevision: number;
  readonly portsByState: Readonly<Record<string, number>>;
  readonly chassis: readonly { readonly status: { readonly liveness: string } }[];
}

const revision = async () => (await cluster.central.json<Status>("status")).revision;

/** Ended with this code, said this, each line of it an error, and central is where it was. */
async function expectRefused(
  act: () => Promise<CliResult>,
  code: number,
  says: RegExp,
): Promise<void> {
  const result = await act();
  expect(result.stderr).toMatch(says);
  expect(result).toMatchObject({ code, stdout: "" });
  for (const line of result.stderr.trimEnd().split("\n")) expect(line).toMatch(/^error: /);
  expect(await revision()).toBe(atRevision);
}

/** As the verbs before left it. */
let atRevision = 0;

describe("bad input is refused and changes nothing", () => {
  const everything = async () => {
    const lists = ["networks", "subnets", "ports"].map((kind) =>
      cluster.central.json("list", kind),
    );
    return Promise.all(lists);
  };
  let before: readonly unknown[];

  beforeAll(async () => {
    atRevision = await revision();
    before = await everything();
  });

  test.each(BAD_FILES)("%s", async (_, text, says) => {
    await expectRefused(() => apply(text), 1, says);
  });

  test.each(BAD_COMMANDS)("%s", async (_, args, code, says) => {
    await expectRefused(() => weft(...args, "--project", "red"), code, says);
  });

  test("a dry run refuses the same", async () => {
    const [, text, says] = BAD_FILES.find(([what]) => what === "an exhausted pool") ?? [
      "",
      "",
      /^$/,
    ];
    await expectRefused(() => apply(text, "--dry-run"), 1, says);
  });

  test("a revision that is no longer the current one", async () => {
    const act = () =>
      apply(port("x", "{network: web}"), "--expected-revision", String(atRevision - 1));
    await expectRefused(act, 1, new RegExp(`expected_revision: .*${atRevision}`));
  });

  test("too long a comment, too long a key", async () => {
    const text = port("x", "{network: web}");
    await expectRefused(() => apply(text, "--comment", "x".repeat(1025)), 1, /comment: .*1024/);
    const key = "k".repeat(129);
    const act = () => apply(text, "--idempotency-key", key);
    await expectRefused(act, 1, /idempotency_key: .*128/);
  });

  test("after all of these everything is as it was", async () => {
    expect(await everything()).toEqual(before);
  });

  test("an idempotency key with another body", async () => {
    const text = port("once", "{network: web}");
    const first = await apply(text, "--idempotency-key", "key-1");
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain("created");
    // The same again is the first outcome again.
    atRevision = await revision();
    expect(await apply(text, "--idempotency-key", "key-1")).toEqual(first);
    const other = port("other", "{network: web}");
    const act = () => apply(other, "--idempotency-key", "key-1");
    await expectRefused(act, 1, /idempotency_key: /);
    expect((await weft("delete", "port", "once", "--project", "red")).code).toBe(0);
  });
});

describe("what the verbs show", () => {
  test("list and get, filtered, as table and as JSON that can be applied again", async () => {
    const table = await cluster.central.must("list", "ports", "--project", "red");
    expect(table).toMatch(/^NAME +PROJECT +NETWORK/);
    expect(table).toMatch(/web-1 .*0a:57:00:00:06:01 .*10\.6\.0\.11.*chassis-a +UP/);
    const names = async (...args: readonly string[]) =>
      (await cluster.central.json<{ metadata: { id: string } }[]>("list", "ports", ...args)).map(
        ({ metadata }) => metadata.id,
      );
    expect(await names("-l", "app=shop")).toEqual(["web-1"]);
    expect((await names("--field", "spec.network=web")).toSorted()).toEqual(["web-1", "web-2"]);
    expect(await names("--field", `status.chassis=${A}`)).toEqual(["web-1"]);
    expect(await names("--project", "blue")).toEqual([]);
    const before = await revision();
    const document = await cluster.central.must(
      "get",
      "port",
      "web-1",
      "--project",
      "red",
      "-o",
      "yaml",
    );
    expect((await apply(document)).stdout).toContain("unchanged");
    expect(await revision()).toBe(before);
  });

  test("describe shows what belongs to a network, and its history", async () => {
    const text = await cluster.central.must("describe", "network", "web", "--project", "red");
    expect(text).toContain("encap: geneve");
    expect(text).toMatch(/subnets \(2\)\n/);
    expect(text).toMatch(/ports \(2\)\n/);
    expect(text).toMatch(/operator.admin +created +network web +the first ones/);
  });

  test("describe says of a port that is not UP why", async () => {
    const text = await cluster.central.must("describe", "port", "second", "--project", "red");
    expect(text).toMatch(/reason: .*external_ids:iface-id=web-2/);
  });

  test("a dry run shows the plan and allocates nothing", async () => {
    const before = await revision();
    const dry = await apply(port("dry", "{network: web}"), "--dry-run");
    expect(dry.stdout).toMatch(/port dry +red +created/);
    expect(dry.stdout).toContain(`dry run at revision ${before}: 1 created`);
    expect((await weft("get", "port", "dry", "--project", "red")).code).toBe(5);
  });

  test("history goes back, and get sees the past", async () => {
    const first = await revision();
    await apply(
      port("web-2", "{network: web, deviceId: one}", ", name: second"),
      "--comment",
      "give it a device",
    );
    await apply(port("web-2", "{network: web, deviceId: two}", ", name: second"));
    const entries = await cluster.central.json<
      readonly { action: string; comment: string; object: { spec: object } }[]
    >(...["history", "port", "second", "--project", "red"]);
    expect(entries.slice(0, 3).map(({ action, comment }) => [action, comment])).toEqual([
      ["updated", ""],
      ["updated", "give it a device"],
      ["created", "the first ones"],
    ]);
    const deviceAt = async (at: number) =>
      (
        await cluster.central.json<{ spec: { deviceId?: string } }>(
          ...["get", "port", "web-2", "--project", "red", "--at-revision", String(at)],
        )
      ).spec.deviceId;
    expect(await deviceAt(first)).toBeUndefined();
    expect(await deviceAt(first + 1)).toBe("one");
    expect(await deviceAt(first + 2)).toBe("two");
  });

  test("flows of a port, and what is behind a cookie", async () => {
    const { chassis, flows } = await cluster.central.json<{
      chassis: string;
      flows: readonly { cookie: string; flow: string; origin: string }[];
    }>("flows", "web-1", "--project", "red");
    expect(chassis).toBe(A);
    const real = await cluster.one(A).ovs.ofctl("dump-flows", "br-int");
    for (const { cookie, origin } of flows) {
      expect(real).toContain(`cookie=${cookie.replace(/^0x0+/, "0x")}`);
      expect(origin).not.toBe("");
    }
    const ofPort = flows.find(({ flow }) => flow.includes("10.6.0.11"));
    expect(ofPort).toBeDefined();
    const meaning = await cluster.central.must("explain", ofPort?.cookie ?? "");
    expect(meaning).toContain("port web-1");
    expect((await weft("explain", "0x1234")).code).not.toBe(0);
  });

  test("flows and traces that nobody can tell: who is asked, and what is to be done", async () => {
    const { hostInterface } = cluster.guest("web-1");
    const red = ["--project", "red"];
    const asked = async (): Promise<readonly CliResult[]> => [
      await weft("flows", "web-1", ...red),
      await weft(...["trace", "web-1", "10.6.0.9", "--eth-dst", "02:00:00:00:00:09"], ...red),
    ];
    const refused = (says: RegExp) => async () =>
      (await asked()).every(({ code, stderr }) => code === 1 && says.test(stderr));
    await cluster.one(A).unplug(hostInterface);
    const down = /^error: port red\/web-1 is DOWN: no interface has external_ids:iface-id=web-1/;
    await until("the port to be down", refused(down));
    await cluster.one(A).plug(hostInterface, "web-1");
    await cluster.waitUp(["web-1"]);
    await cluster.one(A).endAgent();
    const away = /^error: chassis chassis-a is not connected: see that its agent runs/;
    try {
      await until("the agent to be away", refused(away));
    } finally {
      await cluster.one(A).startAgent();
    }
    await until("the agent to be back", async () => (await asked())[0]?.code === 0);
  });

  test("status and verify", async () => {
    await until("all to be realized", async () => {
      const status = await cluster.central.json<Status>("status");
      return status.convergedRevision === status.revision;
    });
    const status = await cluster.central.json<Status>("status");
    expect(status.chassis.map((one) => one.status.liveness)).toEqual(["ALIVE"]);
    expect(status.portsByState["UP"]).toBe(1);
    expect(await cluster.central.must("central", "verify")).toMatch(
      /^[1-9]\d* keys checked, 0 differ/,
    );
  });

  test("watch shows the present, then what changes, and goes on where it ended", async () => {
    const first = await watch("ports", "--project", "red");
    await until("the present and a bookmark", () =>
      first.lines().some(({ type }) => type === "bookmark"),
    );
    const present = first.lines().map(({ object }) => object?.metadata.id);
    expect(present).toEqual(expect.arrayContaining(["web-1", "web-2", "tiny-1"]));
    await apply(port("seen", "{network: web}"));
    await until("the new port", () =>
      first.lines().some(({ object }) => object?.metadata.id === "seen"),
    );
    await first.end();
    const from = await revision();
    await cluster.central.must("delete", "port", "seen", "--project", "red");
    const second = await watch("ports", "--from", String(from));
    await until("the deletion", () => second.lines().length > 0);
    expect(second.lines()[0]).toMatchObject({ type: "delete", revision: from + 1 });
    await second.end();
    // A port that comes up is a change of status only.
    const states = await watch("ports", "--status");
    await until("a bookmark", () => states.lines().some(({ type }) => type === "bookmark"));
    const { hostInterface } = cluster.guest("web-1");
    await cluster.one(A).unplug(hostInterface);
    const saw = (state: string) =>
      until(`web-1 to be seen ${state}`, () =>
        states
          .lines()
          .some(({ type, object }) => type === "status" && object?.status?.state === state),
      );
    await saw("DOWN");
    await cluster.one(A).plug(hostInterface, "web-1");
    await saw("UP");
    await states.end();
  });

  test("placing a port, and waiting for it", async () => {
    const wait = await weft("port", "wait", "second", "--project", "red", "--timeout", "300ms");
    expect(wait).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("iface-id=web-2") as unknown,
    });
    expect(await cluster.central.must("port", "plug", "second", A, "--project", "red")).toContain(
      A,
    );
    await cluster.plugGuests(["web-2"]);
    expect((await weft("port", "wait", "second", "--project", "red")).code).toBe(0);
    await cluster.removeGuest("web-2");
    expect((await weft("port", "unplug", "second", "--project", "red")).code).toBe(0);
    const { status } =
      (await cluster.ports()).find(({ metadata }) => metadata.id === "web-2") ?? {};
    expect(status?.state).toBe("DOWN");
  });

  test("draining a chassis", async () => {
    const drained = async () =>
      (await cluster.central.json<{ spec: { drain?: boolean } }>("get", "chassis", A)).spec.drain;
    await cluster.central.must("chassis", "drain", A);
    expect(await drained()).toBe(true);
    await cluster.central.must("chassis", "undrain", A);
    expect(await drained()).toBeUndefined();
  });

  test("deleting all of it, in one set and in the right order by itself", async () => {
    const list = ["web-1", "web-2", "tiny-1"];
    expect((await weft("delete", "port", ...list, "--project", "red", "--wait")).code).toBe(0);
    expect(
      (await weft("delete", "subnet", "web-4", "web-6", "tiny-4", "--project", "red")).code,
    ).toBe(0);
    expect((await weft("delete", "network", "web", "tiny", "--project", "red")).code).toBe(0);
    for (const kind of ["ports", "subnets", "networks"]) {
      expect(await cluster.central.json<unknown[]>("list", kind)).toEqual([]);
    }
  });
});

interface WatchLine {
  readonly revision: number;
  readonly type: string;
  readonly object: {
    readonly metadata: { readonly id: string };
    readonly status?: { readonly state?: string };
  } | null;
}

interface Watching {
  lines(): readonly WatchLine[];
  end(): Promise<void>;
}

/** `weft watch` in the background. */
async function watch(...args: readonly string[]): Promise<Watching> {
  const kept: Kept = cluster.central.keepCli("watch", ...args, "-o", "json");
  let text = "";
  kept.child.stdout?.on("data", (part: Buffer) => (text += part.toString()));
  return {
    lines: () =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as WatchLine),
    end: () => kept.end("SIGTERM"),
  };
}
