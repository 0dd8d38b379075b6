// Reads a Prometheus text page over HTTP: name -> value, for metrics without labels; of those with labels, the sum. Called by the
// process wrappers of the benchmark.

/** Null while nothing listens there. */
export async function readMetrics(listen: string): Promise<ReadonlyMap<string, number> | null> {
  const response = await fetch(`http://${listen}/metrics`).catch(() => null);
  if (response === null || !response.ok) return null;
  return parseMetrics(await response.text());
}

export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    values.set(name, (values.get(name) ?? 0) + Number(value));
  }
  return values;
}
