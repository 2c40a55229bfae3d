/* SPDX-License-Identifier: Apache-2.0 */
/* setup_page.h - the page behind the link of the first start. */
#ifndef LS_SERVER_SETUP_PAGE_H
#define LS_SERVER_SETUP_PAGE_H

/* Nothing but its own script, which talks to us alone, and in no frame. */
#define LS_SETUP_POLICY                                                               \
    "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'none'; " \
    "frame-ancestors 'none'; base-uri 'none'"

extern const char ls_setup_page[], ls_setup_script[];

#endif
