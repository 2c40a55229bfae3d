-- What messages with a destination of their own need beside the queue (0006). messages.c has the rules.

-- What they are signed with. slot: current or next. sealed: the key.
CREATE TABLE {schema}signing_keys (
    slot text NOT NULL PRIMARY KEY,
    sealed {bytes} NOT NULL,
    made_us {bigint} NOT NULL
){strict};

-- Messages that are not to be taken twice, until until_us. hash: SHA-256 of what makes two of them the same.
CREATE TABLE {schema}message_ids (
    hash {bytes} NOT NULL PRIMARY KEY,
    message text NOT NULL,
    until_us {bigint} NOT NULL
){strict};
CREATE INDEX message_ids_by_end ON {schema}message_ids (until_us);

-- Several destinations under one name. endpoints: a JSON array of {"name", "url"}.
CREATE TABLE {schema}url_groups (
    name text NOT NULL PRIMARY KEY,
    endpoints text NOT NULL,
    created_us {bigint} NOT NULL,
    updated_us {bigint} NOT NULL
){strict};

-- Of messages: the lines of the answer's head.
ALTER TABLE {schema}attempts ADD COLUMN head text NOT NULL DEFAULT '';
