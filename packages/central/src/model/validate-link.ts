// From a link between two routers as asked for to its row: its ends, and one address a prefix at each. Pure; names every problem. Called
// by kinds.ts.

import { cidrOf, cidrsOverlap, formatCidr, parseCidr } from "@weft/shared/net/cidr.ts";
import type { Cidr } from "@weft/shared/net/cidr.ts";
import { formatIp, parseIp } from "@weft/shared/net/ip.ts";
import { unusableAddress } from "./addresses.ts";
import { checkConnected, ofLink } from "./connected.ts";
import type { RouterLinkEndIntent, RouterLinkSpecIntent } from "./intents.ts";
import { maxAddressesPerLinkEnd, maxLinksPerRouter } from "./limits.ts";
import { completeRouterRef } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { linkSegments } from "./router-view.ts";
import type { RouterLinkEnd, RouterLinkRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";
import { unroutablePrefixes } from "./validate-subnet.ts";
import type { Whole } from "./whole.ts";

/** What a router says from such an address ends at the next one (RFC 3927 2.7, RFC 4291 2.5.6). */
const linkLocal: readonly Cidr[] = ["169.254.0.0/16", "fe80::/10"].flatMap(
  (text) => parseCidr(text) ?? [],
);

interface EndDraft {
  readonly end: RouterLinkEnd;
  /** Prefix -> the address in it. */
  readonly prefixes: ReadonlyMap<string, string>;
}

/** The row to be; undefined when nothing sensible can be made of it. */
export function completeLink(
  tables: Tables,
  meta: RowMeta,
  spec: RouterLinkSpecIntent | null,
  before: RouterLinkRow | undefined,
  problems: ObjectProblems,
): RouterLinkRow | undefined {
  if (spec === null && before !== undefined) return { ...before, ...meta };
  const complete = (
    asked: RouterLinkEndIntent | null | undefined,
    at: 0 | 1,
  ): EndDraft | undefined =>
    completeEnd({
      tables,
      meta,
      problems,
      asked: asked ?? null,
      before: before?.ends[at],
      field: at === 0 ? "spec.first" : "spec.second",
    });
  const first = complete(spec?.first, 0);
  const second = complete(spec?.second, 1);
  if (first === undefined || second === undefined) return undefined;
  if (first.end.router === second.end.router) {
    const text = "both ends are the same router: give two routers";
    problems.add("INVALID_FIELD", "spec.second.router", text);
  }
  checkPair(first, second, problems);
  return { ...meta, key: before?.key ?? 0, ends: [first.end, second.end] };
}

function completeEnd(options: {
  readonly tables: Tables;
  readonly meta: RowMeta;
  readonly asked: RouterLinkEndIntent | null;
  readonly before: RouterLinkEnd | undefined;
  readonly field: string;
  readonly problems: ObjectProblems;
}): EndDraft | undefined {
  const { before, field, problems } = options;
  const asked = options.asked ?? before;
  if (asked === undefined) {
    const text = "a router-link needs a router and addresses at both ends, such as 10.255.0.1/30";
    problems.add("MISSING_FIELD", field, text);
    return undefined;
  }
  const router = completeRouterRef({
    ...options,
    ...{ ref: asked.router, before: before?.router, field: `${field}.router`, what: "router-link" },
  });
  const prefixes = completeAddresses(asked.addresses, `${field}.addresses`, problems);
  if (router === undefined || prefixes === undefined) return undefined;
  const addresses = [...prefixes].map(
    ([prefix, ip]) => `${ip}${prefix.slice(prefix.indexOf("/"))}`,
  );
  return { end: { router, addresses: addresses.sort() }, prefixes };
}

function completeAddresses(
  asked: readonly string[],
  field: string,
  problems: ObjectProblems,
): Map<string, string> | undefined {
  if (asked.length === 0) {
    problems.add("MISSING_FIELD", field, "give an address with its prefix, such as 10.255.0.1/30");
    return undefined;
  }
  if (asked.length > maxAddressesPerLinkEnd) {
    const text = `${asked.length} addresses, at most ${maxAddressesPerLinkEnd}: one a family is enough`;
    problems.add("OVER_LIMIT", field, text);
    return undefined;
  }
  const prefixes = new Map<string, string>();
  const cidrs: Cidr[] = [];
  asked.forEach((text, index) => {
    const at = `${field}[${index}]`;
    const slash = text.indexOf("/");
    const ip = parseIp(text.slice(0, slash));
    const length = text.slice(slash + 1);
    const cidr = ip && /^\d{1,3}$/.test(length) ? cidrOf(ip, Number(length)) : undefined;
    if (slash < 0 || ip === undefined || cidr === undefined) {
      const wayOut = "give one with its prefix length, such as 10.255.0.1/30 or fd00:ff::1/64";
      problems.add("INVALID_ADDRESS", at, `"${clip(text)}" is no address of a link: ${wayOut}`);
      return;
    }
    const reason = unusableAddress(cidr, ip);
    if (reason !== undefined) problems.add("INVALID_ADDRESS", at, `${formatIp(ip)} ${reason}`);
    const minLength = cidr.family === 4 ? 8 : 16;
    if (linkLocal.some((other) => cidrsOverlap(other, cidr))) {
      const wayOut = "routers drop what comes from there; give one of a private range";
      problems.add("INVALID_ADDRESS", at, `${formatCidr(cidr)} is link-local: ${wayOut}`);
    } else if (
      cidr.prefixLen < minLength ||
      unroutablePrefixes.some((other) => cidrsOverlap(other, cidr))
    ) {
      const wayOut = `give a unicast prefix of at least /${minLength}`;
      problems.add("INVALID_ADDRESS", at, `${formatCidr(cidr)} cannot be a link: ${wayOut}`);
    }
    const overlapping = cidrs.find((other) => cidrsOverlap(other, cidr));
    if (overlapping !== undefined) {
      const other = formatCidr(overlapping);
      const wayOut = "an end has one address a prefix";
      problems.add("OVERLAPPING_PREFIX", at, `${formatCidr(cidr)} overlaps ${other}: ${wayOut}`);
    }
    cidrs.push(cidr);
    prefixes.set(formatCidr(cidr), formatIp(ip));
  });
  return prefixes;
}

/** For each prefix one address at both ends, and not the same. */
function checkPair(first: EndDraft, second: EndDraft, problems: ObjectProblems): void {
  for (const [here, there, field] of [
    [first, second, "spec.second.addresses"],
    [second, first, "spec.first.addresses"],
  ] as const) {
    for (const prefix of here.prefixes.keys()) {
      if (there.prefixes.has(prefix)) continue;
      const text = `no address in ${prefix}, which the other end is in: give both ends one, with the same length`;
      problems.add("MISSING_FIELD", field, text);
      return;
    }
  }
  for (const [prefix, ip] of first.prefixes) {
    if (second.prefixes.get(prefix) !== ip) continue;
    const text = `${ip} is the address of the first end as well: give another in ${prefix}`;
    problems.add("DUPLICATE_IP", "spec.second.addresses", text);
  }
}

/** What can only be judged once all rows of the set are in place. */
export function checkLinkInPlace(
  whole: Whole,
  row: RouterLinkRow,
  before: RouterLinkRow | undefined,
  problems: ObjectProblems,
): void {
  row.ends.forEach(({ router }, index) => {
    const end = index === 0 ? "spec.first" : "spec.second";
    const count = whole.tables.count("linkRouter", router);
    if (count > maxLinksPerRouter) {
      const name = whole.tables.get("router", router);
      const who = name === undefined ? router : describeObject("router", name);
      const text = `${who} would have ${count} links, at most ${maxLinksPerRouter}: join by way of another router`;
      problems.add("OVER_LIMIT", `${end}.router`, text);
    }
    checkConnected({
      ...{ whole, router, problems, isOwn: ofLink(row), field: `${end}.addresses` },
      before: before === undefined ? [] : linkSegments(before, router),
    });
  });
}
