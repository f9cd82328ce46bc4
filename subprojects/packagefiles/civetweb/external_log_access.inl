/* SPDX-License-Identifier: MIT */
/* No access log of civetweb's: the gateway writes its own. */
static void log_access(const struct mg_connection *conn)
{
    (void)conn;
}
