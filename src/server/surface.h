/* SPDX-License-Identifier: Apache-2.0 */
/* surface.h - what the documented paths share: their answers, and requests that are answered when a run is over. */
#ifndef LS_SERVER_SURFACE_H
#define LS_SERVER_SURFACE_H

#include "lockstep.h"
#include "server/handler.h"

/* {"success":true, ... ,"timestamp":"..."} */
void ls_surface_begin(struct ls_buf *out, bool success);
void ls_surface_end(struct ls_buf *out);

/* {"data":{"success":true, ... },"metadata":{"timestamp":"...","version":"1.0"}} */
void ls_surface_data_begin(struct ls_buf *out);
void ls_surface_data_end(struct ls_buf *out);
/* The same with more members of metadata: "name":json; NULL: none. */
void ls_surface_data_end_with(struct ls_buf *out, const char *name, const char *json);

/* "1 created, 2 updated, 0 deleted, 0 failed", or "no sync needed". In one buffer of the caller. */
const char *ls_surface_counts(const struct lockstep_run *run, char out[200]);

struct ls_surface_run;
/* Writes the answer to a run that did what it should, or failed for some records; *ret_status: of the answer, 200 at first. */
typedef void ls_surface_fn(struct ls_buf *out, const struct ls_surface_run *job,
                           const struct lockstep_run *run, int *ret_status);
/* A request that is answered when a run is over; in its arena. */
struct ls_surface_run {
    struct ls_request *request;
    ls_surface_fn *write;
    const char *about; /* for write: whatever it likes */
};
/* Starts the run that is wished for; the request is put off until it is over. A run that failed as a whole is answered as an error, with what is known
 * of it. */
LS_MUST_CHECK enum ls_code ls_surface_start(struct ls_call *call, struct ls_run_wish *wish,
                                            ls_surface_fn *write, const char *about,
                                            struct ls_response *ret, struct ls_error *err);
/* An error as the caller gets it: {"success":false,"message":...,"error":...,"run":{...} or left out}. */
void ls_surface_failed(struct ls_request *request, const struct lockstep_error *error,
                       const struct lockstep_run *run);

#endif
