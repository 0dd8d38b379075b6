// Who must answer at an address, judged from what was asked for and nothing else: ports of one network reach each other; networks
// of routers that are joined reach each other too, in the families that both ends have. An oracle of its own: it knows no placement, no flows and no addresses of
// hypervisors. Used by the demo.

import type { ListedPort } from "./cluster.ts";

export interface ListedInterface {
  readonly spec: { readonly router: string; readonly network: string };
}

export interface ListedLink {
  readonly spec: {
    readonly first: { readonly router: string };
    readonly second: { readonly router: string };
  };
}

export class Reachability {
  readonly #ports: readonly ListedPort[];
  /** Network or router -> another of its group; a root is its own. */
  readonly #groups = new Map<string, string>();

  constructor(options: {
    readonly ports: readonly ListedPort[];
    readonly interfaces: readonly ListedInterface[];
    readonly links: readonly ListedLink[];
  }) {
    this.#ports = options.ports;
    for (const { spec } of options.interfaces) this.#join(`n ${spec.network}`, `r ${spec.router}`);
    for (const { spec } of options.links) {
      this.#join(`r ${spec.first.router}`, `r ${spec.second.router}`);
    }
  }

  /** Id of the port that answers `from` at `ip`: of its own network first; null = silence. */
  answers(from: ListedPort, ip: string): string | null {
    const isIpv6 = (text: string): boolean => text.includes(":");
    if (!ipsOf(from).some((own) => isIpv6(own) === isIpv6(ip))) return null;
    const holders = this.#ports.filter((port) => ipsOf(port).includes(ip));
    const own = holders.find(({ spec }) => spec.network === from.spec.network);
    const group = this.#group(`n ${from.spec.network}`);
    const routed = holders.find(({ spec }) => this.#group(`n ${spec.network}`) === group);
    return (own ?? routed)?.metadata.id ?? null;
  }

  #group(name: string): string {
    let at = name;
    for (let next = this.#groups.get(at); next !== undefined; next = this.#groups.get(at))
      at = next;
    return at;
  }

  #join(a: string, b: string): void {
    const [first, second] = [this.#group(a), this.#group(b)];
    if (first !== second) this.#groups.set(first, second);
  }
}

export function ipsOf(port: ListedPort): readonly string[] {
  return (port.spec.fixedIps ?? []).map(({ ip }) => ip);
}
