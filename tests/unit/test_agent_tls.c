/* SPDX-License-Identifier: MIT */
/* Who is let in, and with what: handshakes in memory, without a socket. */
#include "gateway/agent_tls.h"

#include "tests/unit/certificates.h"
#include "tests/unit/unit.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct certificate_subject authority_subject = {.name = "authority"};
static const struct certificate_subject worker = {
    .organisation = "swarm", .unit = BERTH_SWARM_WORKER_OU, .name = "worker"};
static const struct certificate_subject manager = {
    .organisation = "swarm", .unit = BERTH_SWARM_MANAGER_OU, .name = "manager"};
static const struct certificate_subject plain = {.name = "gateway"};

START_TEST(managers_of_the_same_swarm_alone)
{
    static const struct {
        const char *what;
        struct berth_subject own, client;
        bool is_admitted;
    } rows[] = {
        {"a manager, by a worker", {"s", "swarm-worker", "a"}, {"s", "swarm-manager", "b"}, true},
        {"a manager, by a manager", {"s", "swarm-manager", "a"}, {"s", "swarm-manager", "b"}, true},
        {"a worker", {"s", "swarm-worker", "a"}, {"s", "swarm-worker", "b"}, false},
        {"the node itself", {"s", "swarm-worker", "a"}, {"s", "swarm-worker", "a"}, false},
        {"of another swarm", {"s", "swarm-worker", "a"}, {"t", "swarm-manager", "b"}, false},
        {"of no swarm", {"s", "swarm-worker", "a"}, {"", "swarm-manager", "b"}, false},
        {"both of no swarm", {"", "swarm-worker", "a"}, {"", "swarm-manager", "b"}, false},
        {"without a unit", {"s", "swarm-worker", "a"}, {"s", "", "b"}, false},
        {"the swarm's authority", {"s", "swarm-worker", "a"}, {"s", "swarm-ca", "b"}, false},
        {"anybody, by one of no swarm", {"", "", "a"}, {"", "", "b"}, true},
        {"a worker, by one of no swarm", {"s", "", "a"}, {"s", "swarm-worker", "b"}, true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(berth_agent_tls_admits(&rows[i].own, &rows[i].client) == rows[i].is_admitted,
                      "%s", rows[i].what);
}
END_TEST

/* ---- Handshakes ---- */

struct agent {
    struct certificate authority, own;
    char *ca, *certificate, *key;
    struct berth_credential_store *store;
    struct berth_agent_tls *tls;
};

static struct agent open_agent(const struct certificate_subject *subject)
{
    struct agent agent = {.authority = certificate_make(&authority_subject, NULL),
                          .ca = unit_scratch("ca"),
                          .certificate = unit_scratch("cert"),
                          .key = unit_scratch("key")};
    agent.own = certificate_make(subject, &agent.authority);
    certificate_write(&agent.authority, agent.ca);
    certificate_write(&agent.own, agent.certificate);
    certificate_write_key(&agent.own, "raft-dek: CiBq\n", agent.key);
    const struct berth_credential_files files = {agent.ca, agent.certificate, agent.key, false};
    ck_assert_int_eq(berth_credential_store_open(&files, &agent.store, NULL), 0);
    ck_assert_int_eq(berth_agent_tls_open(agent.store, &agent.tls, NULL), 0);
    return agent;
}

static void close_agent(struct agent *agent)
{
    berth_agent_tls_close(agent->tls);
    berth_credential_store_close(agent->store);
    certificate_release(&agent->authority);
    certificate_release(&agent->own);
    free(agent->ca);
    free(agent->certificate);
    free(agent->key);
}

static void step(SSL *ssl, bool *is_done, bool *is_broken)
{
    int r = *is_done || *is_broken ? 1 : SSL_do_handshake(ssl);
    if (r == 1)
        *is_done = !*is_broken;
    else if (SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ)
        *is_broken = true;
}

/* The name in the certificate that the agent has shown; NULL: the client was not let in. */
static char *shake_hands(struct agent *agent, const struct certificate *client, int version)
{
    static char shown[65];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *near = NULL;
    BIO *far = NULL;
    bool here = false;
    bool there = false;
    bool is_broken = false;
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, version), 1);
    if (client) {
        ck_assert_int_eq(SSL_CTX_use_certificate(context, client->x509), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, client->key), 1);
    }
    SSL *ours = SSL_new(context);
    SSL *theirs = SSL_new(berth_agent_tls_context(agent->tls));
    ck_assert_int_eq(BIO_new_bio_pair(&near, 0, &far, 0), 1);
    SSL_set_bio(ours, near, near);
    SSL_set_bio(theirs, far, far);
    SSL_set_connect_state(ours);
    SSL_set_accept_state(theirs);
    for (int i = 0; i < 20 && !(here && there); i++) {
        step(ours, &here, &is_broken);
        step(theirs, &there, &is_broken);
    }
    if (there) {
        struct berth_subject subject;
        berth_subject_read(SSL_get0_peer_certificate(ours), &subject);
        (void)snprintf(shown, sizeof(shown), "%s", subject.name);
        ck_assert_int_eq(SSL_session_reused(theirs), 0);
    }
    SSL_free(ours);
    SSL_free(theirs);
    SSL_CTX_free(context);
    return there ? shown : NULL;
}

START_TEST(who_shakes_hands)
{
    struct agent agent = open_agent(&worker);
    struct certificate stranger = certificate_make(&authority_subject, NULL);
    const struct {
        const char *what;
        const struct certificate_subject *subject; /* NULL: no certificate */
        const struct certificate *issuer;
        bool is_let_in;
    } rows[] = {
        {"a manager", &manager, &agent.authority, true},
        {"a worker", &worker, &agent.authority, false},
        {"of no role", &plain, &agent.authority, false},
        {"of another authority", &manager, &stranger, false},
        {"vouched for by itself", &manager, NULL, false},
        {"vouched for by a node", &manager, &agent.own, false},
        {"nobody", NULL, NULL, false},
    };
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (size_t v = 0; v < UNIT_COUNT(versions); v++) {
            struct certificate client = {0};
            if (rows[i].subject)
                client = certificate_make(rows[i].subject, rows[i].issuer);
            char *shown = shake_hands(&agent, rows[i].subject ? &client : NULL, versions[v]);
            bool is_let_in = rows[i].is_let_in && versions[v] != TLS1_1_VERSION;
            ck_assert_msg((shown != NULL) == is_let_in, "%s, %x", rows[i].what,
                          (unsigned)versions[v]);
            certificate_release(&client);
        }
    certificate_release(&stranger);
    close_agent(&agent);
}
END_TEST

START_TEST(one_of_no_swarm_lets_all_of_its_authority_in)
{
    struct agent agent = open_agent(&plain);
    struct certificate client = certificate_make(&worker, &agent.authority);
    ck_assert_ptr_nonnull(shake_hands(&agent, &client, TLS1_3_VERSION));
    certificate_release(&client);
    close_agent(&agent);
}
END_TEST

/* From the next connection on: the agent's own, and whom it takes. */
START_TEST(renewed_certificates_count_at_once)
{
    static const struct certificate_subject renewed = {
        .organisation = "swarm", .unit = BERTH_SWARM_WORKER_OU, .name = "renewed"};
    struct agent agent = open_agent(&worker);
    struct certificate before = certificate_make(&manager, &agent.authority);
    ck_assert_str_eq(shake_hands(&agent, &before, TLS1_3_VERSION), "worker");

    certificate_write_text("no key\n", agent.key);
    ck_assert_str_eq(shake_hands(&agent, &before, TLS1_3_VERSION), "worker");

    struct certificate authority = certificate_make(&authority_subject, NULL);
    struct certificate own = certificate_make(&renewed, &authority);
    struct certificate after = certificate_make(&manager, &authority);
    certificate_write(&authority, agent.ca);
    certificate_write(&own, agent.certificate);
    certificate_write_key(&own, NULL, agent.key);
    ck_assert_ptr_null(shake_hands(&agent, &before, TLS1_3_VERSION));
    ck_assert_str_eq(shake_hands(&agent, &after, TLS1_3_VERSION), "renewed");
    certificate_release(&before);
    certificate_release(&authority);
    certificate_release(&own);
    certificate_release(&after);
    close_agent(&agent);
}
END_TEST

UNIT_SUITE("agent_tls", managers_of_the_same_swarm_alone, who_shakes_hands,
           one_of_no_swarm_lets_all_of_its_authority_in, renewed_certificates_count_at_once)
