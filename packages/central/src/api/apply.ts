// Apply: from the bytes of a request to the bytes of its answer, all of it in slices. Owns what a set means to its caller; the rules of
// objects are model/, the order of writes is store/transactor.ts. Called by northbound.ts, encodeOutcome() by central.ts.

import { ApplyResponse, ChangeAction, WaitLevel } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ApplyRequest, ChangeResult } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { PlanAction, PlanResult } from "../model/intents.ts";
import type { Model } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import type { RunOutcome, Transactor } from "../store/transactor.ts";
import {
  decodeApply,
  encodeParts,
  encodeRevision,
  repeatableDigest,
  revisionOf,
} from "./apply-wire.ts";
import type { DecodedApply, RequestBytes } from "./apply-wire.ts";
import { waitMsOf } from "./calls.ts";
import type { CallContext } from "./calls.ts";
import { toIntents } from "./convert.ts";
import { largeSetBytes, maxChanges, maxCommentBytes, maxIdempotencyKeyBytes } from "./limits.ts";
import type { Objects } from "./objects.ts";
import type { South } from "./south.ts";
import { invalid, refusedSet } from "./status.ts";

export interface ApplyOptions {
  readonly model: Model;
  readonly transactor: Transactor;
  readonly objects: Objects;
  readonly south: South;
}

interface Committed {
  readonly response: Buffer;
  readonly request: Omit<ApplyRequest, "changes">;
}

const planActions: Readonly<Record<PlanAction, ChangeAction>> = {
  created: ChangeAction.CREATED,
  updated: ChangeAction.UPDATED,
  unchanged: ChangeAction.UNCHANGED,
  deleted: ChangeAction.DELETED,
};

/** What an idempotency key keeps of a set: the answer without objects' states. */
export function encodeOutcome(objects: Objects, outcome: RunOutcome): Promise<Uint8Array> {
  return runInSlices(encodeAnswer(outcome, ({ table, row }) => objects.pastObject(table, row)));
}

export class Apply {
  readonly #options: ApplyOptions;
  /** The newest of the large sets: decoded they have several times their bytes, so there is one at a time. */
  #large: Promise<unknown> = Promise.resolve();

  constructor(options: ApplyOptions) {
    this.#options = options;
  }

  /** The answer, encoded. */
  async run(received: RequestBytes, context: CallContext): Promise<Buffer> {
    const committed =
      received.length > largeSetBytes
        ? this.#afterLarge(received, context)
        : this.#commit(received, context);
    const { response, request } = await committed;
    received.onDone();
    if (request.wait !== WaitLevel.REALIZED || request.dryRun) return response;
    const realization = await this.#options.south.realized({
      revision: revisionOf(response),
      timeoutMs: waitMsOf(request.waitTimeoutMs),
      signal: context.signal,
    });
    const tail = ApplyResponse.encode({ revision: 0n, results: [], realization }).finish();
    return Buffer.concat([response, tail]);
  }

  #afterLarge(received: RequestBytes, context: CallContext): Promise<Committed> {
    // Who left is not counted among the bytes in flight any more, and may have come again meanwhile.
    context.signal.addEventListener("abort", () => received.drop(), { once: true });
    const turn = this.#large.then(() => this.#commit(received, context));
    this.#large = turn.catch(() => undefined);
    return turn;
  }

  async #commit(
    received: RequestBytes,
    { actor, signal, allowWait }: CallContext,
  ): Promise<Committed> {
    // Nobody waits for it any more.
    signal.throwIfAborted();
    const decoded = await runInSlices(decodeApply(received.take()));
    const { request } = decoded;
    checkApply(decoded);
    allowWait(waitMsOf(request.waitTimeoutMs));
    const { intents, problems } = await runInSlices(toIntents(decoded));
    if (problems.length > 0) throw refusedSet(problems, problems.length);
    const key = request.dryRun ? "" : request.idempotencyKey;
    const digest = key === "" ? null : await runInSlices(repeatableDigest(request));
    const { changes: _changes, ...rest } = request;
    const answer = await this.#options.transactor.run(
      {
        actor,
        comment: request.comment,
        dryRun: request.dryRun,
        expectedRevision: request.expectedRevision,
        idempotency: digest === null ? null : { key, body: () => digest },
      },
      () => intents,
    );
    if (answer.kind === "refused") throw refusedSet(answer.problems, answer.count);
    if (answer.kind === "replayed") {
      const { buffer, byteOffset, byteLength } = answer.outcome;
      return { response: Buffer.from(buffer, byteOffset, byteLength), request: rest };
    }
    const encoding = encodeAnswer(answer.outcome, (result) => this.#object(result));
    return { response: await runInSlices(encoding), request: rest };
  }

  #object({ table, row }: PlanResult): ChangeResult["object"] {
    const { model, objects } = this.#options;
    // A dry run's rows are not in the model, a deleted one's no more.
    const isCurrent = model.get(table, row.id) === row;
    return isCurrent ? objects.object(table, row) : objects.pastObject(table, row);
  }
}

function encodeAnswer(
  { revision, results }: RunOutcome,
  objectOf: (result: PlanResult) => ChangeResult["object"],
): Generator<void, Buffer> {
  return encodeParts(encodeRevision(revision), results, (some) =>
    ApplyResponse.encode({
      revision: 0n,
      results: some.map((result) => ({
        action: planActions[result.action],
        object: objectOf(result),
      })),
      realization: undefined,
    }).finish(),
  );
}

function checkApply({ request, changeCount }: DecodedApply): void {
  const { idempotencyKey, comment, wait } = request;
  if (changeCount > maxChanges) {
    throw invalid("changes", `${changeCount} changes, at most ${maxChanges}: split the set`);
  }
  if (Buffer.byteLength(idempotencyKey) > maxIdempotencyKeyBytes) {
    throw invalid("idempotency_key", `more than ${maxIdempotencyKeyBytes} bytes`);
  }
  if (Buffer.byteLength(comment) > maxCommentBytes) {
    throw invalid("comment", `more than ${maxCommentBytes} bytes`);
  }
  if (wait < WaitLevel.UNSPECIFIED || wait > WaitLevel.REALIZED) {
    throw invalid("wait", `value ${wait} is not known: give COMMITTED or REALIZED`);
  }
}
