-- Accepted events, where they go, and how far each one is on its way there. queue.c has the rules.
--
-- data is what the sender sent, byte for byte: it is what gets signed. options: of a message that brings its own
-- destination, JSON; else "". resource: a hash of resource_type and resource_id, 0 for none.
CREATE TABLE {schema}events (
    seq {bigint} NOT NULL PRIMARY KEY,
    id text NOT NULL UNIQUE,
    type text NOT NULL,
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    at_us {bigint} NOT NULL,
    accepted_us {bigint} NOT NULL,
    data {bytes} NOT NULL,
    options text NOT NULL,
    checksum {bigint} NOT NULL
){strict};

-- origin: config, api, or message for one that was made for messages with a destination of their own. settings and breaker
-- are JSON; secrets are sealed. number is never used twice.
CREATE TABLE {schema}endpoints (
    number {bigint} NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    origin text NOT NULL,
    url text NOT NULL,
    settings text NOT NULL,
    secrets {bytes} NOT NULL,
    paused {bigint} NOT NULL,
    disabled text NOT NULL,
    breaker text NOT NULL,
    created_us {bigint} NOT NULL,
    updated_us {bigint} NOT NULL
){strict};

-- state 0 pending, 1 processing, 2 waiting for an earlier one of its resource, 3 delivered, 4 dead, 5 discarded. due_us: when
-- it may be claimed; of a processing one the end of its lease. token: how often it was claimed.
CREATE TABLE {schema}deliveries (
    event {bigint} NOT NULL,
    endpoint {bigint} NOT NULL,
    state {bigint} NOT NULL,
    due_us {bigint} NOT NULL,
    resource {bigint} NOT NULL,
    token {bigint} NOT NULL,
    attempts {bigint} NOT NULL,
    done_us {bigint} NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (event, endpoint)
){keyed};
CREATE INDEX deliveries_due ON {schema}deliveries (endpoint, due_us, event) WHERE state < 2;
CREATE INDEX deliveries_of_resource ON {schema}deliveries (endpoint, resource, event)
    WHERE state < 3 AND resource <> 0;
CREATE INDEX deliveries_dead ON {schema}deliveries (event) WHERE state = 4;

CREATE TABLE {schema}attempts (
    event {bigint} NOT NULL,
    endpoint {bigint} NOT NULL,
    number {bigint} NOT NULL,
    at_us {bigint} NOT NULL,
    duration_us {bigint} NOT NULL,
    status {bigint} NOT NULL,
    address text NOT NULL,
    error text NOT NULL,
    answer {bytes} NOT NULL,
    PRIMARY KEY (event, endpoint, number)
){keyed};
