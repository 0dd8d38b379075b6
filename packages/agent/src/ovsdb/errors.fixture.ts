// What bytes of a hostile peer may lead to: nothing, or the one error that ends the connection. For fuzzing tests only.

import { OvsdbProtocolError } from "./errors.ts";

/** False when something else was thrown. */
export function nothingOrProtocolError(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    return error instanceof OvsdbProtocolError;
  }
}
