/* SPDX-License-Identifier: MIT */
/*
 * The profile of system calls: a file in Docker's form, which the distribution
 * has, as the object linux.seccomp of an OCI runtime's configuration, for this
 * machine and for apps with certain capabilities.
 *
 * The distribution's is Podman's: it lets a container make namespaces, and in
 * them be root, whom the kernel lets do much that it is not asked for
 * otherwise. Docker's does not, and neither does what is made of the
 * distribution's here; one that is configured is taken as it is.
 *
 * Threading: stateless.
 */
#ifndef BERTH_BACKENDS_ROOTFS_ROOTFS_SECCOMP_H
#define BERTH_BACKENDS_ROOTFS_ROOTFS_SECCOMP_H

#include "base/strbuf.h"

/* Where the distribution has it: Debian's golang-github-containers-common, Fedora's
 * containers-common. */
#define BERTH_SECCOMP_FILE "/usr/share/containers/seccomp.json"

/* What a profile depends on besides itself. */
struct berth_rootfs_seccomp_host {
    const char *machine;             /* as Docker calls it: "amd64" */
    const char *release;             /* of the kernel: "6.1.0-32-amd64" */
    const char *const *capabilities; /* without CAP_; NULL at the end */
    bool is_closed;                  /* no namespaces and mounts, whatever the profile says */
};

/* Appends the object. BERTH_E_INVALID: this is no profile, or none for this machine. */
BERTH_MUST_CHECK int berth_rootfs_seccomp_translate(const char *profile, size_t len,
                                                    const struct berth_rootfs_seccomp_host *host,
                                                    struct berth_strbuf *out,
                                                    struct berth_error *err);

/* The same of a file, NULL: the distribution's, closed, for this host and the capabilities of apps.
 */
BERTH_MUST_CHECK int berth_rootfs_seccomp_load(const char *path, struct berth_strbuf *out,
                                               struct berth_error *err);

#endif
