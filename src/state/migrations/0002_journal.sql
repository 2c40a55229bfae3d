-- Before-images. A run's batches form a chain from journals.last_batch backwards through prev, and a
-- batch says how many blobs it has: so a row that is missing is noticed, not skipped.
CREATE TABLE {schema}journals (
    run {bigint} NOT NULL PRIMARY KEY,
    last_batch {bigint} NOT NULL,
    kept {bigint} NOT NULL,
    stored_bytes {bigint} NOT NULL,
    checksum {bytes} NOT NULL
){strict};

-- state 0: open, 1: committed, 2: aborted. It changes after the rest is written and has a
-- checksum of its own, so that closing a batch needs no reading.
CREATE TABLE {schema}journal_batches (
    run {bigint} NOT NULL,
    batch {bigint} NOT NULL,
    prev {bigint} NOT NULL,
    marker text NOT NULL,
    blobs {bigint} NOT NULL,
    checksum {bytes} NOT NULL,
    state {bigint} NOT NULL,
    state_checksum {bytes} NOT NULL,
    PRIMARY KEY (run, batch)
){strict};
CREATE INDEX journal_open_batches ON {schema}journal_batches (run, batch) WHERE state = 0;

CREATE TABLE {schema}journal_blobs (
    run {bigint} NOT NULL,
    batch {bigint} NOT NULL,
    seq {bigint} NOT NULL,
    part {bigint} NOT NULL,
    parts {bigint} NOT NULL,
    raw_bytes {bigint} NOT NULL,
    data {bytes} NOT NULL,
    checksum {bytes} NOT NULL,
    PRIMARY KEY (run, batch, seq)
){strict};
