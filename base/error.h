/* SPDX-License-Identifier: MIT */
/*
 * The one error object. Every fallible function returns 0 or a negative
 * enum berth_status and, on failure, fills the caller's struct berth_error:
 * a status, a message that may be shown to the client, and a private detail
 * that goes to the log alone. No heap: an error can always be reported.
 *
 * Outputs of a failed function are untouched. err may be NULL.
 *
 * Threading: an error belongs to its caller; no shared state.
 */
#ifndef BERTH_BASE_ERROR_H
#define BERTH_BASE_ERROR_H

#include "base/cleanup.h"

#include <stdarg.h>
#include <stddef.h>

/* What went wrong, in terms of the domain; each dialect maps it to HTTP in one table. */
enum berth_status {
    BERTH_OK = 0,
    BERTH_E_NOMEM = -1,        /* out of memory */
    BERTH_E_INTERNAL = -2,     /* a defect of ours, or a system call that should not fail */
    BERTH_E_IO = -3,           /* a file or socket of ours failed */
    BERTH_E_INVALID = -4,      /* the request is malformed: names the parameter and the rule */
    BERTH_E_TOO_LARGE = -5,    /* a limit on length or count was passed */
    BERTH_E_UNAUTHORISED = -6, /* no or wrong credentials */
    BERTH_E_FORBIDDEN = -7,    /* known caller, not allowed */
    BERTH_E_NOT_FOUND = -8,    /* no such app, host, user, image, facility */
    BERTH_E_EXISTS = -9,       /* the thing to be made is there already */
    BERTH_E_CONFLICT = -10,    /* wrong state for the operation */
    BERTH_E_UNSUPPORTED = -11, /* the backend has no such verb */
    BERTH_E_THROTTLED = -12,   /* too many attempts or requests; retry_after_s is set */
    BERTH_E_BUSY = -13,        /* max_inflight reached; retry_after_s is set */
    BERTH_E_REFUSED = -14,     /* the engine refused; its message is included */
    BERTH_E_UNREACHABLE = -15, /* the engine cannot be reached, or answers nonsense */
    BERTH_E_TIMEOUT = -16,     /* the engine was silent too long */
    BERTH_E_NO_SPACE = -17,    /* the disk is full; nothing was changed */
    BERTH_E_QUOTA = -18,       /* a policy's limit (apps per user) */
    BERTH_E_CANCELLED = -19,   /* shutting down, or the caller is gone */
    BERTH_E_PORT_IN_USE = -20, /* a port of the host that is wanted belongs to another */
};

#define BERTH_ERROR_MESSAGE_MAX 512
#define BERTH_ERROR_DETAIL_MAX  512

struct berth_error {
    enum berth_status status;
    unsigned retry_after_s;                /* 0: say nothing */
    const char *code;                      /* a constant word for the cause ("NO_BOOT_FILE"), where
                                              programs tell it from others of its status; or NULL */
    char message[BERTH_ERROR_MESSAGE_MAX]; /* public; UTF-8, one line */
    char detail[BERTH_ERROR_DETAIL_MAX];   /* private: for the log */
};

#define BERTH_ERROR_INIT                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

/*
 * Fills err (if not NULL) and returns status, so that a failure is one line:
 * return berth_error_set(err, BERTH_E_INVALID, "parameter name is missing");
 * A message that is too long is cut at a character boundary, control
 * characters become spaces. An argument may point into err.
 */
int berth_error_set(struct berth_error *err, enum berth_status status, const char *format, ...)
    BERTH_PRINTF(3, 4);

/* As berth_error_set, with a word for the cause. code: a constant text. */
int berth_error_set_coded(struct berth_error *err, enum berth_status status, const char *code,
                          const char *format, ...) BERTH_PRINTF(4, 5);

/* Gives the error that stands in err a word for its cause; berth_error_wrap keeps it, the next
 * berth_error_set drops it. */
void berth_error_code(struct berth_error *err, const char *code);

/* As berth_error_set, with strerror(errnum) in the private detail; ENOMEM and ENOSPC/EDQUOT keep
 * their own status. */
int berth_error_set_errno(struct berth_error *err, enum berth_status status, int errnum,
                          const char *format, ...) BERTH_PRINTF(4, 5);

/* Replaces the private detail. */
void berth_error_detail(struct berth_error *err, const char *format, ...) BERTH_PRINTF(2, 3);

/* Prepends "context: " to the public message; returns err->status, or BERTH_E_INTERNAL when err is
 * NULL: a caller with an optional err returns its own status. */
int berth_error_wrap(struct berth_error *err, const char *format, ...) BERTH_PRINTF(2, 3);

/* BERTH_E_NOMEM with its fixed message. */
int berth_error_nomem(struct berth_error *err);

void berth_error_clear(struct berth_error *err);

/* The status as a lower-case word for logs ("not_found"); never NULL. */
const char *berth_status_name(enum berth_status status);

#ifdef __clang_analyzer__ /* It looks at one file at a time: tell it that these never return 0. */
static inline int berth_error_is_negative(int status)
{
    if (status >= 0)
        __builtin_unreachable();
    return status;
}
#define berth_error_set(...)       berth_error_is_negative(berth_error_set(__VA_ARGS__))
#define berth_error_set_coded(...) berth_error_is_negative(berth_error_set_coded(__VA_ARGS__))
#define berth_error_set_errno(...) berth_error_is_negative(berth_error_set_errno(__VA_ARGS__))
#define berth_error_wrap(...)      berth_error_is_negative(berth_error_wrap(__VA_ARGS__))
#define berth_error_nomem(...)     berth_error_is_negative(berth_error_nomem(__VA_ARGS__))
#endif

#endif
