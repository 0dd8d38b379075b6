// The certificates of a run: an authority, central, one operator, and one identity for each chassis, made with the product's own
// PKI. Called by measure.ts.

import { join } from "node:path";
import { initCa, issue } from "@weft/shared/pki.ts";
import { type TlsFiles, tlsFilesIn } from "@weft/shared/tls.ts";

/** Each is flushed to disk, so some wait while others are signed. */
const AT_ONCE = 16;

export class Certificates {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async make(dir: string, chassis: readonly string[]): Promise<Certificates> {
    const nowMs = Date.now();
    const certificates = new Certificates(dir);
    await initCa(dir, { name: "weft bench", nowMs });
    const one = async (identity: string, ips: readonly string[] = []): Promise<void> => {
      const outDir = certificates.#folder(identity);
      await issue(dir, { identity, dns: [], ips, days: 1, nowMs, outDir });
    };
    await one("central", ["127.0.0.1"]);
    await one("operator:bench");
    for (let at = 0; at < chassis.length; at += AT_ONCE) {
      await Promise.all(chassis.slice(at, at + AT_ONCE).map((name) => one(`chassis:${name}`)));
    }
    return certificates;
  }

  get central(): TlsFiles {
    return tlsFilesIn(this.#folder("central"));
  }

  get operator(): TlsFiles {
    return tlsFilesIn(this.#folder("operator:bench"));
  }

  chassis(name: string): TlsFiles {
    return tlsFilesIn(this.#folder(`chassis:${name}`));
  }

  #folder(identity: string): string {
    return join(this.#dir, identity);
  }
}
