/* SPDX-License-Identifier: Apache-2.0 */
/* problem.h - answers that say what went wrong: RFC 9457 problem details, or the envelope of a documented surface. Any thread. */
#ifndef LS_SERVER_PROBLEM_H
#define LS_SERVER_PROBLEM_H

#include "server/route.h"

/* The HTTP status that an error of the library is answered with (a table in problem.c). */
int ls_problem_status(enum ls_code code);
/* "Not Found"; "Error" for a status that is not in the table. Static. */
const char *ls_problem_title(int status);

/* Fills *ret: status and a body that says so, in the form of the request's route. code: lower case, for programs ("not_found", also the last part of
 * `type`); detail: a sentence for people. Headers that are in *ret stay. */
void ls_problem(struct ls_request *request, int status, const char *code, const char *detail,
                struct ls_response *ret);
/* The same of an error, with the status of its code, or the one that *ret has. */
void ls_problem_of(struct ls_request *request, const struct ls_error *err, struct ls_response *ret);

/* The way out of a handler that refuses by itself: sets *err and ret->status, gives code. */
enum ls_code ls_refuse(struct ls_response *ret, int status, struct ls_error *err, enum ls_code code,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
