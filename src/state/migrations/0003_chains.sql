-- Receipts and the audit log: each entry holds the hash of the one before it.
CREATE TABLE {schema}receipts (
    seq {bigint} NOT NULL PRIMARY KEY,
    run {bigint} NOT NULL UNIQUE,
    run_id text NOT NULL,
    body text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL,
    checksum {bytes} NOT NULL
){strict};

CREATE TABLE {schema}audit (
    seq {bigint} NOT NULL PRIMARY KEY,
    at_us {bigint} NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL
){strict};
