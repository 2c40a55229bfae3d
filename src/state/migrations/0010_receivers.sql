-- Messages that came to receivers, and what became of each. received.c has the rules.
-- state 0 waiting, 1 applied, 2 stale (something newer was there), 3 ignored (nobody asked for its type), 4 refused. busy_us: until when
-- somebody is at work on a waiting one; token: how often it was taken up. body and headers are there as long as it may have to be
-- taken up again.
CREATE TABLE {schema}received (
    seq {bigint} NOT NULL PRIMARY KEY,
    receiver text NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    resource text NOT NULL,
    at_us {bigint} NOT NULL,
    received_us {bigint} NOT NULL,
    state {bigint} NOT NULL,
    busy_us {bigint} NOT NULL,
    token {bigint} NOT NULL,
    done_us {bigint} NOT NULL,
    outcome text NOT NULL,
    headers text NOT NULL,
    body {bytes} NOT NULL,
    UNIQUE (receiver, id)
){strict};
CREATE INDEX received_waiting ON {schema}received (busy_us) WHERE state = 0;
CREATE INDEX received_by_age ON {schema}received (received_us);
