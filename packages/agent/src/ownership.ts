// The ownership mark: which rows of the Open_vSwitch database are ours. Everything the agent creates
// there carries it; nothing without it is changed or deleted. Pure. Used by plan/ and by ports/.
//
//   external_ids:weft-owner    system id of the agent that created the row
//   external_ids:weft-role     what the row is for, so that each target prunes only its own kind
//   external_ids:weft-adopted  "true" on a bridge that an operator made and let us use: never deleted
//   external_ids:weft-object   the desired object behind the row, for people who look at the database

export const OWNER_KEY = "weft-owner";
export const ROLE_KEY = "weft-role";
export const ADOPTED_KEY = "weft-adopted";
export const OBJECT_KEY = "weft-object";

/** `vif` is for the devices that the agent itself makes; the OVSDB targets here never prune those. */
export type OwnedRole = "integration-bridge" | "tunnel" | "patch" | "vif";

type ExternalIds = ReadonlyMap<string, string>;

/** The external_ids of a row that we create. */
export function ownershipMark(options: {
  readonly systemId: string;
  readonly role: OwnedRole;
  readonly object: string;
}): Map<string, string> {
  return new Map([
    [OBJECT_KEY, options.object],
    [OWNER_KEY, options.systemId],
    [ROLE_KEY, options.role],
  ]);
}

/** The system id in the mark; null when there is no mark. */
export function ownerOf(externalIds: ExternalIds): string | null {
  return externalIds.get(OWNER_KEY) ?? null;
}

/** True when the row carries our mark; a mark of another system id is as foreign as none. */
export function isOwned(externalIds: ExternalIds, systemId: string): boolean {
  return externalIds.get(OWNER_KEY) === systemId;
}

export function isAdopted(externalIds: ExternalIds): boolean {
  return externalIds.get(ADOPTED_KEY) === "true";
}

export function hasRole(externalIds: ExternalIds, role: OwnedRole): boolean {
  return externalIds.get(ROLE_KEY) === role;
}
