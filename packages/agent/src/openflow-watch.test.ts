import { expect, test } from "vitest";
import { FakeClock } from "../../../test/fakes/clock.ts";
import { OpenFlowWatch } from "./openflow-watch.ts";

function setUp() {
  const clock = new FakeClock();
  const said: string[] = [];
  const watch = new OpenFlowWatch({ socket: "/s", clock, say: (text) => said.push(text) });
  return { clock, said, watch };
}

const text = (reason: string) =>
  `Open vSwitch does not answer on /s (${reason}): flows stay as they are`;

test("an absence is said once it lasts, with its reason of now, and its end", () => {
  const { clock, said, watch } = setUp();
  watch.lost("not connected yet");
  clock.advance(1_900);
  watch.lost("no such file");
  expect(said).toEqual([]);
  clock.advance(100);
  watch.lost("refused");
  watch.back();
  expect(said).toEqual([text("no such file"), text("refused"), ""]);
  watch.lost("closed");
  clock.advance(2_000);
  expect(said.at(-1)).toBe(text("closed"));
});

test("a short absence is not said", () => {
  const { clock, said, watch } = setUp();
  watch.lost("closed");
  clock.advance(1_999);
  watch.back();
  clock.advance(60_000);
  expect(said).toEqual([""]);
  watch.lost("closed");
  watch[Symbol.dispose]();
  expect(clock.pendingTimers).toBe(0);
});
