// Members of the groups of one index, sorted, so that what is read of a group does not depend on the order of insertion.
// A group of one member is kept as that string, which most are. Plain storage: who reads a group is dependencies.ts' matter.

import { SpreadMap } from "../spread-map.ts";

type Members = string | string[];

/** What a change did to a group: bits of GroupChange. */
export const CHANGED_MEMBERS = 1;
export const CHANGED_COUNT = 2;
export const CHANGED_FIRST = 4;

const EMPTY: readonly string[] = [];

export class Groups {
  readonly #groups = new SpreadMap<Members>();
  #entries = 0;

  /** Number of (group, member) pairs. */
  get entries(): number {
    return this.#entries;
  }

  /** Sorted by UTF-16 code units. */
  members(group: string): readonly string[] {
    const members = this.#groups.get(group);
    if (members === undefined) return EMPTY;
    return typeof members === "string" ? [members] : members;
  }

  count(group: string): number {
    const members = this.#groups.get(group);
    if (members === undefined) return 0;
    return typeof members === "string" ? 1 : members.length;
  }

  first(group: string): string | undefined {
    const members = this.#groups.get(group);
    return members === undefined || typeof members === "string" ? members : members[0];
  }

  has(group: string, member: string): boolean {
    const members = this.#groups.get(group);
    if (members === undefined || typeof members === "string") return members === member;
    return members[position(members, member)] === member;
  }

  /** Answers what changed, as bits; 0 when the member was there. */
  add(group: string, member: string): number {
    const members = this.#groups.get(group);
    if (members === undefined) {
      this.#groups.set(group, member);
    } else if (typeof members === "string") {
      if (members === member) return 0;
      this.#groups.set(group, members < member ? [members, member] : [member, members]);
    } else {
      const at = position(members, member);
      if (members[at] === member) return 0;
      members.splice(at, 0, member);
    }
    this.#entries += 1;
    return this.#changed(this.first(group) === member);
  }

  /** Answers what changed, as bits; 0 when the member was not there. */
  remove(group: string, member: string): number {
    const members = this.#groups.get(group);
    const wasFirst = this.first(group) === member;
    if (members === undefined) return 0;
    if (typeof members === "string") {
      if (members !== member) return 0;
      this.#groups.delete(group);
    } else {
      const at = position(members, member);
      if (members[at] !== member) return 0;
      members.splice(at, 1);
      if (members.length === 1 && members[0] !== undefined) this.#groups.set(group, members[0]);
    }
    this.#entries -= 1;
    return this.#changed(wasFirst);
  }

  #changed(first: boolean): number {
    return CHANGED_MEMBERS | CHANGED_COUNT | (first ? CHANGED_FIRST : 0);
  }
}

/** Index of the first member not below `member`. */
function position(members: readonly string[], member: string): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((members[middle] ?? "") < member) low = middle + 1;
    else high = middle;
  }
  return low;
}
