/* SPDX-License-Identifier: Apache-2.0 */
/* setup_page.c - the page behind the link of the first start: a name, a password, and the secret that stands behind the link's #.
 *
 * Browsers keep what stands behind a # to themselves, so the secret is in no log of a proxy; the script takes it out of the address bar as
 * well. All texts are set as text. */
#include "server/setup_page.h"

const char ls_setup_page[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<title>lockstep: the first admin</title>\n"
    "<script src=\"/setup.js\" defer></script>\n"
    "<main>\n"
    "<h1>The first admin</h1>\n"
    "<form>\n"
    "<p><label>Name<br><input name=\"name\" autocomplete=\"username\" required></label>\n"
    "<p><label>Password, 12 characters or more<br><input name=\"password\" type=\"password\" "
    "autocomplete=\"new-password\" minlength=\"12\" required></label>\n"
    "<p><button>Make the account</button>\n"
    "</form>\n"
    "<p role=\"status\"></p>\n"
    "</main>\n"
    "</html>\n";

const char ls_setup_script[] =
    "'use strict';\n"
    "const secret = location.hash.slice(1);\n"
    "const form = document.querySelector('form');\n"
    "const status = document.querySelector('[role=status]');\n"
    "history.replaceState(null, '', location.pathname);\n"
    "form.addEventListener('submit', async (event) => {\n"
    "    event.preventDefault();\n"
    "    const body = JSON.stringify({secret, name: form.elements.name.value,\n"
    "        password: form.elements.password.value});\n"
    "    try {\n"
    "        const answer = await fetch('/api/v1/setup', {method: 'POST', body,\n"
    "            headers: {'Content-Type': 'application/json'}});\n"
    "        if (answer.ok) {\n"
    "            form.hidden = true;\n"
    "            status.textContent = 'The account is there. Log in with it.';\n"
    "        } else {\n"
    "            status.textContent = (await answer.json()).detail;\n"
    "        }\n"
    "    } catch (error) {\n"
    "        status.textContent = String(error);\n"
    "    }\n"
    "});\n";
