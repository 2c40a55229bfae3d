-- Runs and what they said. One text for SQLite and PostgreSQL: what differs is a token in braces.
-- Numbers are made by us (heads), so that they are dense on both. A checksum is 16 bytes of
-- XXH3 over the other columns; the code that writes a table says how.
CREATE TABLE {schema}schema_version (
    number {bigint} NOT NULL PRIMARY KEY,
    name text NOT NULL,
    applied_us {bigint} NOT NULL
){strict};

-- The last number of each numbered list, and for the chained ones the hash of its last entry.
CREATE TABLE {schema}heads (
    name text NOT NULL PRIMARY KEY,
    seq {bigint} NOT NULL,
    hash text NOT NULL,
    checksum {bytes} NOT NULL
){strict};

CREATE TABLE {schema}runs (
    number {bigint} NOT NULL PRIMARY KEY,
    id text NOT NULL UNIQUE,
    sync text NOT NULL,
    kind text NOT NULL,
    mode text NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    config text NOT NULL,
    digest text NOT NULL,
    fingerprint text NOT NULL,
    status text NOT NULL,
    started_us {bigint} NOT NULL,
    finished_us {bigint} NOT NULL,
    created {bigint} NOT NULL,
    updated {bigint} NOT NULL,
    deleted {bigint} NOT NULL,
    unchanged {bigint} NOT NULL,
    failed {bigint} NOT NULL,
    conflicts {bigint} NOT NULL,
    source_count {bigint} NOT NULL,
    target_count {bigint} NOT NULL,
    verified {bigint} NOT NULL,
    undoes {bigint} NOT NULL,
    undone_by {bigint} NOT NULL,
    error text NOT NULL,
    pid {bigint} NOT NULL,
    host text NOT NULL,
    checksum {bytes} NOT NULL
){strict};
CREATE INDEX runs_of_sync ON {schema}runs (sync, number);

-- kind 0: a line of the log; 1: a record that failed
CREATE TABLE {schema}run_lines (
    run {bigint} NOT NULL,
    kind {bigint} NOT NULL,
    seq {bigint} NOT NULL,
    at_us {bigint} NOT NULL,
    key_json text NOT NULL,
    code text NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (run, kind, seq)
){strict};
