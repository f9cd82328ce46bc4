/* SPDX-License-Identifier: MIT */
/*
 * Every limit on what comes from outside, by name. Each has a test at the
 * limit and one past it. Sizes in bytes without the terminating NUL.
 */
#ifndef BERTH_BASE_LIMITS_H
#define BERTH_BASE_LIMITS_H

/* Requests */
#define BERTH_TARGET_MAX       8192  /* path and query together */
#define BERTH_PARAMS_MAX       32    /* query parameters of one request */
#define BERTH_PARAM_MAX        4096  /* one decoded parameter value */
#define BERTH_BATCH_MAX        100   /* names in one comma-separated list */
#define BERTH_REQUEST_ID_MAX   64    /* a client's own X-Request-Id */
#define BERTH_CREDENTIALS_MAX  1024  /* the Authorization header */
#define BERTH_BODY_MAX_DEFAULT 65536 /* request bodies where a route says nothing else */

/* Names */
#define BERTH_FACILITY_ID_MAX 32
#define BERTH_USER_MAX        64
#define BERTH_IMAGE_NAME_MAX  255 /* repository with host; Docker's own bound */
#define BERTH_TAG_MAX         128
#define BERTH_DIGEST_MAX      255
#define BERTH_APP_MAX         (BERTH_IMAGE_NAME_MAX + 2 + BERTH_USER_MAX)
#define BERTH_HOSTNAME_MAX    253
#define BERTH_PASSWORD_MIN    8
#define BERTH_PASSWORD_MAX    256
#define BERTH_REASON_MAX      500 /* why an image was rejected */

/* Containers of the MiniRun API */
#define BERTH_MINIRUN_NAME_MAX    64
#define BERTH_MINIRUN_ROOTFS_MAX  4095 /* of a path */
#define BERTH_MINIRUN_COMMAND_MAX 16384
#define BERTH_MINIRUN_FILE_MAX    65536 /* bytes of a file to import */
#define BERTH_MINIRUN_FILES_MAX   10000

/* Containers of the containers API */
#define BERTH_VARIABLES_MAX        256
#define BERTH_VARIABLE_NAME_MAX    128
#define BERTH_VARIABLE_VALUE_MAX   32768
#define BERTH_CONTAINER_TAGS_MAX   32
#define BERTH_CONTAINER_TAG_MAX    64
#define BERTH_CONTAINER_PORTS_MAX  64
#define BERTH_CONTAINER_MEMORY_MIN (6 << 20) /* the engine's own */
#define BERTH_CONTAINER_PIDS_MAX   4194304
#define BERTH_CONTAINERS_PAGE_MAX  200 /* of one listing */

/* Answers kept for their Idempotency-Key */
#define BERTH_IDEMPOTENCY_KEY_MAX  255
#define BERTH_IDEMPOTENCY_BODY_MAX 65536
#define BERTH_IDEMPOTENCY_KEPT_MAX 1000 /* of one caller in one facility */

/* Bodies in chunks */
#define BERTH_CHUNK_LINE_MAX    256  /* the extensions of one */
#define BERTH_CHUNK_TRAILER_MAX 8192 /* what follows the last */

/* Watching */
#define BERTH_CHANGES_KEPT        4096  /* latest changes of a facility, for watchers to catch up */
#define BERTH_WATCH_HEARTBEAT_MS  15000 /* of silence, after which a comment is sent */
#define BERTH_WATCH_SHARE         2     /* watchers take one worker in so many at most, */
#define BERTH_WATCH_OF_FACILITY   4     /* those of one facility one in so many, */
#define BERTH_WATCH_OF_USER       8     /* and those of one user there one in so many */
#define BERTH_WATCH_RETRY_AFTER_S 5     /* for one watcher too many */
#define BERTH_IMAGE_PROGRESS_MS   500   /* between two events on the progress of one pull, */
#define BERTH_UPLOAD_PROGRESS_MS  500   /* and of one upload */

/* Terminals */
#define BERTH_TERMINAL_MESSAGE_MAX (256U << 10) /* one message of a client */
#define BERTH_TERMINAL_INPUT_MAX   (64U << 10)  /* waiting for the app: past it nothing is read */
#define BERTH_TERMINAL_REPLAY_MAX  (128U << 10) /* output kept for a client that comes back */
#define BERTH_TERMINAL_RESUME_MS   60000        /* for which it may */
#define BERTH_TERMINAL_PING_MS     20000        /* of silence, after which a ping is sent */
#define BERTH_TERMINAL_SILENCE_MS  60000        /* after which a client counts as gone */
#define BERTH_TERMINAL_SIZE_MAX    65535        /* columns, rows */
#define BERTH_TERMINAL_SHARE       8            /* open terminals take of eight workers */
#define BERTH_TERMINAL_OF_GATEWAY  3            /* three at most, */
#define BERTH_TERMINAL_OF_FACILITY 2            /* those of one facility two, */
#define BERTH_TERMINAL_OF_USER     1            /* and those of one user there one */

/* API tokens */
#define BERTH_TOKEN_LABEL_MAX     64
#define BERTH_TOKENS_PER_USER_MAX 100
#define BERTH_TOKEN_DAYS_MAX      3650 /* until a token expires that does */

/* Engines */
#define BERTH_COPY_WHY_MAX 511 /* why a node lacks an image */
#define BERTH_ENGINE_ANSWER_MAX                                                                    \
    (256U << 20)                          /* one answer of an engine: a listing of 100,000 apps */
#define BERTH_ENGINE_EVENT_MAX (1U << 20) /* one line of an event stream */
#define BERTH_JSON_DEPTH_MAX   100

/* The agent on a node */
#define BERTH_RELAY_ID_MAX      255         /* a container's id or name */
#define BERTH_RELAY_BODY_MAX    (1U << 20)  /* what a process is started by */
#define BERTH_RELAY_INSPECT_MAX (4U << 20)  /* a container's object */
#define BERTH_RELAY_REFUSAL_MAX (64U << 10) /* what an engine says with a refusal */
#define BERTH_AGENT_CONNECTIONS 256         /* at once; one more waits */

/* Root file systems */
#define BERTH_ROOTFS_PATH_MAX   4095       /* of one that is asked for */
#define BERTH_ROOTFS_USERNS_MIN 65536      /* user ids of a namespace: what a system has in use */
#define BERTH_SECCOMP_FILE_MAX  (1U << 20) /* a profile of system calls */

/* Files in YAML */
#define BERTH_YAML_DEPTH_MAX 32
#define BERTH_YAML_NODES_MAX 5000 /* values and keys, each use of an alias counted */

/* Compose files of their owners */
#define BERTH_COMPOSE_TEXT_MAX       65536
#define BERTH_COMPOSE_CONTAINERS_MAX 16 /* of one project, replicas counted */
#define BERTH_COMPOSE_PORTS_MAX      64 /* of the host, of one project */

/* Files of apps */
#define BERTH_FILES_PATH_MAX      1024               /* of one in an archive */
#define BERTH_FILES_DEPTH_MAX     100                /* folders within each other */
#define BERTH_ARCHIVE_ENTRIES_MAX 100000             /* files and folders of one */
#define BERTH_ARCHIVE_BYTES_MAX   (INT64_C(1) << 40) /* unpacked */
#define BERTH_ARCHIVE_RATIO_MAX   200                /* bytes unpacked for each of the archive, */
#define BERTH_ARCHIVE_RATIO_FROM  (64 << 20)         /* where it has more than so many */

/* Programs that are run */
#define BERTH_COMMAND_MAX        4096  /* one as people write it, */
#define BERTH_COMMAND_WORDS_MAX  256   /* and its words */
#define BERTH_PROCESS_OUTPUT_MAX 65536 /* what is kept of each of its outputs */

/* Configuration */
#define BERTH_CONFIG_LINE_MAX 8192 /* holds the longest value of a key */
#define BERTH_FACILITIES_MAX  1000
#define BERTH_LISTENERS_MAX   16

#endif
