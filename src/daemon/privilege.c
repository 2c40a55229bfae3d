/* SPDX-License-Identifier: Apache-2.0 */
/* privilege.c - from root to somebody with less.
 *
 * Root is needed for a port below 1024 and for a certificate's key, and for nothing afterwards. Groups go first, since only root may
 * set them; at the end it is tried whether root can be had back, because a user who keeps a way back has dropped nothing. */
#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors that are not connections to us: state, deliveries, runs. Where there are few, a quarter of them is for connections. */
#define OTHER_FILES 256

enum ls_code ls_privilege_drop(const char *user, struct ls_error *err)
{
    struct passwd entry, *found = NULL;
    char buf[4096];

    if (getpwnam_r(user, &entry, buf, sizeof buf, &found) != 0 || !found)
        return ls_error_set(err, LS_CONFIG, "server.user: there is no user %s", user);
    if (geteuid() == entry.pw_uid && getuid() == entry.pw_uid)
        return LS_OK;
    if (geteuid() != 0)
        return ls_error_set(err, LS_PERMISSION,
                            "only root can become another user: start as root or as %s, or take "
                            "server.user out of the configuration",
                            user);
    if (initgroups(user, entry.pw_gid) != 0 ||
        setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid) != 0 ||
        setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid) != 0)
        return ls_error_errno(err, errno, "cannot become user %s", user);
    if (entry.pw_uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return ls_error_set(err, LS_PERMISSION, "user %s can become root again", user);
    return LS_OK;
}

void ls_privilege_harden(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

unsigned ls_privilege_connections(void)
{
    struct rlimit files = {0};
    rlim_t room;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    room = files.rlim_cur > 2 * OTHER_FILES ? files.rlim_cur - OTHER_FILES : files.rlim_cur / 4;
    return room > 1000000 ? 1000000 : (unsigned)room;
}
