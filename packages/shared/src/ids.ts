// Identifiers: the alphabet of ids, names, projects and labels, and UUID text. Pure: random bytes
// come in as an argument. Called by central's validation, by the CLI and by the agent's ownership marks.

/** Longest id, name or project. */
export const maxIdLength = 63;

/** Project of an object that names none. */
export const defaultProject = "default";

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const labelKeyPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126})$/;

/** Longest label value, in UTF-8 bytes. */
export const maxLabelValueBytes = 256;

/** What to say about text that `isId` refuses. */
export const idRule =
  "1 to 63 letters, digits, dots, underscores or dashes, beginning with a letter or digit";

/** True if `text` may be an id, a name or a project. */
export function isId(text: string): boolean {
  return idPattern.test(text);
}

/** True if `text` may be the key of a label: as an id, with slashes, up to 127 characters. */
export function isLabelKey(text: string): boolean {
  return labelKeyPattern.test(text);
}

/** A version 4 UUID (RFC 9562 5.4) from 16 random bytes, which are not changed. */
export function uuidFromBytes(random: Uint8Array): string {
  if (random.length !== 16) throw new RangeError(`a UUID has 16 bytes, not ${random.length}`);
  const bytes = Buffer.from(random);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
