// WIRING of weft-central: makes every part and joins them. Read this first; it decides nothing.
//
//   gRPC north -> api/ -> store/transactor (model/plan, ipam/) -> store/ (SQLite threads)
//                              |
//                              v  durable
//                publisher: model -> derive -> distribute -> gRPC south
//                              ^                    |
//                              |  volatile          v reports, claims, registration
//                              +---- bindings <-----+
//
// Order of a change: durable -> model.publish -> deriver.apply -> distributor.publish -> bindings.modelChanged -> answer.

import { randomBytes } from "node:crypto";
import type { Server } from "@grpc/grpc-js";
import type { Clock } from "@weft/shared/clock.ts";
import {
  AdminServiceService,
  OrchestrationServiceService,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { maxNorthboundBytes, maxSouthboundBytes } from "@weft/shared/grpc.ts";
import { uuidFromBytes } from "@weft/shared/ids.ts";
import type { Logger } from "@weft/shared/logging.ts";
import { callerOf, TlsStore } from "@weft/shared/tls.ts";
import { adminService } from "./api/admin.ts";
import { encodeOutcome } from "./api/apply.ts";
import type { CallTools } from "./api/calls.ts";
import { northboundTransport, southboundTransport } from "./api/limits.ts";
import { northboundDefinition, northboundService } from "./api/northbound.ts";
import { Objects } from "./api/objects.ts";
import { orchestrationService } from "./api/orchestration.ts";
import { PortWaiters } from "./api/port-waiters.ts";
import { WatchHub } from "./api/watch.ts";
import { Bindings } from "./bindings/bindings.ts";
import { logLiveness } from "./bindings/liveness-log.ts";
import type { CentralConfig } from "./config.ts";
import { createDeriver } from "./derive/deriver.ts";
import { Distributor } from "./distribute/distributor.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Metrics } from "./metrics.ts";
import { addressGroup } from "./model/indexes.ts";
import type { RowChange } from "./model/rows.ts";
import { durableTables, Model, tableNames } from "./model/tables.ts";
import { Publisher } from "./publisher.ts";
import { registerChassis } from "./registration.ts";
import { addHealth, addReflection, ListeningServer } from "./servers.ts";
import { SequenceLog, SouthAdapter } from "./south.ts";
import type { LoadedStore } from "./store/database.ts";
import { Store } from "./store/store.ts";
import { Transactor } from "./store/transactor.ts";

export interface CentralOptions {
  readonly config: CentralConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Something happened that only a new process cures. */
  readonly onFatal: (error: unknown) => void;
}

const dayMs = 24 * 3_600_000;

export class Central implements AsyncDisposable {
  readonly #resources: AsyncDisposableStack;
  /** As bound: a configured port 0 is the one that was free. */
  readonly northboundAddress: string;
  readonly southboundAddress: string;

  private constructor(options: {
    resources: AsyncDisposableStack;
    northboundAddress: string;
    southboundAddress: string;
  }) {
    this.#resources = options.resources;
    this.northboundAddress = options.northboundAddress;
    this.southboundAddress = options.southboundAddress;
  }

  /** Opens the store and serves. Throws WeftError; then nothing is left open. */
  static async start(options: CentralOptions): Promise<Central> {
    await using resources = new AsyncDisposableStack();
    const { config, clock, logger, onFatal } = options;

    // The store, and the model as it was.
    const { dataDir } = config;
    const store = resources.use(
      new Store({ dataDir, maxSizeMiB: config.store.maxSizeMiB, onFatal }),
    );
    const loaded = store.takeLoaded();
    const model = modelOf(loaded);
    const metrics = resources.use(new Metrics());

    // South: the derivation begins with everything there is, the checkpoint's volatile rows included.
    let publishVolatile = (changes: readonly RowChange[]): void => model.apply(changes);
    const bindings = new Bindings({
      rows: model,
      isFixedIp: (network, ip) => deriver.isFixedIp(network, ip),
      isRouted: (network, ip) => deriver.isRouted(network, ip),
      clock,
      publish: (changes) => publishVolatile(changes),
      config: { leaseMs: config.chassis.leaseMs, staleAfterMs: config.chassis.staleAfterMs },
    });
    bindings.load(loaded.bindings, loaded);
    const deriver = createDeriver({ rows: model });
    logger.info({ revision: String(model.revision), ...deriver.counts }, "derived");
    const epoch = randomBytes(8).readBigUInt64BE() >> 1n;
    const sequences = new SequenceLog({ startRevision: model.revision });
    const publisher = new Publisher({
      model,
      hold: () => distributor.hold(),
      release: () => distributor.release(),
      derive: (batch) => deriver.applySteps(batch),
      distribute: function* (derived) {
        yield* distributor.publishSteps(derived);
        sequences.record(derived.revision, distributor.sequence);
      },
      published: (batch) => {
        bindings.modelChanged(batch);
        distributor.modelChanged(batch);
      },
      onFatal,
    });
    publishVolatile = (changes) => {
      logLiveness(changes, logger);
      publisher.publishVolatile(changes);
    };
    const whole = (): Promise<void> => publisher.whole();
    const distributor = new Distributor({
      deriver,
      bindings,
      storeId: store.storeId,
      epoch,
      currentRevision: () => model.revision,
      registerChassis: (hello) => registerChassis({ model, transactor, whole }, hello),
      peerChassis: (call, hello) => {
        // On plaintext there is nobody but this host, and that only when it was asked for by name.
        const caller = callerOf(call);
        if (caller === "plaintext") return hello.chassis;
        return caller?.kind === "chassis" ? caller.name : undefined;
      },
      clock,
      logger: logger.child({ part: "southbound" }),
      metrics,
    });
    resources.defer(() => {
      distributor.close();
      bindings.close();
    });
    const south = new SouthAdapter({ distributor, deriver, epoch });

    // The write path.
    const objects = new Objects({
      model,
      south,
      statistics: (subnet) => transactor.allocator.statistics(subnet, clock.nowMs()),
      portWithIp: (network, ip) => transactor.head.first("portIp", addressGroup(network, ip)),
    });
    const transactor = new Transactor({
      store,
      published: model,
      freed: loaded.freed,
      clock,
      newId: () => uuidFromBytes(randomBytes(16)),
      chassisInUse: (id) => chassisInUse(model, distributor, id),
      publish: async (batch) => {
        try {
          await publisher.publish(batch);
        } catch (error) {
          // Durable and not derived: only a new life derives it.
          onFatal(error);
          throw error;
        }
      },
      encodeOutcome: (outcome) => encodeOutcome(objects, outcome),
      allocation: {
        macPrefix: config.ipam.macPrefix,
        addressReuseAfterMs: config.ipam.addressReuseAfterMs,
        reuseKeysAbove: config.ipam.reuseKeysAbove,
        keyReusable: (_space, _key, release) => {
          const sequence = sequences.sequenceOf(release);
          return sequence !== undefined && distributor.keyReusable(sequence);
        },
        random: randomBytes,
      },
    });
    bindings.start();
    resources.use(
      new Housekeeping({
        model,
        store,
        clock,
        logger: logger.child({ part: "housekeeping" }),
        retentionMs: config.store.retentionDays * dayMs,
        minRevisions: BigInt(config.store.retentionRevisions),
        addressReuseAfterMs: config.ipam.addressReuseAfterMs,
      }),
    );

    // North.
    const tools: CallTools = { logger: logger.child({ part: "northbound" }), observer: metrics };
    const watches = resources.use(new WatchHub({ model, log: store, objects, clock, whole }));
    const waiters = resources.use(new PortWaiters({ model }));
    const common = { tools, model, store, transactor, objects, south, whole };
    const eventLoopP99Ms = (): number => metrics.eventLoopP99Ms();
    const northServices = (server: Server): void => {
      server.addService(northboundDefinition, northboundService({ ...common, watches }));
      server.addService(OrchestrationServiceService, orchestrationService({ ...common, waiters }));
      server.addService(AdminServiceService, adminService({ ...common, eventLoopP99Ms }));
    };

    addGauges({ metrics, model, store, distributor, watches, deriver });
    const tlsOf = ({ plaintext, tls }: CentralConfig["northbound"]): TlsStore | null => {
      const files = tls ?? config.tls;
      return plaintext || files === undefined
        ? null
        : resources.use(new TlsStore({ files, logger }));
    };
    await metrics.listen(config.metrics.listen);
    const southbound = resources.use(
      await ListeningServer.listen({
        name: "southbound",
        ...config.southbound,
        tls: tlsOf(config.southbound),
        maxMessageBytes: maxSouthboundBytes,
        limits: southboundTransport,
        isGated: false,
        logger,
        register: async (server) => distributor.addTo(server),
      }),
    );
    let setServing: (serving: boolean) => void = () => undefined;
    const northbound = resources.use(
      await ListeningServer.listen({
        name: "northbound",
        ...config.northbound,
        tls: tlsOf(config.northbound),
        maxMessageBytes: maxNorthboundBytes,
        limits: northboundTransport,
        isGated: true,
        logger,
        register: async (server) => {
          northServices(server);
          setServing = await addHealth(server);
          await addReflection(server);
        },
      }),
    );
    setServing(true);
    resources.defer(() => {
      // First of all, on the way out: streams end by themselves, calls are given their time.
      setServing(false);
      distributor.close();
      watches[Symbol.dispose]();
    });
    return new Central({
      resources: resources.move(),
      northboundAddress: northbound.address,
      southboundAddress: southbound.address,
    });
  }

  /** Ends streams, lets calls finish, writes the checkpoint, closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function modelOf(loaded: LoadedStore): Model {
  const model = new Model(loaded.revision);
  for (const table of durableTables) {
    for (const row of loaded.rows[table]) model.put(table, row.id, row);
  }
  return model;
}

/** Why a chassis cannot be deleted now; undefined = it can. */
function chassisInUse(model: Model, distributor: Distributor, id: string): string | undefined {
  if (distributor.chassisStatus(id).connected) {
    return "its agent is connected: stop the agent first";
  }
  const bound = model.count("bindingChassis", id);
  if (bound === 0) return undefined;
  return `${bound} ports are bound to it: move them, or declare the chassis lost first`;
}

function addGauges(parts: {
  metrics: Metrics;
  model: Model;
  store: Store;
  distributor: Distributor;
  watches: WatchHub;
  deriver: { readonly counts: { readonly keys: number } };
}): void {
  const { metrics, model, store, distributor, watches, deriver } = parts;
  metrics.gauge("revision", "Newest revision that is visible", () => Number(model.revision));
  metrics.gauge("sequence", "Last derived change", () => Number(distributor.sequence));
  metrics.gauge("derived_keys", "Derived keys", () => deriver.counts.keys);
  metrics.gauge("watches", "Open watches", () => watches.size);
  metrics.gauge("writable", "1 while writes are taken", () => Number(store.writeState === "READY"));
  metrics.gauges("rows", "Rows of the model", "table", () =>
    Object.fromEntries(tableNames.map((table) => [table, model.size(table)])),
  );
}
