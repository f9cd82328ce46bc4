/* SPDX-License-Identifier: MIT */
/*
 * The report on uptime as one page that needs nothing else: no script, no other
 * file. A chart per app: what ran is a full bar, what did not a half one, hatched,
 * and what is unknown dots, so that it reads without colour.
 */
#include "gateway/report_internal.h"

#include <string.h>

/* Spans that lie closer than such a part of the window are drawn as one, and none is drawn
 * narrower: it would not be seen. */
#define RESOLUTION 1000
/* Rows of the table of spans: of more, the latest are shown. */
#define ROWS_MAX 100
/* Of more apps than that, charts and figures are all there is: a browser has to hold the page. */
#define DETAILED_APPS_MAX 1000
/* No label begins past so many percent of the axis. */
#define LABEL_END 95

static const char style[] =
    ":root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b2330;--soft:#5a6677;"
    "--line:#dfe3e9;--run:#23708f;--stop:#c8501e;--dot:#98a3b1}"
    "@media(prefers-color-scheme:dark){:root{--page:#12161c;--card:#1a2029;--ink:#e8ecf2;"
    "--soft:#9aa7b8;--line:#2c3542;--run:#5fb3d4;--stop:#f28b52;--dot:#6f7c8d}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;"
    "font-variant-numeric:tabular-nums}"
    "main{max-width:64rem;margin:0 auto;padding:2rem 1.25rem 3rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .35rem;letter-spacing:-.01em}"
    "h2{font-size:1rem;margin:0;overflow-wrap:anywhere;font-weight:600}"
    "p{margin:0}.soft{color:var(--soft)}"
    "dl{margin:0;display:flex;flex-wrap:wrap}dt{color:var(--soft);font-size:.8rem}dd{margin:0}"
    ".sum{margin:1.5rem 0 1.25rem;gap:1px;background:var(--line);border:1px solid var(--line);"
    "border-radius:.6rem;overflow:hidden}"
    ".sum div{flex:1 1 8.5rem;background:var(--card);padding:.7rem .9rem}"
    ".sum dd{font-size:1.3rem;font-weight:600;line-height:1.3}"
    ".sum small{display:block;font-size:.78rem;font-weight:400;color:var(--soft);"
    "overflow-wrap:anywhere}"
    ".key{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;margin:0 0 1rem;padding:0;list-style:none;"
    "font-size:.85rem;color:var(--soft)}.key svg{vertical-align:-.2em;margin-right:.45em}"
    ".app{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:.9rem 1rem .75rem;margin:0 0 .75rem;break-inside:avoid}"
    ".top{display:flex;gap:1rem;justify-content:space-between;align-items:baseline}"
    ".top strong{font-size:1.15rem;white-space:nowrap}"
    ".chart{display:block;width:100%;height:46px;margin:.5rem 0 .55rem;overflow:visible}"
    "#axis text{fill:var(--soft);font-size:11px}.t{stroke:var(--line)}.m{stroke:var(--dot)}"
    ".g{stroke:var(--card);opacity:.4}"
    ".u{fill:url(#dots)}.k{fill:var(--card)}.r{fill:var(--run)}.d{fill:url(#hatch)}"
    ".f{fill:none;stroke:var(--line)}.hs{stroke:var(--stop);stroke-width:3}"
    ".hb{fill:var(--stop);opacity:.45}.dd{fill:var(--dot)}"
    "h2 small{font-weight:400;color:var(--soft);margin-left:.6em;white-space:nowrap}"
    ".fig{display:grid;gap:.2rem 1rem;font-size:.9rem;"
    "grid-template-columns:repeat(4,minmax(0,1fr)) repeat(2,minmax(0,1.6fr))}"
    "details{margin-top:.5rem;font-size:.85rem}summary{color:var(--soft);cursor:pointer}"
    "table{border-collapse:collapse;margin:.5rem 0 .25rem}"
    "th,td{text-align:left;padding:.15rem 1.25rem .15rem 0;border-bottom:1px solid var(--line)}"
    "th{font-weight:600;color:var(--soft)}td:last-child,th:last-child{text-align:right;padding-"
    "right:0}"
    "footer{margin-top:1.5rem;font-size:.85rem;color:var(--soft);max-width:44rem}"
    "@media(max-width:40rem){#axis .s{display:none}main{padding:1.25rem .75rem}"
    ".fig{grid-template-columns:repeat(2,minmax(0,1fr))}.top{display:block}}"
    "@page{margin:14mm}"
    "@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--run:#23708f;"
    "--stop:#c8501e;--dot:#777;color-scheme:light}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}html{font-size:11px}"
    "body{font-size:1rem}#axis text{font-size:9px}"
    "main{max-width:none;padding:1px}details:not([open]){display:none}.app{margin-bottom:3mm}"
    "h1,.sum,.key{break-inside:avoid;break-after:avoid}}";

/* Patterns by which the charts fill; the hatch has nothing in its upper half. */
static const char patterns[] =
    "<pattern id=\"hatch\" width=\"6\" height=\"24\" patternUnits=\"userSpaceOnUse\">"
    "<rect class=\"k\" y=\"12\" width=\"6\" height=\"12\"/>"
    "<rect class=\"hb\" y=\"12\" width=\"6\" height=\"12\"/>"
    "<path class=\"hs\" d=\"M-3 27L9 15M-3 21L9 9M-3 33L9 21\" clip-path=\"url(#half)\"/></pattern>"
    "<clipPath id=\"half\"><rect y=\"12\" width=\"6\" height=\"12\"/></clipPath>"
    "<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
    "<circle class=\"dd\" cx=\"3\" cy=\"3\" r=\"1\"/></pattern>";

static void add_escaped(struct berth_strbuf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            berth_strbuf_adds(out, "&amp;");
            break;
        case '<':
            berth_strbuf_adds(out, "&lt;");
            break;
        case '>':
            berth_strbuf_adds(out, "&gt;");
            break;
        case '"':
            berth_strbuf_adds(out, "&quot;");
            break;
        case '\'':
            berth_strbuf_adds(out, "&#39;");
            break;
        default:
            berth_strbuf_addc(out, *text);
        }
    }
}

static void add_duration(struct berth_strbuf *out, int64_t ms)
{
    if (ms > 0 && ms < 1000)
        berth_strbuf_adds(out, "&lt;1s");
    else
        berth_report_add_duration(out, ms);
}

static void add_share(struct berth_strbuf *out, int64_t part_ms, int64_t whole_ms)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(32);
    berth_report_add_share(&text, part_ms, whole_ms);
    add_escaped(out, berth_strbuf_str(&text));
}

/* Thousandths of a percent of the window, written as a percentage. */
static void add_percent(struct berth_strbuf *out, int64_t part)
{
    berth_strbuf_addf(out, "%lld", (long long)(part / 1000));
    if (part % 1000)
        berth_strbuf_addf(out, ".%03lld", (long long)(part % 1000));
    berth_strbuf_addc(out, '%');
}

static int64_t part_of(const struct report *report, int64_t at_ms)
{
    return (at_ms - report->from_ms) * 100000 / (report->to_ms - report->from_ms);
}

/* ---- The page ---- */

static void add_line(struct berth_strbuf *out, int64_t part, char class_name, int from_y, int to_y)
{
    berth_strbuf_addf(out, "<line class=\"%c\" y1=\"%d\" y2=\"%d\" x1=\"", class_name, from_y,
                      to_y);
    add_percent(out, part);
    berth_strbuf_adds(out, "\" x2=\"");
    add_percent(out, part);
    berth_strbuf_adds(out, "\"/>");
}

/* Drawn once, and used by each chart. */
static void add_axis(const struct report *report, struct berth_strbuf *out)
{
    struct berth_report_tick ticks[BERTH_REPORT_TICKS_MAX];
    size_t count = berth_report_ticks(report->window, report->from_ms, report->to_ms, ticks);
    berth_strbuf_adds(out, "<g id=\"axis\">");
    for (size_t i = 0, labels = 0; i < count; i++) {
        int64_t part = part_of(report, ticks[i].at_ms);
        bool label = ticks[i].label[0] != '\0';
        if (label)
            add_line(out, part, 'g', 1, 23);
        add_line(out, part, label ? 'm' : 't', 24, label ? 31 : 28);
        if (!label || part > LABEL_END * 1000)
            continue;
        /* Every other one gives way where there is little room. */
        berth_strbuf_addf(out, "<text y=\"43\" dx=\"3\"%s x=\"",
                          labels++ % 2 ? " class=\"s\"" : "");
        add_percent(out, part);
        berth_strbuf_addf(out, "\">%s</text>", ticks[i].label);
    }
    berth_strbuf_adds(out, "</g>");
}

static void add_name(const struct report *report, struct berth_strbuf *out)
{
    const struct berth_facility_config *facility = report->facility;
    add_escaped(out, facility->title && facility->title[0] ? facility->title : facility->id);
}

static void open_figure(struct berth_strbuf *out, const char *name)
{
    berth_strbuf_addf(out, "<div><dt>%s</dt><dd>", name);
}

static void close_figure(struct berth_strbuf *out)
{
    berth_strbuf_adds(out, "</dd></div>");
}

static void add_summary(const struct report *report, struct berth_strbuf *out)
{
    berth_strbuf_adds(out, "<dl class=\"sum\">");
    open_figure(out, "Running");
    add_share(out, report->running_ms, report->observed_ms);
    berth_strbuf_adds(out, "<small>of the time observed</small>");
    close_figure(out);
    open_figure(out, "Apps");
    berth_strbuf_addf(out, "%zu<small>%zu running when last seen</small>", report->app_count,
                      report->running_count);
    close_figure(out);
    open_figure(out, "Observed");
    add_duration(out, report->observed_ms);
    berth_strbuf_adds(out, "<small>all apps together</small>");
    close_figure(out);
    open_figure(out, "Unknown");
    add_duration(out, report->unknown_ms);
    berth_strbuf_adds(out, "<small>in no other figure</small>");
    close_figure(out);
    open_figure(out, "Interruptions");
    berth_strbuf_addf(out, "%lld<small>running, then not</small>",
                      (long long)report->interruptions);
    close_figure(out);
    open_figure(out, "Longest outage");
    add_duration(out, report->longest_outage_ms);
    berth_strbuf_adds(out, "<small>");
    add_escaped(out, report->longest_app[0] ? report->longest_app : "none was seen");
    berth_strbuf_adds(out, "</small>");
    close_figure(out);
    berth_strbuf_adds(out, "</dl>\n");
}

static void add_key(struct berth_strbuf *out)
{
    static const struct {
        const char *class_name;
        const char *text;
    } keys[] = {{"r", "running"}, {"d", "not running"}, {"u", "unknown"}};
    berth_strbuf_adds(out, "<ul class=\"key\">");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        berth_strbuf_addf(out,
                          "<li><svg width=\"30\" height=\"16\" viewBox=\"0 0 45 24\" "
                          "aria-hidden=\"true\"><rect class=\"%s\" width=\"45\" height=\"24\"/>"
                          "<rect class=\"f\" x=\".5\" y=\".5\" width=\"44\" height=\"23\"/></svg>%s"
                          "</li>",
                          keys[i].class_name, keys[i].text);
    berth_strbuf_adds(out, "</ul>\n");
}

static void begin_html(struct report *report, struct berth_strbuf *out)
{
    berth_strbuf_adds(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" "
             "content=\"default-src 'none';style-src 'unsafe-inline'\">\n<title>Uptime of ");
    add_name(report, out);
    berth_strbuf_addf(out, ", the last %s</title>\n<style>%s</style>\n</head>\n<body>\n",
                      berth_report_window_name(report->window), style);
    berth_strbuf_addf(out,
                      "<svg width=\"0\" height=\"0\" style=\"position:absolute\" "
                      "aria-hidden=\"true\"><defs>%s",
                      patterns);
    add_axis(report, out);
    berth_strbuf_adds(out, "</defs></svg>\n<main>\n<header>\n<h1>Uptime of ");
    add_name(report, out);
    berth_strbuf_adds(out, "</h1>\n<p class=\"soft\">");
    if (report->facility->title && report->facility->title[0])
        berth_strbuf_addf(out, "Facility %s, ", report->facility->id);
    berth_strbuf_addf(out, "%she last %s: ", berth_strbuf_str(out)[out->len - 2] == ',' ? "t" : "T",
                      berth_report_window_name(report->window));
    berth_report_add_time(out, report->from_ms);
    berth_strbuf_adds(out, " to ");
    berth_report_add_time(out, report->to_ms);
    berth_strbuf_adds(out, "</p>\n</header>\n");
    if (report->app_count > 0) {
        add_summary(report, out);
        add_key(out);
    } else {
        berth_strbuf_adds(out,
                          "<p class=\"app\" style=\"margin-top:1.5rem\">No app was seen in this "
                          "time.</p>\n");
    }
}

/* ---- A chart ---- */

static bool is_detailed(const struct report *report)
{
    return report->app_count <= DETAILED_APPS_MAX;
}

/* class: k(nown), r(unning), d(own). */
static void add_rect(const struct report *report, int64_t from_ms, int64_t to_ms, char class_name,
                     struct berth_strbuf *out)
{
    int64_t from = part_of(report, from_ms);
    int64_t width = part_of(report, to_ms) - from;
    if (width < 100000 / RESOLUTION)
        width = 100000 / RESOLUTION;
    if (from > 100000 - width)
        from = 100000 - width;
    berth_strbuf_addf(out, "<rect class=\"%c\" height=\"24\" x=\"", class_name);
    add_percent(out, from);
    berth_strbuf_adds(out, "\" width=\"");
    add_percent(out, width);
    if (class_name == 'k' || !is_detailed(report)) {
        berth_strbuf_adds(out, "\"/>");
        return;
    }
    berth_strbuf_addf(out, "\"><title>%s, ", class_name == 'r' ? "running" : "not running");
    berth_report_add_time(out, from_ms);
    berth_strbuf_adds(out, " to ");
    berth_report_add_time(out, to_ms);
    berth_strbuf_adds(out, "</title></rect>");
}

static bool is_of_class(const struct berth_uptime_span *span, char class_name)
{
    if (span->state == BERTH_APP_UNKNOWN)
        return false;
    return class_name == 'k' || (class_name == 'r') == (span->state == BERTH_APP_RUNNING);
}

/* The spans of a class, of which neighbours that cannot be told apart are one. */
static void add_rects(const struct report *report, const struct berth_uptime_app *app,
                      char class_name, struct berth_strbuf *out)
{
    int64_t near_ms = (report->to_ms - report->from_ms) / RESOLUTION;
    int64_t from_ms = 0;
    int64_t to_ms = -1; /* none yet */
    for (size_t i = 0; i < app->span_count; i++) {
        const struct berth_uptime_span *span = &app->spans[i];
        if (!is_of_class(span, class_name))
            continue;
        if (to_ms >= 0 && span->from_ms - to_ms < near_ms) {
            to_ms = span->to_ms;
            continue;
        }
        if (to_ms >= 0)
            add_rect(report, from_ms, to_ms, class_name, out);
        from_ms = span->from_ms;
        to_ms = span->to_ms;
    }
    if (to_ms >= 0)
        add_rect(report, from_ms, to_ms, class_name, out);
}

static void add_chart(const struct report *report, const struct berth_uptime_app *app,
                      struct berth_strbuf *out)
{
    const struct berth_uptime_figures *figures = &app->figures;
    size_t id = report->index;
    berth_strbuf_addf(out,
                      "<svg class=\"chart\" role=\"img\" aria-labelledby=\"t%zu d%zu\">"
                      "<title id=\"t%zu\">Uptime of ",
                      id, id, id);
    add_escaped(out, app->name);
    berth_strbuf_addf(out, "</title><desc id=\"d%zu\">Running ", id);
    add_share(out, figures->running_ms, figures->observed_ms);
    berth_strbuf_adds(out, " of ");
    add_duration(out, figures->observed_ms);
    berth_strbuf_adds(out, " observed, ");
    add_duration(out, figures->unknown_ms);
    berth_strbuf_addf(out, " unknown; %lld interruption%s, the longest outage ",
                      (long long)figures->interruptions, figures->interruptions == 1 ? "" : "s");
    add_duration(out, figures->longest_outage_ms);
    berth_strbuf_adds(out, ".</desc><rect class=\"u\" width=\"100%\" height=\"24\"/>");
    if (app->first_ms > report->from_ms)
        add_rect(report, report->from_ms, app->first_ms, 'k', out);
    add_rects(report, app, 'k', out);
    add_rects(report, app, 'r', out);
    add_rects(report, app, 'd', out);
    berth_strbuf_adds(out, "<rect class=\"f\" width=\"100%\" height=\"24\"/>"
                           "<use href=\"#axis\"/></svg>\n");
}

/* ---- An app ---- */

static void add_time_figure(struct berth_strbuf *out, const char *name, int64_t ms)
{
    open_figure(out, name);
    berth_report_add_time(out, ms);
    close_figure(out);
}

static void add_duration_figure(struct berth_strbuf *out, const char *name, int64_t ms)
{
    open_figure(out, name);
    add_duration(out, ms);
    close_figure(out);
}

static void add_figures(const struct berth_uptime_app *app, struct berth_strbuf *out)
{
    const struct berth_uptime_figures *figures = &app->figures;
    berth_strbuf_adds(out, "<dl class=\"fig\">");
    add_duration_figure(out, "Observed", figures->observed_ms);
    add_duration_figure(out, "Unknown", figures->unknown_ms);
    open_figure(out, "Interruptions");
    berth_strbuf_addf(out, "%lld", (long long)figures->interruptions);
    close_figure(out);
    add_duration_figure(out, "Longest outage", figures->longest_outage_ms);
    add_time_figure(out, "First seen", app->first_ms);
    add_time_figure(out, "Last seen", figures->last_ms);
    berth_strbuf_adds(out, "</dl>\n");
}

static void add_spans(const struct berth_uptime_app *app, struct berth_strbuf *out)
{
    size_t first = app->span_count > ROWS_MAX ? app->span_count - ROWS_MAX : 0;
    berth_strbuf_addf(out, "<details><summary>%zu span%s", app->span_count,
                      app->span_count == 1 ? "" : "s");
    if (first > 0)
        berth_strbuf_addf(out, ", the latest %d; the format json has all", ROWS_MAX);
    berth_strbuf_adds(out, "</summary><table><tr><th>State</th><th>From</th><th>To</th>"
                           "<th>Length</th></tr>\n");
    for (size_t i = first; i < app->span_count; i++) {
        const struct berth_uptime_span *span = &app->spans[i];
        berth_strbuf_addf(out, "<tr><td>%s</td><td>", berth_app_state_name(span->state));
        berth_report_add_time(out, span->from_ms);
        berth_strbuf_adds(out, "</td><td>");
        berth_report_add_time(out, span->to_ms);
        berth_strbuf_adds(out, "</td><td>");
        add_duration(out, span->to_ms - span->from_ms);
        berth_strbuf_adds(out, "</td></tr>\n");
    }
    berth_strbuf_adds(out, "</table></details>\n");
}

static void add_html(struct report *report, const struct berth_uptime_app *app,
                     struct berth_strbuf *out)
{
    berth_strbuf_adds(out, "<section class=\"app\">\n<div class=\"top\"><h2>");
    add_escaped(out, app->name);
    if (app->user[0]) {
        berth_strbuf_adds(out, "<small>user ");
        add_escaped(out, app->user);
        berth_strbuf_adds(out, "</small>");
    }
    berth_strbuf_adds(out, "</h2><strong>");
    add_share(out, app->figures.running_ms, app->figures.observed_ms);
    berth_strbuf_adds(out, "</strong></div>\n");
    add_chart(report, app, out);
    add_figures(app, out);
    if (is_detailed(report))
        add_spans(app, out);
    berth_strbuf_adds(out, "</section>\n");
}

static void end_html(struct report *report, struct berth_strbuf *out)
{
    berth_strbuf_adds(
        out,
        "<footer>Percentages are of the time in which an app's state was known. What berth could "
        "not see is unknown and counts as neither running nor not: while the gateway was not "
        "running or had no contact with the engine, and between an app's deletion and its next "
        "creation. Before an app was first seen its chart is empty. An interruption is an app "
        "seen running and then not.");
    if (!is_detailed(report))
        berth_strbuf_addf(out,
                          " With more than %d apps the single spans are left out; the format json "
                          "has them.",
                          DETAILED_APPS_MAX);
    berth_strbuf_adds(out, "</footer>\n</main>\n</body>\n</html>\n");
}

const struct berth_report_format berth_report_html = {"html", begin_html, add_html, end_html};
