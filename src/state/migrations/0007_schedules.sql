-- When things run by themselves, and what became of each time.
-- next_us: the nominal time that comes next; due_us: when it is to be fired (with jitter, or later where it has to wait). last_us: the
-- nominal time that was dealt with last. version moves with every change of a row: who changes it on the ground of an older one
-- is turned away. Firings before pruned_us may have been removed.
CREATE TABLE {schema}schedules (
    id text NOT NULL PRIMARY KEY,
    cron text NOT NULL,
    zone text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    method text NOT NULL,
    headers text NOT NULL,
    body {bytes} NOT NULL,
    overlap text NOT NULL,
    catch_up text NOT NULL,
    catch_up_s {bigint} NOT NULL,
    jitter_s {bigint} NOT NULL,
    hours text NOT NULL,
    timeout_ms {bigint} NOT NULL,
    retries {bigint} NOT NULL,
    paused {bigint} NOT NULL,
    origin text NOT NULL,
    project text NOT NULL,
    extra text NOT NULL,
    created_us {bigint} NOT NULL,
    changed_us {bigint} NOT NULL,
    last_us {bigint} NOT NULL,
    next_us {bigint} NOT NULL,
    due_us {bigint} NOT NULL,
    pruned_us {bigint} NOT NULL,
    version {bigint} NOT NULL,
    checksum {bytes} NOT NULL
){strict};
CREATE INDEX schedules_due ON {schema}schedules (due_us) WHERE paused = 0;

-- kind due: one nominal time, fired or skipped, once and never again; manual: asked for, at nominal_us; passed: the nominal times
-- from nominal_us to until_us, `times` of them, that were missed or left out. open 1: waiting or running.
CREATE TABLE {schema}schedule_firings (
    schedule text NOT NULL,
    kind text NOT NULL,
    nominal_us {bigint} NOT NULL,
    id text NOT NULL UNIQUE,
    state text NOT NULL,
    open {bigint} NOT NULL,
    until_us {bigint} NOT NULL,
    times {bigint} NOT NULL,
    late {bigint} NOT NULL,
    attempt {bigint} NOT NULL,
    failures {bigint} NOT NULL,
    run {bigint} NOT NULL,
    made_us {bigint} NOT NULL,
    started_us {bigint} NOT NULL,
    ended_us {bigint} NOT NULL,
    again_us {bigint} NOT NULL,
    node text NOT NULL,
    reason text NOT NULL,
    checksum {bytes} NOT NULL,
    PRIMARY KEY (schedule, kind, nominal_us)
){strict};
CREATE INDEX schedule_firings_open ON {schema}schedule_firings (schedule, made_us) WHERE open = 1;
CREATE INDEX schedule_firings_by_time ON {schema}schedule_firings (schedule, nominal_us);
