// Answers what central asks about this chassis on behalf of a person. Reads only. Called by agent.ts.

import type { Dataplane } from "@weft/dataplane-native";
import type { Query, QueryReply } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { PortTable } from "./ports/port-table.ts";
import { TRACE_VERB, type Tracer } from "./trace/trace.ts";

/** JSON of one answer: a message may have 1 MiB. */
const MAX_REPLY_BYTES = 1_000_000;

/** Never throws: what goes wrong is the answer. */
export async function answerQuery(
  query: Query,
  {
    ports,
    dataplane,
    tracer,
  }: { readonly ports: PortTable; readonly dataplane: Dataplane; readonly tracer: Tracer },
): Promise<QueryReply> {
  const failed = (error: string): QueryReply => ({ id: query.id, json: "", error });
  const [verb = "", argument = ""] = query.text.split(" ");
  const local = ports.get(argument)?.local;
  try {
    if (verb === TRACE_VERB) {
      const json = await tracer.answer(query.text.slice(TRACE_VERB.length));
      if (Buffer.byteLength(json) <= MAX_REPLY_BYTES) return { id: query.id, json, error: "" };
      return failed("the trace is too large for an answer");
    }
    if (verb !== "port-flows") return failed(`unknown query "${verb}": update weft-agent`);
    if (!local) return failed(`port ${argument} is not on this chassis`);
    const flows = await dataplane.portFlows(local.portKey);
    // A cookie has 64 bits, more than a number of JSON.
    const lines = flows.map(({ text, cookie }) => ({ text, cookie: cookie.toString() }));
    const json = JSON.stringify(lines);
    if (Buffer.byteLength(json) <= MAX_REPLY_BYTES) return { id: query.id, json, error: "" };
    return failed(`the ${lines.length} flows are too large for an answer`);
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}
