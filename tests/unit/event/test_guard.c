/* SPDX-License-Identifier: Apache-2.0 */
/* test_guard.c - addresses and spellings of addresses: which of them requests may go to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "event/guard.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage ret = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&ret, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&ret, &v6, sizeof(v6));
    else
        fail_msg("%s is no address", text);
    return ret;
}

static enum ls_guard_kind kind_of(const char *text)
{
    struct sockaddr_storage address = address_of(text);

    return ls_guard_kind((const struct sockaddr *)&address);
}

static bool may(const struct ls_guard *guard, bool named, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    enum ls_guard_kind kind;

    return ls_guard_address(guard, named, (const struct sockaddr *)&address, &kind);
}

static struct ls_guard guard_of(struct ls_arena *mem, const char *const *entries, size_t count)
{
    struct ls_guard guard;
    struct ls_error err = {0};

    if (ls_guard_read(entries, count, mem, &guard, &err) != LS_OK)
        fail_msg("%s", err.text);
    return guard;
}

/* --- addresses: the first and the last of each range, and their neighbours outside */

static const struct {
    const char *address;
    enum ls_guard_kind kind;
} kinds[] = {
    {"0.0.0.0", LS_GUARD_UNSPECIFIED},
    {"0.255.255.255", LS_GUARD_UNSPECIFIED},
    {"1.0.0.0", LS_GUARD_PUBLIC},
    {"9.255.255.255", LS_GUARD_PUBLIC},
    {"10.0.0.0", LS_GUARD_PRIVATE},
    {"10.255.255.255", LS_GUARD_PRIVATE},
    {"11.0.0.0", LS_GUARD_PUBLIC},
    {"100.63.255.255", LS_GUARD_PUBLIC},
    {"100.64.0.0", LS_GUARD_SHARED},
    {"100.127.255.255", LS_GUARD_SHARED},
    {"100.128.0.0", LS_GUARD_PUBLIC},
    {"100.100.100.200", LS_GUARD_METADATA},
    {"126.255.255.255", LS_GUARD_PUBLIC},
    {"127.0.0.0", LS_GUARD_LOOPBACK},
    {"127.0.0.1", LS_GUARD_LOOPBACK},
    {"127.255.255.255", LS_GUARD_LOOPBACK},
    {"128.0.0.0", LS_GUARD_PUBLIC},
    {"168.63.129.16", LS_GUARD_METADATA},
    {"168.63.129.17", LS_GUARD_PUBLIC},
    {"169.253.255.255", LS_GUARD_PUBLIC},
    {"169.254.0.0", LS_GUARD_LINK_LOCAL},
    {"169.254.169.254", LS_GUARD_METADATA},
    {"169.254.170.2", LS_GUARD_METADATA},
    {"169.254.255.255", LS_GUARD_LINK_LOCAL},
    {"169.255.0.0", LS_GUARD_PUBLIC},
    {"172.15.255.255", LS_GUARD_PUBLIC},
    {"172.16.0.0", LS_GUARD_PRIVATE},
    {"172.31.255.255", LS_GUARD_PRIVATE},
    {"172.32.0.0", LS_GUARD_PUBLIC},
    {"192.0.0.0", LS_GUARD_RESERVED},
    {"192.0.0.192", LS_GUARD_METADATA},
    {"192.0.0.255", LS_GUARD_RESERVED},
    {"192.0.1.0", LS_GUARD_PUBLIC},
    {"192.0.2.0", LS_GUARD_DOCUMENTATION},
    {"192.0.2.255", LS_GUARD_DOCUMENTATION},
    {"192.0.3.0", LS_GUARD_PUBLIC},
    {"192.88.99.1", LS_GUARD_TRANSITION},
    {"192.167.255.255", LS_GUARD_PUBLIC},
    {"192.168.0.0", LS_GUARD_PRIVATE},
    {"192.168.255.255", LS_GUARD_PRIVATE},
    {"192.169.0.0", LS_GUARD_PUBLIC},
    {"198.17.255.255", LS_GUARD_PUBLIC},
    {"198.18.0.0", LS_GUARD_BENCHMARK},
    {"198.19.255.255", LS_GUARD_BENCHMARK},
    {"198.20.0.0", LS_GUARD_PUBLIC},
    {"198.51.100.7", LS_GUARD_DOCUMENTATION},
    {"203.0.113.7", LS_GUARD_DOCUMENTATION},
    {"223.255.255.255", LS_GUARD_PUBLIC},
    {"224.0.0.0", LS_GUARD_MULTICAST},
    {"239.255.255.255", LS_GUARD_MULTICAST},
    {"240.0.0.0", LS_GUARD_RESERVED},
    {"255.255.255.255", LS_GUARD_RESERVED},
    {"::", LS_GUARD_UNSPECIFIED},
    {"::1", LS_GUARD_LOOPBACK},
    {"::2", LS_GUARD_TRANSITION},
    {"::127.0.0.1", LS_GUARD_TRANSITION},
    {"::8.8.8.8", LS_GUARD_TRANSITION},
    {"::ffff:127.0.0.1", LS_GUARD_LOOPBACK},
    {"::ffff:169.254.169.254", LS_GUARD_METADATA},
    {"::ffff:10.1.2.3", LS_GUARD_PRIVATE},
    {"::ffff:8.8.8.8", LS_GUARD_PUBLIC},
    {"::ffff:0:127.0.0.1", LS_GUARD_TRANSITION},
    {"64:ff9b::127.0.0.1", LS_GUARD_LOOPBACK},
    {"64:ff9b::169.254.169.254", LS_GUARD_METADATA},
    {"64:ff9b::10.0.0.1", LS_GUARD_PRIVATE},
    {"64:ff9b::8.8.8.8", LS_GUARD_PUBLIC},
    {"64:ff9b:0:0:1::1", LS_GUARD_RESERVED},
    {"64:ff9b:1::1", LS_GUARD_PRIVATE},
    {"100::1", LS_GUARD_RESERVED},
    {"1fff:ffff::1", LS_GUARD_RESERVED},
    {"2000::1", LS_GUARD_PUBLIC},
    {"2001::1", LS_GUARD_TRANSITION},
    {"2001:0:4136:e378:8000:63bf:3fff:fdd2", LS_GUARD_TRANSITION},
    {"2001:2::1", LS_GUARD_BENCHMARK},
    {"2001:3::1", LS_GUARD_RESERVED},
    {"2001:10::1", LS_GUARD_RESERVED},
    {"2001:1ff:ffff::1", LS_GUARD_RESERVED},
    {"2001:200::1", LS_GUARD_PUBLIC},
    {"2001:db8::1", LS_GUARD_DOCUMENTATION},
    {"2001:db9::1", LS_GUARD_PUBLIC},
    {"2001:4860:4860::8888", LS_GUARD_PUBLIC},
    {"2001:4860::5efe:a00:1", LS_GUARD_TRANSITION},
    {"2001:4860::200:5efe:a00:1", LS_GUARD_TRANSITION},
    {"2002:7f00:1::1", LS_GUARD_TRANSITION},
    {"2002:a9fe:a9fe::1", LS_GUARD_TRANSITION},
    {"2002:808:808::1", LS_GUARD_TRANSITION},
    {"2003::1", LS_GUARD_PUBLIC},
    {"2606:4700::1111", LS_GUARD_PUBLIC},
    {"3ffe::1", LS_GUARD_PUBLIC},
    {"3fff::1", LS_GUARD_DOCUMENTATION},
    {"3fff:1000::1", LS_GUARD_PUBLIC},
    {"4000::1", LS_GUARD_RESERVED},
    {"5f00::1", LS_GUARD_RESERVED},
    {"fbff::1", LS_GUARD_RESERVED},
    {"fc00::1", LS_GUARD_PRIVATE},
    {"fd00:ec2::254", LS_GUARD_METADATA},
    {"fd00:ec2::255", LS_GUARD_PRIVATE},
    {"fd20:ce::254", LS_GUARD_METADATA},
    {"fdff:ffff::1", LS_GUARD_PRIVATE},
    {"fe00::1", LS_GUARD_RESERVED},
    {"fe80::1", LS_GUARD_LINK_LOCAL},
    {"febf::1", LS_GUARD_LINK_LOCAL},
    {"fec0::1", LS_GUARD_PRIVATE},
    {"ff02::1", LS_GUARD_MULTICAST},
    {"ffff::1", LS_GUARD_MULTICAST},
};

static void an_address_is_of_a_kind_and_only_public_ones_are_open(void **state)
{
    const struct ls_guard none = {0};
    (void)state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (kind_of(kinds[i].address) != kinds[i].kind)
            fail_msg("%s is %s", kinds[i].address, ls_guard_kind_word(kind_of(kinds[i].address)));
        assert_int_equal(may(&none, false, kinds[i].address), kinds[i].kind == LS_GUARD_PUBLIC);
    }
}

static void what_is_no_address_of_the_internet_is_refused(void **state)
{
    const struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
    static const char *const all[] = {"0.0.0.0/0", "::/0"};
    enum ls_guard_kind kind;
    struct ls_arena mem;
    struct ls_guard guard;
    (void)state;

    ls_arena_init(&mem, 0);
    guard = guard_of(&mem, all, 2);
    assert_int_equal(ls_guard_kind((const struct sockaddr *)&local), LS_GUARD_FOREIGN);
    assert_false(ls_guard_address(&guard, true, (const struct sockaddr *)&local, &kind));
    ls_arena_done(&mem);
}

/* --- the list */

static void the_list_opens_ranges_addresses_and_names(void **state)
{
    static const char *const list[] = {"10.0.0.0/8", "127.0.0.1",     "fd00::/8",
                                       "::1/128",    "CRM.internal.", "*.corp.example"};
    struct ls_arena mem;
    struct ls_guard guard;
    (void)state;

    ls_arena_init(&mem, 0);
    guard = guard_of(&mem, list, COUNT(list));
    assert_int_equal(guard.range_count, 4);
    assert_int_equal(guard.name_count, 2);
    assert_true(may(&guard, false, "10.200.0.1"));
    assert_true(may(&guard, false, "::ffff:10.200.0.1"));
    assert_true(may(&guard, false, "64:ff9b::10.200.0.1"));
    assert_true(may(&guard, false, "127.0.0.1"));
    assert_false(may(&guard, false, "127.0.0.2"));
    assert_true(may(&guard, false, "fd12::1"));
    assert_true(may(&guard, false, "::1"));
    assert_false(may(&guard, false, "192.168.0.1"));
    assert_true(may(&guard, true, "192.168.0.1"));
    assert_true(may(&guard, true, "fe80::1"));
    ls_arena_done(&mem);
}

/* A range that is open for another reason, or a name whose server is asked for it, must not give away credentials. */
static void a_metadata_service_is_opened_by_its_own_address_alone(void **state)
{
    static const char *const ranges[] = {"0.0.0.0/0", "::/0", "169.254.0.0/16", "fd00::/8"};
    static const char *const itself[] = {"169.254.169.254", "fd00:ec2::254/128"};
    struct ls_arena mem;
    struct ls_guard guard;
    (void)state;

    ls_arena_init(&mem, 0);
    guard = guard_of(&mem, ranges, COUNT(ranges));
    assert_true(may(&guard, false, "169.254.1.1"));
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_int_equal(may(&guard, false, kinds[i].address), kinds[i].kind != LS_GUARD_METADATA);
        assert_int_equal(may(&guard, true, kinds[i].address), kinds[i].kind != LS_GUARD_METADATA);
    }
    guard = guard_of(&mem, itself, COUNT(itself));
    assert_true(may(&guard, false, "169.254.169.254"));
    assert_true(may(&guard, false, "fd00:ec2::254"));
    assert_false(may(&guard, false, "169.254.170.2"));
    ls_arena_done(&mem);
}

static void an_entry_that_means_nothing_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0",
        "127.1",
        "0x7f.1",
        "2130706433",
        "256.0.0.1",
        "1.2.3.4.5",
        "::1/129",
        "fd00::1/8",
        "[::1]",
        "http://a.b",
        "a.b/c",
        "a.b:80",
        "*",
        "*.",
        "a.*.b",
        "*a.b",
        ".a.b",
        "a..b",
        "a b",
        "m\xc3\xbcnchen.example",
        "fe80::1%eth0",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "a_b.0x1f",
    };
    struct ls_arena mem;
    struct ls_guard guard;
    struct ls_error err;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        if (ls_guard_read(&wrong[i], 1, &mem, &guard, &err) != LS_CONFIG)
            fail_msg("'%s' was taken", wrong[i]);
        assert_non_null(strstr(err.text, wrong[i]));
    }
    ls_arena_done(&mem);
}

/* --- URLs */

/* What all of them mean is refused: the address itself, or a way to write it. */
static const char *const refused[] = {
    /* this machine */
    "https://127.0.0.1",
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/x?y#z",
    "https://127.0.0.1./",
    "https://127.0.0.2/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7F000001/",
    "https://0X7F000001/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://00000000177.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0x7f.1/",
    "https://0x7f.1./",
    "https://0177.0x0.0.1/",
    "https://127.0x1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://00.0.0.0/",
    "https://0x0/",
    "https://0.1/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://LocalHost:443/",
    "https://localhost./",
    "https://api.localhost/",
    "https://a.b.LOCALHOST./",
    "HTTPS://127.0.0.1/",
    "hTTps://127.0.0.1/",
    "https:/127.0.0.1/",
    "https:///127.0.0.1/",
    "https://user@127.0.0.1/",
    "https://user:pass@127.0.0.1/",
    "https://example.com@127.0.0.1/",
    "https://example.com:443@127.0.0.1/",
    "https://example.com%40x@127.0.0.1/",
    "https://:@127.0.0.1/",
    "https://127.0.0.1?@example.com/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1/@example.com/",
    "https://[::1]/",
    "https://[::1]:8443/",
    "https://user:pass@[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "https://[::0001]/",
    "https://[::]/",
    "https://[0::0]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::FFFF:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:7f00:0001]/",
    "https://[::127.0.0.1]/",
    "https://[::7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::80ff:fffe]/",
    "https://[::ffff:0.0.0.0]/",
    /* metadata */
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254./",
    "https://169.254.43518/",
    "https://169.16689662/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0xA9.0xFE.0xA9.0xFE/",
    "https://0251.0376.0251.0376/",
    "https://025177524776/",
    "https://169.254.0xa9fe/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::a9fe:a9fe]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[fd00:ec2::254]/",
    "https://[FD00:EC2:0:0::254]/",
    "https://[fd00:0ec2:0:0:0:0:0:0254]/",
    "https://[fd20:ce::254]/",
    "https://169.254.170.2/v2/credentials",
    "https://100.100.100.200/",
    "https://192.0.0.192/",
    "https://168.63.129.16/",
    "https://0xa83f8110/",
    "https://user@169.254.169.254/",
    /* private and the like */
    "https://10.0.0.1/",
    "https://10.1/",
    "https://167772161/",
    "https://012.0.0.1/",
    "https://0xa.1/",
    "https://172.16.0.1/",
    "https://172.31.255.254/",
    "https://0xac100001/",
    "https://192.168.0.1/",
    "https://192.168.1/",
    "https://3232235521/",
    "https://0300.0250.0.1/",
    "https://[::ffff:192.168.0.1]/",
    "https://[::ffff:c0a8:1]/",
    "https://[64:ff9b::192.168.0.1]/",
    "https://100.64.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://192.88.99.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://4294967295/",
    "https://0xffffffff/",
    "https://037777777777/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[100::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[2001:2::1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2001:4860::5efe:a00:1]/",
    "https://[5f00::1]/",
};

/* No URLs, to us. */
static const char *const unreadable[] = {
    "",
    "127.0.0.1",
    "//127.0.0.1/",
    "example.com",
    "example.com:443",
    "/path",
    "https://",
    "https:example.com",
    "https:///",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "dict://example.com/",
    "ws://example.com/",
    "javascript:alert(1)",
    "httpss://example.com/",
    " https://example.com/",
    "https://example.com/ ",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nX-Evil: 1",
    "https://example.com\r\n.evil.example/",
    "https://example.com/\t",
    "https://example.com/\x7f",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://a@b@example.com/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]x/",
    "https://[::1%25lo]/",
    "https://[fe80::1%25eth0]/",
    "https://[v1.x]/",
    "https://[127.0.0.1]/",
    "https://[]/",
    "https://256.0.0.1/",
    "https://1.2.3.4.5/",
    "https://1.2.3.256/",
    "https://127.65535.1/",
    "https://4294967296/",
    "https://08.8.8.8/",
    "https://0x100000000/",
    "https://example.0x7f/",
    "https://example.1/",
    "https://127.0.0.1../",
    "https://.example.com/",
    "https://example..com/",
    "https://./",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:-1/",
    "https://example.com:x/",
    "https://127.0.0.1%00.example.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://example.com%0d%0a/",
    "https://exa%20mple.com/",
    "https://exa!mple.com/",
    "https://;example.com/",
    "https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", /* fullwidth 127 */
    "https://127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1/",                                                  /* ideographic full stops */
    "https://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", /* circled digits */
    "https://m\xc3\xbcnchen.example/",
    "https://loc\xe2\x80\x8b"
    "alhost/", /* zero width */
    "https://\xff.example/",
};

static const struct {
    const char *url, *host;
    unsigned port;
} taken[] = {
    {"https://example.com", "example.com", 443},
    {"https://EXAMPLE.com./", "example.com", 443},
    {"https://example.com:8443/a?b=c#d", "example.com", 8443},
    {"https://example.com/?u=http://127.0.0.1/", "example.com", 443},
    {"https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", 443},
    {"https://a_b-c.example/", "a_b-c.example", 443},
    {"https://8.8.8.8/", "8.8.8.8", 443},
    {"https://134744072/", "8.8.8.8", 443},
    {"https://1.1/", "1.0.0.1", 443},
    {"https://[2606:4700::1111]/", "2606:4700::1111", 443},
    {"https://[64:ff9b::8.8.8.8]/", "64:ff9b::8.8.8.8", 443},
    {"https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443},
    {"https://0x7f000001.example/", "0x7f000001.example", 443},
    {"https://localhost.example/", "localhost.example", 443},
    {"https://notlocalhost/", "notlocalhost", 443},
    {"https://1.2.3.4.x/", "1.2.3.4.x", 443},
    {"https://e%78ample.com/", "example.com", 443},
};

static enum ls_code judge(const struct ls_guard *guard, const char *url,
                          struct ls_guard_target *ret, struct ls_arena *mem)
{
    struct ls_error err = {0};
    enum ls_code rc = ls_guard_url(guard, url, mem, ret, &err);

    assert_int_equal(rc, rc == LS_OK ? LS_OK : err.code);
    assert_null(strstr(err.text, "pass")); /* no password in a message */
    return rc;
}

static void no_spelling_of_a_closed_address_gets_past(void **state)
{
    const struct ls_guard none = {0};
    struct ls_guard_target target;
    struct ls_arena mem;
    (void)state;

    assert_true(COUNT(refused) >= 120);
    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (judge(&none, refused[i], &target, &mem) != LS_PERMISSION)
            fail_msg("%s was not refused as it should be", refused[i]);
        ls_arena_reset(&mem);
    }
    for (size_t i = 0; i < COUNT(unreadable); i++) {
        if (judge(&none, unreadable[i], &target, &mem) != LS_USAGE)
            fail_msg("%s was read", unreadable[i]);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
}

static void a_public_address_or_a_name_is_taken(void **state)
{
    const struct ls_guard none = {0};
    struct ls_guard_target target;
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT(taken); i++) {
        if (judge(&none, taken[i].url, &target, &mem) != LS_OK)
            fail_msg("%s was refused", taken[i].url);
        assert_string_equal(target.host, taken[i].host);
        assert_int_equal(target.port, taken[i].port);
        assert_true(target.https);
        assert_false(target.named);
    }
    ls_arena_done(&mem);
}

static void a_host_is_as_long_as_a_name_may_be(void **state)
{
    const struct ls_guard none = {0};
    struct ls_guard_target target;
    struct ls_arena mem;
    char url[400] = "https://";
    const size_t start = strlen(url);
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < LS_GUARD_HOST_MAX; i++)
        url[start + i] = i % 50 == 49 ? '.' : 'a';
    assert_int_equal(judge(&none, url, &target, &mem), LS_OK);
    assert_string_equal(target.host, url + start);
    url[start + LS_GUARD_HOST_MAX] = 'a';
    assert_int_equal(judge(&none, url, &target, &mem), LS_USAGE);
    ls_arena_done(&mem);
}

/* The resolver of this machine and we read numbers alike: what it takes for an address, we judge as that address. */
static void numbers_are_read_as_the_resolver_reads_them(void **state)
{
    const struct ls_guard none = {0};
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct ls_guard_target target;
    struct ls_arena mem;
    size_t compared = 0;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT(refused); i++) {
        char host[64];
        struct addrinfo *found;

        if (sscanf(refused[i], "https://%63[0-9a-fA-FxX.]/", host) != 1 ||
            strlen(refused[i]) != strlen("https:///") + strlen(host) ||
            getaddrinfo(host, NULL, &hints, &found) != 0)
            continue;
        assert_int_not_equal(ls_guard_kind(found->ai_addr), LS_GUARD_PUBLIC);
        freeaddrinfo(found);
        compared++;
    }
    assert_true(compared >= 40);
    assert_int_equal(judge(&none, "https://0x08080808/", &target, &mem), LS_OK);
    assert_string_equal(target.host, "8.8.8.8");
    ls_arena_done(&mem);
}

static void the_list_opens_urls_too(void **state)
{
    static const char *const list[] = {"127.0.0.0/8", "::1", "crm.internal", "*.corp.example"};
    static const struct {
        const char *url;
        enum ls_code rc;
        bool named;
    } urls[] = {
        {"http://127.0.0.1:8080/", LS_OK, false},
        {"http://0x7f.1/", LS_OK, false},
        {"http://[::ffff:127.9.9.9]/", LS_OK, false},
        {"http://[::1]/", LS_OK, false},
        {"http://localhost:1234/", LS_OK, false},
        {"http://crm.internal/", LS_OK, true},
        {"http://CRM.INTERNAL./", LS_OK, true},
        {"https://a.b.corp.example/", LS_OK, true},
        {"https://corp.example/", LS_OK, false},
        {"https://evilcorp.example/", LS_OK, false},
        {"https://xcrm.internal/", LS_OK, false},
        {"http://10.0.0.1/", LS_PERMISSION, false},
        {"http://169.254.169.254/", LS_PERMISSION, false},
    };
    struct ls_guard_target target;
    struct ls_arena mem;
    struct ls_guard guard;
    (void)state;

    ls_arena_init(&mem, 0);
    guard = guard_of(&mem, list, COUNT(list));
    for (size_t i = 0; i < COUNT(urls); i++) {
        target = (struct ls_guard_target){0};
        if (judge(&guard, urls[i].url, &target, &mem) != urls[i].rc)
            fail_msg("%s", urls[i].url);
        assert_int_equal(target.named, urls[i].named);
    }
    ls_arena_done(&mem);
}

static void data_does_not_travel_in_the_open_to_whom_the_list_does_not_name(void **state)
{
    struct ls_guard guard = {0};
    struct ls_guard_target target;
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    assert_int_equal(judge(&guard, "http://example.com/", &target, &mem), LS_PERMISSION);
    assert_int_equal(judge(&guard, "http://8.8.8.8/", &target, &mem), LS_PERMISSION);
    guard.plain_http = true;
    assert_int_equal(judge(&guard, "http://example.com/", &target, &mem), LS_OK);
    assert_int_equal(target.port, 80);
    assert_false(target.https);
    assert_int_equal(judge(&guard, "http://127.0.0.1/", &target, &mem), LS_PERMISSION);
    ls_arena_done(&mem);
}

/* Where a URL is shown, it is shown whole. */
static void no_url_has_a_password(void **state)
{
    static const char *const urls[] = {
        "https://user:password@8.8.8.8/",      "https://127.0.0.1@example.com/",
        "https://user@crm.example/hook",       "https://:password@crm.example/",
        "https:///user:password@crm.example/", "http://user:password@crm.example/"};
    const struct ls_guard open = {.plain_http = true};
    struct ls_guard_target target;
    struct ls_error err = {0};
    struct ls_arena mem;
    (void)state;

    ls_arena_init(&mem, 0);
    for (size_t i = 0; i < COUNT(urls); i++) {
        assert_int_equal(ls_guard_url(&open, urls[i], &mem, &target, &err), LS_USAGE);
        assert_non_null(strstr(err.text, "header"));
        assert_null(strstr(err.text, "password@"));
        assert_int_equal(ls_guard_text(urls[i], &err), LS_USAGE);
        assert_int_equal(ls_guard_own(&open, urls[i], false, &mem, &err), LS_USAGE);
    }
    assert_int_equal(ls_guard_text("https://crm.example/a@b?c=@d#e@f", &err), LS_OK);
    assert_int_equal(ls_guard_text("https://10.0.0.1/", &err), LS_OK);
    assert_int_equal(ls_guard_own(NULL, "https://key@sentry.example/7", true, &mem, &err), LS_OK);
    ls_arena_done(&mem);
}

static void the_operators_own_urls_are_plain_on_this_machine_and_where_the_list_says(void **state)
{
    static const char *const list[] = {"10.0.0.0/8", "crm.internal"};
    static const struct {
        const char *url;
        enum ls_code alone, listed;
    } urls[] = {
        {"https://10.0.0.1/", LS_OK, LS_OK},
        {"https://crm.example/", LS_OK, LS_OK},
        {"http://127.0.0.1:1/", LS_OK, LS_OK},
        {"http://127.9.9.9/", LS_OK, LS_OK},
        {"http://[::1]/", LS_OK, LS_OK},
        {"http://localhost/", LS_OK, LS_OK},
        {"http://10.0.0.1/", LS_PERMISSION, LS_OK},
        {"http://crm.internal/", LS_PERMISSION, LS_OK},
        {"http://192.168.0.1/", LS_PERMISSION, LS_PERMISSION},
        {"http://8.8.8.8/", LS_PERMISSION, LS_PERMISSION},
        {"http://localhost.example/", LS_PERMISSION, LS_PERMISSION},
        {"http://127.0.0.1.example/", LS_PERMISSION, LS_PERMISSION},
        {"ftp://127.0.0.1/", LS_USAGE, LS_USAGE},
    };
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_guard guard;
    (void)state;

    ls_arena_init(&mem, 0);
    guard = guard_of(&mem, list, COUNT(list));
    for (size_t i = 0; i < COUNT(urls); i++) {
        if (ls_guard_own(NULL, urls[i].url, false, &mem, &err) != urls[i].alone ||
            ls_guard_own(&guard, urls[i].url, false, &mem, &err) != urls[i].listed)
            fail_msg("%s", urls[i].url);
    }
    ls_arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_of_a_kind_and_only_public_ones_are_open),
        cmocka_unit_test(what_is_no_address_of_the_internet_is_refused),
        cmocka_unit_test(the_list_opens_ranges_addresses_and_names),
        cmocka_unit_test(a_metadata_service_is_opened_by_its_own_address_alone),
        cmocka_unit_test(an_entry_that_means_nothing_is_refused),
        cmocka_unit_test(no_spelling_of_a_closed_address_gets_past),
        cmocka_unit_test(a_public_address_or_a_name_is_taken),
        cmocka_unit_test(a_host_is_as_long_as_a_name_may_be),
        cmocka_unit_test(numbers_are_read_as_the_resolver_reads_them),
        cmocka_unit_test(the_list_opens_urls_too),
        cmocka_unit_test(data_does_not_travel_in_the_open_to_whom_the_list_does_not_name),
        cmocka_unit_test(no_url_has_a_password),
        cmocka_unit_test(the_operators_own_urls_are_plain_on_this_machine_and_where_the_list_says),
    };
    return cmocka_run_group_tests_name("event/guard", tests, NULL, NULL);
}
