/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - every setting of lockstep.yaml, and every way to get it wrong. */
#include "api/config.h"

#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

static struct ls_config *taken(const char *yaml)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};

    if (ls_config_read(api_file(yaml), &config, &err) != LS_OK)
        fail_msg("%s", err.text);
    return config;
}

static int teardown(void **state)
{
    (void)state;
    api_done();
    return 0;
}

static void every_setting_arrives(void **state)
{
    struct ls_config *config =
        taken("state: sqlite:own.db\n"
              "journal_keep: { days: 7, size: 2 GiB }\n"
              "stores:\n"
              "  app: postgres://u@h/db\n"
              "  shop: { url: \"sqlite:shop.db\", timezone: Europe/Vienna, lock_timeout: 5s }\n"
              "syncs:\n"
              "  first:\n"
              "    source: app.public.customers\n"
              "    target: shop.customers\n"
              "    key: [tenant, id]\n"
              "    fields: { tenant: tenant, id: id, name: first || last }\n"
              "    where: status = 'active'\n"
              "    target_where: origin = 'app'\n"
              "    deletes: { soft: { deleted_at: now, gone: \"true\" } }\n"
              "    brakes: { deletes: 10 %, changes: off }\n"
              "    atomic: true\n"
              "    cascades: accept\n"
              "    forward: false\n"
              "    batch: 50\n"
              "    writers: 3\n"
              "    mode: full\n"
              "    direction: one-way\n"
              "    conflicts: source\n");
    const struct ls_sync_config *s = &config->syncs[0];

    (void)state;
    assert_string_equal(config->state_url, "sqlite:own.db");
    assert_int_equal(config->journal_keep_days, 7);
    assert_int_equal(config->journal_keep_bytes, (int64_t)2 << 30);
    assert_int_equal(config->sync_count, 1);
    assert_string_equal(config->names[0], "first");
    assert_string_equal(s->name, "first");
    assert_string_equal(s->source.url, "postgres://u@h/db");
    assert_string_equal(s->source.collection, "public.customers");
    assert_null(s->source.zone);
    assert_string_equal(s->target.url, "sqlite:shop.db");
    assert_string_equal(s->target.collection, "customers");
    assert_string_equal(s->target.zone, "Europe/Vienna");
    assert_int_equal(s->source.lock_timeout_ms, 0);
    assert_int_equal(s->target.lock_timeout_ms, 5000);
    assert_int_equal(s->key_count, 2);
    assert_string_equal(s->key[0], "tenant");
    assert_string_equal(s->key[1], "id");
    assert_int_equal(s->field_count, 3);
    assert_string_equal(s->fields[2].target, "name");
    assert_string_equal(s->fields[2].expression, "first || last");
    assert_string_equal(s->where, "status = 'active'");
    assert_string_equal(s->target_where, "origin = 'app'");
    assert_int_equal(s->deletes, LS_DELETES_SOFT);
    assert_int_equal(s->soft_count, 2);
    assert_string_equal(s->soft[0].target, "deleted_at");
    assert_string_equal(s->soft[0].expression, "now");
    assert_string_equal(s->soft[1].expression, "true");
    assert_true(s->brake_deletes > 0.0999 && s->brake_deletes < 0.1001);
    assert_true(s->brake_changes >= 1);
    assert_true(s->atomic);
    assert_true(s->cascades_accept && s->silent);
    assert_int_equal(s->batch_rows, 50);
    assert_int_equal(s->writers, 3);
    ls_config_free(config);
}

static void what_is_left_out_is_the_default(void **state)
{
    struct ls_config *config =
        taken("syncs:\n"
              "  one: { source: \"sqlite:a.db#t\", target: \"file:b.csv\" }\n");
    const struct ls_sync_config *s = &config->syncs[0];

    (void)state;
    assert_null(config->state_url);
    assert_int_equal(config->journal_keep_days, 0);
    assert_string_equal(s->source.url, "sqlite:a.db#t");
    assert_null(s->source.collection);
    assert_int_equal(s->source.lock_timeout_ms, 0); /* the store kind's own */
    assert_int_equal(s->target.lock_timeout_ms, 0);
    assert_int_equal(s->key_count, 0);
    assert_int_equal(s->field_count, 0);
    assert_null(s->where);
    assert_int_equal(s->deletes, LS_DELETES_REMOVE);
    assert_true(s->brake_deletes <= 0); /* the engine's own */
    assert_false(s->atomic);
    assert_false(s->cascades_accept || s->silent);
    assert_int_equal(s->batch_rows, 0);
    assert_int_equal(s->writers, 0);
    ls_config_free(config);
}

static void syncs_keep_their_order_and_stores_may_stand_behind_them(void **state)
{
    struct ls_config *config = taken("syncs:\n"
                                     "  z: { source: s.t, target: s.u, deletes: keep, key: id }\n"
                                     "  a: { source: s.t, target: s.u, deletes: remove }\n"
                                     "  m: { source: s, target: s.u }\n"
                                     "stores: { s: \"sqlite:a.db#v\" }\n");

    (void)state;
    assert_int_equal(config->sync_count, 3);
    assert_string_equal(config->names[0], "z");
    assert_string_equal(config->names[1], "a");
    assert_string_equal(config->names[2], "m");
    assert_int_equal(config->syncs[0].deletes, LS_DELETES_KEEP);
    assert_int_equal(config->syncs[0].key_count, 1);
    assert_null(config->syncs[2].source.collection); /* the URL's */
    ls_config_free(config);
}

/* What stands behind the first dot is the collection, whatever is in it. */
static void a_collection_is_taken_exactly_as_written(void **state)
{
    static const struct {
        const char *yaml, *collection;
    } cases[] = {
        {"s.Order Lines", "Order Lines"},
        {"s.größe", "größe"},
        {"'s.\"a.b\"'", "\"a.b\""},
        {"'s.My Schema.\"say \"\"hi\"\"\"'", "My Schema.\"say \"\"hi\"\"\""},
        {"\"s.a:b#c\"", "a:b#c"},
        {"s.T", "T"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ls_config *config =
            taken(api_text("stores: { s: \"sqlite:a.db\" }\nsyncs:\n  x:\n    source: %s\n"
                           "    target: s.t\n",
                           cases[i].yaml));

        assert_string_equal(config->syncs[0].source.collection, cases[i].collection);
        ls_config_free(config);
    }
}

static void shares_and_sizes_have_several_forms(void **state)
{
    static const struct {
        const char *text;
        double share;
    } shares[] = {{"20%", .2},        {"20 %", .2}, {"0.2", .2},
                  {"\"0.5%\"", .005}, {"100%", 1},  {"off", 1}};
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {{"1000", 1000},
                 {"1KiB", 1024},
                 {"500 MiB", (int64_t)500 << 20},
                 {"10 GiB", (int64_t)10 << 30},
                 {"2TiB", (int64_t)2 << 40}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct ls_config *config =
            taken(api_text("syncs:\n  x: { source: \"sqlite:a#t\", target: \"sqlite:b#t\", "
                           "brakes: { deletes: %s } }\n",
                           shares[i].text));
        const double difference = config->syncs[0].brake_deletes - shares[i].share;

        assert_true(difference < 1e-9 && difference > -1e-9);
        ls_config_free(config);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct ls_config *config = taken(api_text("journal_keep: { size: %s }\n", sizes[i].text));

        assert_int_equal(config->journal_keep_bytes, sizes[i].bytes);
        ls_config_free(config);
    }
}

static void a_lock_timeout_is_a_time_with_its_unit(void **state)
{
    static const struct {
        const char *text;
        int ms;
    } times[] = {{"10ms", 10},       {"250 ms", 250},  {"\"5s\"", 5000},    {"10 s", 10000},
                 {"3600s", 3600000}, {"2min", 120000}, {"60 min", 3600000}, {"007s", 7000}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct ls_config *config =
            taken(api_text("stores: { s: { url: \"sqlite:a\", lock_timeout: %s } }\n"
                           "syncs:\n  x: { source: s.t, target: \"sqlite:b#t\" }\n",
                           times[i].text));

        assert_int_equal(config->syncs[0].source.lock_timeout_ms, times[i].ms);
        assert_int_equal(config->syncs[0].target.lock_timeout_ms, 0);
        ls_config_free(config);
    }
}

static void every_setting_of_the_server_arrives(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } times[] = {{"7s", 7000}, {"10s", 10000}, {"500 ms", 500}, {"2 min", 120000}};
    struct ls_config *config =
        taken("server:\n"
              "  listen: 127.0.0.1:99\n"
              "  tls: { certificate: a.pem, key: b.pem }\n"
              "  plain: true\n"
              "  user: nobody\n"
              "  log: json\n"
              "  metrics: public\n"
              "  hosts: [a.example, b.example]\n"
              "  proxies: 10.0.0.0/8\n"
              "  drain: 3s\n"
              "  limits: { connections: 10, per_address: 5, runs: 3, queue: 7 }\n");
    const struct ls_server_config *s = &config->server;

    (void)state;
    assert_string_equal(s->listen, "127.0.0.1:99");
    assert_string_equal(s->certificate, "a.pem");
    assert_string_equal(s->key, "b.pem");
    assert_true(s->plain);
    assert_string_equal(s->user, "nobody");
    assert_string_equal(s->log, "json");
    assert_true(s->metrics_public);
    assert_int_equal(s->host_count, 2);
    assert_string_equal(s->hosts[1], "b.example");
    assert_int_equal(s->proxy_count, 1);
    assert_string_equal(s->proxies[0], "10.0.0.0/8");
    assert_int_equal(s->drain_ms, 3000);
    assert_int_equal(s->connections, 10);
    assert_int_equal(s->per_address, 5);
    assert_int_equal(s->runs, 3);
    assert_int_equal(s->queue, 7);
    ls_config_free(config);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        config = taken(api_text("server: { drain: %s }\n", times[i].text));
        assert_int_equal(config->server.drain_ms, times[i].ms);
        ls_config_free(config);
    }
}

#define A_LOCK_TIMEOUT(value) "stores: { a: { url: \"sqlite:x\", lock_timeout: " value " } }\n"
#define WHAT_A_LOCK_TIMEOUT_IS                                                           \
    ":1:47: ",                                                                           \
    {                                                                                    \
        "a time from 10ms to 60min is expected here", "with its unit (ms, s, min, h, d)" \
    }
static void a_configuration_lives_as_long_as_its_holders(void **state)
{
    struct ls_config *config = taken("journal_keep: { days: 7 }\n");

    (void)state;
    assert_ptr_equal(ls_config_hold(config), config);
    ls_config_free(config);
    assert_int_equal(config->journal_keep_days, 7);
    ls_config_free(config);
    assert_null(ls_config_hold(NULL));
}

#define A_SYNC "stores: { s: \"sqlite:a.db\" }\nsyncs:\n  x:\n    source: s.t\n    target: s.u\n"

static const struct {
    const char *yaml;
    const char *place;
    const char *words[2];
} refused[] = {
    /* names */
    {"stats: x\n", ":1:1: ", {"\"stats\"", "\"state\""}},
    {"nothing: x\n", ":1:1: ", {"a configuration has no setting \"nothing\"", ""}},
    {A_SYNC "    delets: keep\n", ":6:5: ", {"\"delets\"", "\"deletes\""}},
    {A_SYNC "    brakes: { delete: 5% }\n", ":6:15: ", {"\"delete\"", "\"deletes\""}},
    {A_SYNC "    deletes: { softly: { a: now } }\n", ":6:16: ", {"\"softly\"", "\"soft\""}},
    {"stores:\n  a: { url: \"sqlite:x\", time_zone: UTC }\n",
     ":2:25: ",
     {"\"time_zone\"", "\"timezone\""}},
    {"journal_keep: { day: 3 }\n", ":1:17: ", {"\"day\"", "\"days\""}},
    /* the server */
    {"server: { lisen: x }\n", ":1:11: ", {"\"lisen\"", "\"listen\""}},
    {"server: 7380\n", ":1:9: ", {"server is expected", ""}},
    {"server: { tls: { certificate: x } }\n", ":1:16: ", {"certificate and key", ""}},
    {"server: { plain: yes }\n", ":1:18: ", {"true or false", ""}},
    {"server: { log: xml }\n", ":1:16: ", {"text or json", ""}},
    {"server: { metrics: open }\n", ":1:20: ", {"viewer or public", ""}},
    {"server: { hosts: [[a]] }\n", ":1:19: ", {"a text is expected", ""}},
    {"server: { drain: soon }\n", ":1:18: ", {"a time from 1ms to 60min is expected", ""}},
    {"server: { drain: 0s }\n", ":1:18: ", {"a time from 1ms to 60min is expected", ""}},
    {"server: { limits: { runs: 100 } }\n", ":1:27: ", {"from 1 to 64", ""}},
    /* stores */
    {"stores: { a.b: \"sqlite:x\" }\n", ":1:11: ", {"no dot and no colon", ""}},
    {"stores: { \"a:b\": \"sqlite:x\" }\n", ":1:11: ", {"no dot and no colon", ""}},
    {"stores: { a: shop.db }\n", ":1:14: ", {"store URL", "sqlite:"}},
    {"stores: { a: { timezone: UTC } }\n", ":1:11: ", {"a has no url", ""}},
    {"stores: { a: [x] }\n", ":1:14: ", {"a store is expected", ""}},
    {"stores: [a]\n", ":1:9: ", {"a list of stores is expected here, as `name: value` lines", ""}},
    {"stores: { a: \"\" }\n", ":1:14: ", {"empty", ""}},
    {"stores: { a: { url: \"sqlite:x\", max_connections: 4 } }\n",
     ":1:50: ",
     {"cannot do it yet", ""}},
    {"syncs: { x: { source: shp.t, target: shop.u } }\nstores: { shop: \"sqlite:x\" }\n",
     ":1:23: ",
     {"\"shp\"", "\"shop\""}},
    {A_LOCK_TIMEOUT("9ms"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("0s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("-5s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("3601s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("61min"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("99999999999999999999s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("9223372036854775807min"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("5"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("1.5s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("5h"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("5s 5s"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("off"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("[5s]"), WHAT_A_LOCK_TIMEOUT_IS},
    {A_LOCK_TIMEOUT("{ s: 5 }"), WHAT_A_LOCK_TIMEOUT_IS},
    {"stores:\n  a: { url: \"sqlite:x\", lock_timout: 5s }\n",
     ":2:25: ",
     {"\"lock_timout\"", "\"lock_timeout\""}},
    /* sides */
    {"stores: { s: \"sqlite:x\" }\nsyncs: { x: { source: s.t } }\n",
     ":2:10: ",
     {"x has no target", ""}},
    {"stores: { s: \"sqlite:x\" }\nsyncs: { x: { target: s.t } }\n",
     ":2:10: ",
     {"x has no source", ""}},
    {"syncs: { x: { source: [a], target: b } }\n",
     ":1:23: ",
     {"a text is expected here, not a list", ""}},
    {"syncs: { x: { source: { a: b }, target: b } }\n", ":1:23: ", {"not a map", ""}},
    {"syncs: { x: { source: , target: b } }\n", ":1:23: ", {"empty", ""}},
    {"syncs: { x: text }\n", ":1:13: ", {"a sync is expected here", ""}},
    {"syncs: [x]\n", ":1:8: ", {"syncs", "name: value"}},
    {"syncs: { \"\": { source: a } }\n", ":1:10: ", {"the name of a sync", ""}},
    {"syncs: { \"sqlite:x\": { source: a } }\n", ":1:10: ", {"not a URL", ""}},
    /* keys and fields */
    {A_SYNC "    key: []\n", ":6:10: ", {"at least one field", ""}},
    {A_SYNC "    key: { a: b }\n", ":6:10: ", {"a text is expected here", ""}},
    {A_SYNC "    key: [a, [b]]\n", ":6:14: ", {"not a list", ""}},
    {A_SYNC "    key:\n", ":6:9: ", {"empty", ""}},
    {A_SYNC "    fields: {}\n", ":6:13: ", {"leave it out for all fields", ""}},
    {A_SYNC "    fields: [id]\n", ":6:13: ", {"fields (target: expression) is expected", ""}},
    {A_SYNC "    fields: { id: }\n", ":6:19: ", {"empty", ""}},
    {A_SYNC "    fields: { id: id, id: other }\n", ":6:23: ", {"twice", ""}},
    {A_SYNC "    where: [a]\n", ":6:12: ", {"a text is expected", ""}},
    {A_SYNC "    target_where: {}\n", ":6:19: ", {"a text is expected", ""}},
    /* words, numbers, shares */
    {A_SYNC "    deletes: sometimes\n", ":6:14: ", {"remove, keep or soft is expected", ""}},
    {A_SYNC "    deletes: soft\n", ":6:14: ", {"soft: { deleted_at: now }", ""}},
    {A_SYNC "    deletes: { soft: {} }\n", ":6:22: ", {"at least one field", ""}},
    {A_SYNC "    deletes: { soft: now }\n", ":6:22: ", {"soft (field: now", ""}},
    {A_SYNC "    deletes: [remove]\n", ":6:14: ", {"remove, keep or soft", ""}},
    {A_SYNC "    brakes: 20%\n", ":6:13: ", {"brakes is expected here", ""}},
    {A_SYNC "    brakes: { deletes: many }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { deletes: 120% }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { deletes: 5 }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: -1% }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: nan }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: 5%x }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: 0x1p-3 }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: 0.2.1 }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    brakes: { changes: }\n", ":6:24: ", {"20%, 0.2 or off", ""}},
    {A_SYNC "    atomic: yes\n", ":6:13: ", {"true or false", ""}},
    {A_SYNC "    atomic: [true]\n", ":6:13: ", {"true or false", ""}},
    {A_SYNC "    cascades: maybe\n", ":6:15: ", {"refuse or accept", ""}},
    {A_SYNC "    batch: 0\n", ":6:12: ", {"from 1 to 100000", ""}},
    {A_SYNC "    batch: 100001\n", ":6:12: ", {"from 1 to 100000", ""}},
    {A_SYNC "    writers: 0\n", ":6:14: ", {"a number of writers from 1 to 8", ""}},
    {A_SYNC "    writers: 9\n", ":6:14: ", {"a number of writers from 1 to 8", ""}},
    {A_SYNC "    batch: 10k\n", ":6:12: ", {"from 1 to 100000", ""}},
    {A_SYNC "    batch: 99999999999999999999\n", ":6:12: ", {"from 1 to 100000", ""}},
    {"journal_keep: 30\n", ":1:15: ", {"journal_keep is expected here", ""}},
    {"journal_keep: { days: -3 }\n", ":1:23: ", {"number of days", ""}},
    {"journal_keep: { days: soon }\n", ":1:23: ", {"number of days", ""}},
    {"journal_keep: { size: 10 GB }\n", ":1:23: ", {"such as 10 GiB", ""}},
    {"journal_keep: { size: -1 }\n", ":1:23: ", {"such as 10 GiB", ""}},
    {"journal_keep: { size: 9999999 TiB }\n", ":1:23: ", {"such as 10 GiB", ""}},
    {"state: [a]\n", ":1:8: ", {"a text is expected", ""}},
    {"state:\n", ":1:7: ", {"empty", ""}},
    /* known, and for later */
    {A_SYNC "    mode: delta\n", ":6:11: ", {"cannot do it yet", ""}},
    {A_SYNC "    mode: fast\n", ":6:11: ", {"full, delta or stream is expected", ""}},
    {A_SYNC "    direction: two-way\n", ":6:16: ", {"cannot do it yet", ""}},
    {A_SYNC "    conflicts: newest\n", ":6:16: ", {"cannot do it yet", ""}},
    {A_SYNC "    schedule: \"0 * * * *\"\n", ":6:15: ", {"cannot do it yet", ""}},
    {A_SYNC "    cursor: updated_at\n", ":6:13: ", {"cannot do it yet", ""}},
    {A_SYNC "    freshness: 5s\n", ":6:16: ", {"cannot do it yet", ""}},
    {A_SYNC "    keep_base: true\n", ":6:16: ", {"cannot do it yet", ""}},
    /* the whole file */
    {"just text\n", ":1:1: ", {"a configuration is expected here", ""}},
    {"- a\n- b\n", ":1:1: ", {"a configuration is expected here", ""}},
};

static void each_mistake_is_told_with_its_place_and_what_to_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const char *path = api_file(refused[i].yaml);
        struct ls_config *config = NULL;
        struct ls_error err = {0};
        const enum ls_code rc = ls_config_read(path, &config, &err);

        if (rc != LS_CONFIG) {
            print_error("taken, or another code (%d): %s\n", (int)rc, refused[i].yaml);
            ls_config_free(config);
        }
        assert_int_equal(rc, LS_CONFIG);
        assert_null(config);
        assert_says(err.text, path, refused[i].place, refused[i].words[0], refused[i].words[1]);
        assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
        api_done();
    }
}

/* Every one of these has a password in it, in a place where it does not belong. */
static void no_message_shows_a_password(void **state)
{
    static const char *const files[] = {
        "stores: { a: \"postgres//u:kanari@h/db\" }\n",
        "stores: { a: [\"postgres://u:kanari@h/db\"] }\n",
        "stores: { a: \"postgres://u:${LS_TEST_NONE}kanari@h/db\" }\n",
        "syncs: { x: { source: \"postgres//u:kanari@h/db\", target: b } }\n",
        "syncs: { x: { source: \"u:kanari@h/db\", target: b } }\n",
        "syncs: { x: { source: a.b, target: b, deletes: \"kanari\" } }\n",
        "stores: { a: \"sqlite:x\" }\nsyncs: { x: { source: a.b, target: a.c, atomic: kanari } }\n",
        "state: { a: kanari }\n",
    };

    (void)state;
    unsetenv("LS_TEST_NONE");
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct ls_config *config = NULL;
        struct ls_error err = {0};

        assert_int_equal(ls_config_read(api_file(files[i]), &config, &err), LS_CONFIG);
        if (strstr(err.text, "kanari"))
            fail_msg("%s", err.text);
    }
}

static void expansion_leaves_texts_without_variables_alone(void **state)
{
    struct ls_arena mem;
    struct ls_error err = {0};
    const char *out = NULL;

    (void)state;
    setenv("LS_TEST_A", "a", 1);
    ls_arena_init(&mem, 0);
    assert_int_equal(ls_config_expand("", &mem, &out, &err), LS_OK);
    assert_string_equal(out, "");
    assert_int_equal(ls_config_expand("$x {y} $", &mem, &out, &err), LS_OK);
    assert_string_equal(out, "$x {y} $");
    assert_int_equal(ls_config_expand("${LS_TEST_A}${LS_TEST_A}$${x}$$", &mem, &out, &err), LS_OK);
    assert_string_equal(out, "aa${x}$$");
    out = NULL;
    assert_int_equal(ls_config_expand("${", &mem, &out, &err), LS_CONFIG);
    assert_null(out);
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_setting_arrives, teardown),
        cmocka_unit_test_teardown(what_is_left_out_is_the_default, teardown),
        cmocka_unit_test_teardown(syncs_keep_their_order_and_stores_may_stand_behind_them,
                                  teardown),
        cmocka_unit_test_teardown(a_collection_is_taken_exactly_as_written, teardown),
        cmocka_unit_test_teardown(shares_and_sizes_have_several_forms, teardown),
        cmocka_unit_test_teardown(a_lock_timeout_is_a_time_with_its_unit, teardown),
        cmocka_unit_test_teardown(every_setting_of_the_server_arrives, teardown),
        cmocka_unit_test_teardown(a_configuration_lives_as_long_as_its_holders, teardown),
        cmocka_unit_test_teardown(each_mistake_is_told_with_its_place_and_what_to_write, teardown),
        cmocka_unit_test_teardown(no_message_shows_a_password, teardown),
        cmocka_unit_test_teardown(expansion_leaves_texts_without_variables_alone, teardown),
    };

    return cmocka_run_group_tests_name("api/config", tests, NULL, NULL);
}
