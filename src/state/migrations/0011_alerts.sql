-- Which alerts were told over which channel, and when last: a new start of the daemon is no reason to tell them again. A row goes when
-- its end was told. alerts.c.
CREATE TABLE {schema}alerts (
    alert text NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    message text NOT NULL,
    critical {bigint} NOT NULL,
    since_us {bigint} NOT NULL,
    told_us {bigint} NOT NULL,
    PRIMARY KEY (alert, channel)
){strict};
