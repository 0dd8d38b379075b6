// The SQL schema of the store, as a list of migrations: user_version = number of those applied. Owns all DDL. Existing entries never
// change; a new version appends one. Applied by database.ts.

/** "weft" in ASCII: PRAGMA application_id of a store. */
export const applicationId = 0x77656674;

export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- One row a revision.
  CREATE TABLE commits (
    revision INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    comment  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX commits_at ON commits (at_ms, revision);

  -- The objects as they are; body is the row as JSON.
  CREATE TABLE object (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  -- A second line behind validation: hit, they are a bug.
  CREATE UNIQUE INDEX object_name ON object (kind, body ->> 'project', body ->> 'name');
  CREATE UNIQUE INDEX object_key ON object (kind, body ->> 'key') WHERE kind <> 'subnet';
  CREATE UNIQUE INDEX port_mac ON object (body ->> 'network', body ->> 'mac') WHERE kind = 'port';

  -- What each revision did. body of a deletion is the row as it stood before.
  CREATE TABLE history (
    revision INTEGER NOT NULL REFERENCES commits (revision),
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    action   TEXT NOT NULL CHECK (action IN ('created', 'updated', 'deleted')),
    body     TEXT NOT NULL,
    PRIMARY KEY (revision, kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX history_object ON history (kind, id, revision);

  -- Outcomes of sets that were sent with an idempotency key.
  CREATE TABLE idempotency (
    actor     TEXT NOT NULL,
    key       TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    outcome   BLOB NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
  ) STRICT;
  CREATE INDEX idempotency_at ON idempotency (at_ms);

  -- Keys and addresses that were given back: space is network, port, chassis or address/<subnet id>.
  CREATE TABLE freed (
    space    TEXT NOT NULL,
    value    TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (space, value)
  ) STRICT, WITHOUT ROWID;

  -- Checkpoint of the volatile port bindings.
  CREATE TABLE binding (
    port       TEXT PRIMARY KEY,
    chassis    TEXT NOT NULL,
    generation INTEGER NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    mtu_bytes  INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Checkpoint of the volatile claims of addresses.
  CREATE TABLE claim (
    network    TEXT NOT NULL,
    ip         TEXT NOT NULL,
    mac        TEXT NOT NULL,
    port       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (network, ip)
  ) STRICT, WITHOUT ROWID;

  -- Checkpoint of the chassis that are fenced.
  CREATE TABLE fenced (
    chassis TEXT PRIMARY KEY
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Networks of before could not be shared.
  UPDATE object SET body = json_set(body, '$.shared', json('false')) WHERE kind = 'network';
  UPDATE history SET body = json_set(body, '$.shared', json('false')) WHERE kind = 'network';

  -- A second line behind validation, as those above.
  CREATE UNIQUE INDEX interface_place ON object (body ->> 'router', body ->> 'network')
    WHERE kind = 'router-interface';
  CREATE UNIQUE INDEX interface_mac ON object (body ->> 'network', body ->> 'mac')
    WHERE kind = 'router-interface';
  CREATE UNIQUE INDEX route_destination
    ON object (body ->> 'router', body ->> 'table', body ->> 'destination') WHERE kind = 'route';
  CREATE UNIQUE INDEX policy_priority ON object (body ->> 'router', body ->> 'priority')
    WHERE kind = 'policy-route';
  `,
];
