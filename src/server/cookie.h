/* SPDX-License-Identifier: Apache-2.0 */
/* cookie.h - the cookies of a request (RFC 6265), and the one that we set. */
#ifndef LS_SERVER_COOKIE_H
#define LS_SERVER_COOKIE_H

#include "server/request.h"

struct ls_cookie {
    const char *name, *value; /* borrowed from the header, not NUL-ended */
    size_t name_length, value_length;
};
/* Hands out the cookies of all Cookie headers, in order. Zeroed at the beginning. */
struct ls_cookie_walk {
    size_t header;  /* the next one to look at */
    const char *at; /* in the one that is looked at; NULL: none */
};
/* false at the end. Quotes around a value are taken off; what is no NAME=VALUE is passed over. */
bool ls_cookie_next(const struct ls_request *request, struct ls_cookie_walk *walk,
                    struct ls_cookie *ret);
/* The one with this name. *ret_count: how many there are of it; several mean that somebody put one there who could
 * not take the other away, and none of them is to be believed. */
bool ls_cookie_find(const struct ls_request *request, const char *name, struct ls_cookie *ret,
                    size_t *ret_count);

/* The cookie of a session of ours. Over HTTPS its name begins with __Host-, so that no other host and no page over plain HTTP can set
 * it; plain HTTP, which is for this machine alone, has a name of its own, or browsers would not keep it. */
const char *ls_cookie_session_name(bool tls);
/* A Set-Cookie value, in mem; NULL when out of memory. value NULL: the cookie is taken away. HttpOnly, SameSite=Strict, Path=/, no Domain, no
 * lifetime of its own: it ends with the browser, and on our side when the session does. */
const char *ls_cookie_session(struct ls_arena *mem, bool tls, const char *value);

#endif
