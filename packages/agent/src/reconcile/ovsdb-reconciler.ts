// Brings the Open_vSwitch database to the desired state and keeps it there: bridge, tunnels, provider
// patches and pruning in ONE transaction per round, re-planned from the replica after every change by
// anybody. The only writer of what plan/ plans. Created by agent.ts (wiring); told what to do by
// `update`; says how it went by `listen`.
//
//   update(desired) --+                      +-> status (objects, VIFs, tunnel ports)
//   replica change  --+-> plan -> one transaction -> replica change -> plan ... until no step is left
//   retry timer     --+
//
// A transient failure is retried after a backoff, a conflict is re-planned, an object that the server
// refuses is set aside for a while so that the others go on, a bug goes to `fatal`.
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { describeError, errorKind } from "@weft/shared/errors.ts";
import { Backoff, type BackoffPolicy } from "@weft/shared/reconnect.ts";
import { OvsdbTransactionError } from "../ovsdb/errors.ts";
import type { Replica } from "../ovsdb/replica.ts";
import type { OvsdbSession } from "../ovsdb/session.ts";
import type { VswitchTables } from "../ovsdb/vswitch.ts";
import type { OvsdbActual } from "../plan/actual.ts";
import type { OvsdbDesired } from "../plan/desired.ts";
import { observeInterfaces } from "../plan/interfaces.ts";
import { planOvsdb } from "../plan/plan.ts";
import type { PartialPlan, Step } from "../plan/step.ts";
import { buildTransaction } from "./apply.ts";
import { observeActual } from "./observe.ts";
import { type OvsdbStatus, statusOf } from "./status.ts";

export interface OvsdbReconcilerOptions {
  readonly session: OvsdbSession;
  readonly replica: Replica<VswitchTables>;
  readonly clock: Clock;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
  /** Told of what must not happen; the process should end. */
  readonly fatal: (error: unknown) => void;
}

/** `status` is called when anything in it changed, with the whole of it. */
export type StatusListener = (status: OvsdbStatus) => void;

/** `stableMs`: so long after a transaction without the need of another, it has held. */
const RETRY: BackoffPolicy = { initialMs: 100, capMs: 10_000, stableMs: 2_000 };

/** Transactions close to each other; more means that somebody undoes our changes: slow down. */
const MAX_BURST = 8;

export class OvsdbReconciler implements AsyncDisposable {
  readonly #options: OvsdbReconcilerOptions;
  readonly #backoff: Backoff;
  readonly #listeners = new Set<StatusListener>();
  readonly #unlisten: () => void;
  #desired: OvsdbDesired | null = null;
  #status: OvsdbStatus | null = null;
  #statusText = "";
  #lastError: string | null = null;
  #transactions = 0;
  /** Transactions tried since the last calm of RETRY.stableMs or the last update. */
  #burst = 0;
  #lastTryMs = 0;
  #dirty = false;
  #running: Promise<void> | null = null;
  /** Pending: no transaction before it fires. */
  #retry: Timer | null = null;
  /** Pending while objects are refused: they are tried again when it fires. */
  #retryRefused: Timer | null = null;
  /** Objects that the server refused, with the reason; until the next retry or update. */
  readonly #refused = new Map<string, string>();
  /** The last refusal named no operation: one object per transaction finds out which it is. */
  #oneByOne = false;
  #closed = false;

  constructor(options: OvsdbReconcilerOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ policy: RETRY, random: options.random });
    this.#unlisten = options.replica.listen({
      changed: () => this.#kick(),
      synced: (inSync) => {
        // A new connection: what failed on the old one may be tried at once.
        if (inSync) this.#startAfresh();
        this.#kick();
      },
    });
  }

  /** The whole desired state; replaces the one before. Idempotent. */
  update(desired: OvsdbDesired): void {
    this.#desired = desired;
    this.#startAfresh();
    this.#kick();
  }

  /** Null until the first update and the first content of the database. */
  get status(): OvsdbStatus | null {
    return this.#status;
  }

  /** Committed so far. Grows only when something was to be changed. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Calls at once with the present status, if there is one. */
  listen(listener: StatusListener): () => void {
    this.#listeners.add(listener);
    if (this.#status !== null) listener(this.#status);
    return () => this.#listeners.delete(listener);
  }

  /** Waits for a transaction under way; starts none. Leaves OVS as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    this.#startAfresh();
    this.#listeners.clear();
    await this.#running;
  }

  /** Something new: what was learned from failures does not hold any more. */
  #startAfresh(): void {
    this.#forgetFailures();
    this.#backoff.reset();
    this.#burst = 0;
  }

  #forgetFailures(): void {
    this.#retry?.cancel();
    this.#retry = null;
    this.#retryRefused?.cancel();
    this.#retryRefused = null;
    this.#refused.clear();
    this.#oneByOne = false;
  }

  #kick(): void {
    this.#dirty = true;
    if (this.#running !== null || this.#closed) return;
    this.#running = this.#run()
      .catch((error: unknown) => this.#options.fatal(error))
      .finally(() => {
        this.#running = null;
        // Set between the last look of the loop and here.
        if (this.#dirty) this.#kick();
      });
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      await this.#round();
    }
  }

  /** Plans, reports, and commits what can be committed now. */
  async #round(): Promise<void> {
    const { replica } = this.#options;
    const desired = this.#desired;
    const actual = observeActual(replica);
    if (desired === null || actual.root === null) return;
    const plan = planOvsdb(desired, actual);
    this.#publish(desired, plan);
    if (!replica.inSync) return;
    if (plan.steps.length === 0) {
      this.#forgetFailures();
      return;
    }
    const steps = this.#selectSteps(plan.steps, actual);
    if (steps.length === 0 || this.#retry !== null) return;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#lastTryMs >= RETRY.stableMs) this.#burst = 0;
    if (this.#burst >= MAX_BURST) {
      this.#lastError = "changes to OVSDB are undone again and again by something else";
      this.#retryLater();
      this.#publish(desired, plan);
      return;
    }
    this.#burst += 1;
    this.#lastTryMs = nowMs;
    const built = buildTransaction({
      steps,
      actual,
      rootUuid: actual.root._uuid,
      comment: `weft-agent: ${steps.length} step(s)`,
    });
    try {
      await built.transaction.commit(this.#options.session);
      this.#transactions += 1;
      this.#backoff.succeeded(this.#options.clock.nowMs());
      this.#lastError = null;
      this.#dirty = true;
    } catch (error) {
      this.#onFailure(error, steps, built.stepOf);
    }
  }

  /** Without the refused objects, and without ports for a bridge that will then not exist. */
  #selectSteps(steps: readonly Step[], actual: OvsdbActual): readonly Step[] {
    let chosen = steps.filter((step) => !this.#refused.has(step.object));
    if (this.#oneByOne) chosen = chosen.filter((step) => step.object === chosen[0]?.object);
    const bridges = new Set([...actual.bridges.values()].map((bridge) => bridge.name));
    for (const step of chosen) if (step.kind === "create-bridge") bridges.add(step.name);
    return chosen.filter((step) => step.kind !== "create-port" || bridges.has(step.bridge));
  }

  #onFailure(
    error: unknown,
    steps: readonly Step[],
    stepOf: (opIndex: number) => Step | null,
  ): void {
    const kind = errorKind(error);
    if (kind === "bug") throw error;
    this.#lastError = describeError(error);
    // Whatever it was, plan again; whether a transaction may follow, #retry and #refused say.
    this.#dirty = true;
    if (kind === "conflict") return;
    if (kind === "transient") {
      this.#retryLater();
      return;
    }
    const opIndex = error instanceof OvsdbTransactionError ? error.opIndex : null;
    const blamed = opIndex === null ? null : (stepOf(opIndex)?.object ?? null);
    const objects = new Set(steps.map((step) => step.object));
    if (blamed !== null) this.#refused.set(blamed, this.#lastError);
    else if (objects.size === 1) this.#refused.set([...objects][0] ?? "", this.#lastError);
    else this.#oneByOne = true;
    this.#burst = 0;
    this.#retryRefused ??= this.#scheduleRefused();
  }

  #scheduleRefused(): Timer {
    return this.#options.clock.setTimer(RETRY.capMs, () => {
      this.#startAfresh();
      this.#kick();
    });
  }

  #retryLater(): void {
    const delayMs = this.#backoff.failed(this.#options.clock.nowMs());
    this.#retry = this.#options.clock.setTimer(delayMs, () => {
      this.#retry = null;
      // One more try; the burst goes on unless it was calm meanwhile.
      this.#burst = Math.min(this.#burst, MAX_BURST - 1);
      this.#kick();
    });
  }

  #publish(desired: OvsdbDesired, plan: PartialPlan): void {
    const status = statusOf({
      connected: this.#options.replica.inSync,
      desired,
      plan,
      observed: observeInterfaces(desired, observeActual(this.#options.replica)),
      refused: this.#refused,
      lastError: this.#lastError,
    });
    const text = JSON.stringify(status);
    if (text === this.#statusText) return;
    this.#statusText = text;
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}
