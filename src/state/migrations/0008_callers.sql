-- Who may call. Of tokens, sessions and links only the SHA-256 is kept, of passwords an argon2id hash.
-- A time of 0 is none. role: user, viewer, operator, admin, service.

-- owner: the user whose token it is, and with whom it ends; '' for one made by the command line.
CREATE TABLE {schema}tokens (
    id text NOT NULL PRIMARY KEY,
    hash {bytes} NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL,
    owner text NOT NULL,
    made_by text NOT NULL,
    created_us {bigint} NOT NULL,
    expires_us {bigint} NOT NULL,
    used_us {bigint} NOT NULL,
    revoked_us {bigint} NOT NULL
){strict};
-- A name is given to one living token at a time.
CREATE UNIQUE INDEX tokens_by_name ON {schema}tokens (name) WHERE revoked_us = 0;
CREATE INDEX tokens_by_owner ON {schema}tokens (owner);

CREATE TABLE {schema}users (
    name text NOT NULL PRIMARY KEY,
    role text NOT NULL,
    password text NOT NULL,
    created_us {bigint} NOT NULL,
    changed_us {bigint} NOT NULL,
    login_us {bigint} NOT NULL,
    disabled_us {bigint} NOT NULL
){strict};

-- idle_us: how long it may rest, counted from used_us.
CREATE TABLE {schema}sessions (
    hash {bytes} NOT NULL PRIMARY KEY,
    username text NOT NULL,
    created_us {bigint} NOT NULL,
    used_us {bigint} NOT NULL,
    idle_us {bigint} NOT NULL,
    expires_us {bigint} NOT NULL
){strict};
CREATE INDEX sessions_by_user ON {schema}sessions (username, used_us);

CREATE TABLE {schema}setup_links (
    hash {bytes} NOT NULL PRIMARY KEY,
    created_us {bigint} NOT NULL,
    expires_us {bigint} NOT NULL,
    used_us {bigint} NOT NULL
){strict};

-- Failed tries of a subject (an account, an address, both), which is kept as a hash: people type passwords where
-- their name belongs.
CREATE TABLE {schema}throttles (
    subject {bytes} NOT NULL PRIMARY KEY,
    failures {bigint} NOT NULL,
    last_us {bigint} NOT NULL,
    expires_us {bigint} NOT NULL
){strict};
CREATE INDEX throttles_by_end ON {schema}throttles (expires_us);
