/* SPDX-License-Identifier: Apache-2.0 */
/* test_openapi.c - the document that describes the API has every route of the tables as its line says, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/openapi.h"

static json_t *document;

static int before(void **state)
{
    struct ls_buf out;
    json_error_t why;
    (void)state;

    ls_buf_init(&out, 0);
    ls_openapi_write(&out, ls_route_tables, ls_route_table_count);
    assert_false(out.failed);
    document = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, &why);
    if (!document)
        fail_msg("%s at %d: %.80s", why.text, why.position, out.data + why.position);
    ls_buf_done(&out);
    return 0;
}

static int after(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static const json_t *operation_of(const struct ls_route *route)
{
    const json_t *path = json_object_get(json_object_get(document, "paths"), route->path);
    char method[10] = "";

    for (size_t i = 0; route->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    return json_object_get(path, method);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static bool has_parameter(const json_t *operation, const char *name, const char *in)
{
    const json_t *all = json_object_get(operation, "parameters");

    for (size_t i = 0; i < json_array_size(all); i++)
        if (strcmp(text_of(json_array_get(all, i), "name"), name) == 0 &&
            strcmp(text_of(json_array_get(all, i), "in"), in) == 0)
            return true;
    return false;
}

static void check_route(const struct ls_route *route)
{
    const json_t *operation = operation_of(route);
    char status[12];

    if (!operation)
        fail_msg("%s %s is not in the document", route->method, route->path);
    assert_string_equal(text_of(operation, "summary"), route->summary);
    assert_string_equal(text_of(operation, "x-role"), ls_role_word(route->role));
    assert_int_equal(json_object_get(operation, "requestBody") != NULL, route->request != NULL);
    snprintf(status, sizeof status, "%d", route->status ? route->status : 200);
    assert_non_null(json_object_get(json_object_get(operation, "responses"), status));
    assert_int_equal(json_object_get(json_object_get(operation, "responses"), "401") != NULL,
                     route->role != LS_ROLE_NONE);
    for (size_t i = 0; i < ls_query_param_count; i++)
        assert_int_equal(has_parameter(operation, ls_query_params[i].name, "query"),
                         ls_route_takes(route, ls_query_params[i].name));
    for (const char *at = strchr(route->path, '{'); at; at = strchr(at + 1, '{')) {
        char name[100] = "";

        assert_true(strcspn(at + 1, "}") < sizeof name);
        memcpy(name, at + 1, strcspn(at + 1, "}"));
        assert_true(has_parameter(operation, name, "path"));
    }
}

static void every_route_is_in_the_document_as_its_line_says(void **state)
{
    size_t routes = 0, operations = 0;
    const char *path;
    json_t *methods;
    (void)state;

    for (size_t t = 0; t < ls_route_table_count; t++)
        for (size_t i = 0; i < ls_route_tables[t]->count; i++, routes++)
            check_route(&ls_route_tables[t]->routes[i]);
    json_object_foreach(json_object_get(document, "paths"), path, methods) operations +=
        json_object_size(methods);
    assert_int_equal(operations, routes);
}

static const struct ls_schema_text *described(const char *name)
{
    for (size_t i = 0; i < ls_schema_count; i++)
        if (strcmp(ls_schemas[i].name, name) == 0)
            return &ls_schemas[i];
    fail_msg("%s is not in the table of shapes", name);
    return NULL;
}

static void check_shape(const char *name)
{
    const struct ls_schema_text *schema = name ? described(name) : NULL;

    if (schema && (strcmp(schema->text, "a") == 0 || strcmp(schema->text, LS_SCHEMA_ANYTHING) == 0))
        fail_msg("%s is anything, and nothing says why", name);
}

static void every_shape_of_a_route_is_described_or_says_why_not(void **state)
{
    (void)state;
    for (size_t t = 0; t < ls_route_table_count; t++)
        for (size_t i = 0; i < ls_route_tables[t]->count; i++) {
            check_shape(ls_route_tables[t]->routes[i].request);
            check_shape(ls_route_tables[t]->routes[i].response);
        }
}

static void every_name_in_a_query_is_a_parameter(void **state)
{
    (void)state;
    for (size_t t = 0; t < ls_route_table_count; t++)
        for (size_t i = 0; i < ls_route_tables[t]->count; i++) {
            const struct ls_route *route = &ls_route_tables[t]->routes[i];

            for (const char *at = route->query ? route->query : ""; *at;) {
                const size_t length = strcspn(at, " ");
                bool found = false;

                for (size_t p = 0; p < ls_query_param_count; p++)
                    found = found || (strlen(ls_query_params[p].name) == length &&
                                      strncmp(ls_query_params[p].name, at, length) == 0);
                if (!found)
                    fail_msg("%s %s: %.*s is not in params.c", route->method, route->path,
                             (int)length, at);
                at += length + (at[length] == ' ');
            }
        }
}

static void operations_have_names_of_their_own(void **state)
{
    json_t *seen = json_object();
    const char *path, *method;
    json_t *methods, *operation;
    (void)state;

    json_object_foreach(json_object_get(document, "paths"), path, methods)
        json_object_foreach(methods, method, operation)
    {
        const char *name = text_of(operation, "operationId");

        assert_true(*name);
        if (json_object_get(seen, name))
            fail_msg("there are two operations named %s", name);
        json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
}

static void check_refs(const json_t *at)
{
    const char *name;
    const json_t *value;

    if (json_is_array(at))
        for (size_t i = 0; i < json_array_size(at); i++)
            check_refs(json_array_get(at, i));
    json_object_foreach((json_t *)(uintptr_t)at, name, value)
    {
        static const char base[] = "#/components/schemas/";
        const char *ref = json_string_value(value);

        check_refs(value);
        if (strcmp(name, "$ref") != 0)
            continue;
        assert_non_null(ref);
        if (strncmp(ref, base, strlen(base)) != 0 ||
            !json_object_get(json_object_get(json_object_get(document, "components"), "schemas"),
                             ref + strlen(base)))
            fail_msg("%s leads nowhere", ref);
    }
}

static void no_reference_leads_nowhere(void **state)
{
    (void)state;
    check_refs(document);
}

static void a_schema_is_read_from_its_notation(void **state)
{
    static const struct {
        const char *text, *schema; /* NULL: it is not well-formed */
    } cases[] = {
        {"s", "{\"type\":\"string\"}"},
        {"i|", "{\"type\":[\"integer\",\"null\"]}"},
        {"t", "{\"type\":\"string\",\"format\":\"date-time\"}"},
        {"a", "{}"},
        {"(one two)|", "{\"enum\":[\"one\",\"two\",null]}"},
        {"[@X]", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/X\"}}"},
        {"@X|", "{\"anyOf\":[{\"$ref\":\"#/components/schemas/X\"},{\"type\":\"null\"}]}"},
        {"!{a:s b?:[n]}",
         "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
         "\"array\",\"items\":{\"type\":\"number\"}}},\"required\":[\"a\"],"
         "\"additionalProperties\":false}"},
        {"*[i]", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{"
                 "\"type\":\"integer\"}}}"},
        {"<s [@X]>", "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"$ref\":"
                     "\"#/components/schemas/X\"}}]}"},
        {"<s", NULL},
        {"*", NULL},
        {"{}", "{\"type\":\"object\",\"properties\":{},\"required\":[]}"},
        {"", NULL},
        {"x", NULL},
        {"s s", NULL},
        {"{a}", NULL},
        {"{a:}", NULL},
        {"{a:s", NULL},
        {"[s", NULL},
        {"@", NULL},
        {"(one", NULL},
        {"(one;two)", NULL},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_buf out;
        bool ok;

        ls_buf_init(&out, 0);
        ok = ls_schema_write(&out, cases[i].text);
        if (ok != (cases[i].schema != NULL))
            fail_msg("\"%s\": %s", cases[i].text, ls_buf_str(&out));
        if (ok)
            assert_string_equal(ls_buf_str(&out), cases[i].schema);
        ls_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_in_the_document_as_its_line_says),
        cmocka_unit_test(every_shape_of_a_route_is_described_or_says_why_not),
        cmocka_unit_test(every_name_in_a_query_is_a_parameter),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(no_reference_leads_nowhere),
        cmocka_unit_test(a_schema_is_read_from_its_notation),
    };

    return cmocka_run_group_tests_name("server/openapi", tests, before, after);
}
