/* SPDX-License-Identifier: MIT */
/* civetweb's own messages go to the log_message callback, to stderr before there is one. */
static void mg_cry_internal_impl(const struct mg_connection *conn, const char *func, unsigned line,
                                 const char *fmt, va_list ap)
{
    char text[MG_BUF_LEN];

    (void)func;
    (void)line;
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        return;
    if (!conn || !conn->phys_ctx->callbacks.log_message ||
        !conn->phys_ctx->callbacks.log_message(conn, text))
        fprintf(stderr, "civetweb: %s\n", text);
}
