/* SPDX-License-Identifier: MIT */
/* docs/configuration.md says of every key what the table in config_keys.c says. */
#include "gateway/config_keys.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <string.h>

static char *read_page(void)
{
    FILE *file = fopen(UNIT_ROOT "/docs/configuration.md", "re");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    ck_assert_uint_gt(len, 0);
    ck_assert_int_eq(fclose(file), 0);
    return text;
}

static void add_type(const struct berth_config_key *key, struct berth_strbuf *row)
{
    static const char *const names[] = {
        [BERTH_CONFIG_STRING] = "text",
        [BERTH_CONFIG_STRINGS] = "text, repeatable",
        [BERTH_CONFIG_INT] = "number",
        [BERTH_CONFIG_SECONDS] = "seconds",
        [BERTH_CONFIG_SIZE] = "size",
        [BERTH_CONFIG_CPUS] = "CPUs",
        [BERTH_CONFIG_BOOL] = "yes or no",
        [BERTH_CONFIG_WORD] = "word",
        [BERTH_CONFIG_NODES] = "text, repeatable",
    };
    berth_strbuf_addf(row, " %s |", names[key->type]);
}

static void add_bounds(const struct berth_config_key *key, struct berth_strbuf *row)
{
    switch (key->type) {
    case BERTH_CONFIG_STRING:
    case BERTH_CONFIG_STRINGS:
    case BERTH_CONFIG_NODES:
        berth_strbuf_addf(row, " %" PRId64 " to %" PRId64 " characters |", key->min, key->max);
        return;
    case BERTH_CONFIG_WORD:
        for (size_t i = 0; key->words[i]; i++)
            berth_strbuf_addf(row, "%s%s", i ? ", " : " ", key->words[i]);
        berth_strbuf_adds(row, " |");
        return;
    case BERTH_CONFIG_BOOL:
        berth_strbuf_adds(row, " – |");
        return;
    case BERTH_CONFIG_INT:
    case BERTH_CONFIG_SECONDS:
    case BERTH_CONFIG_SIZE:
    case BERTH_CONFIG_CPUS:
        berth_strbuf_addf(row, " %" PRId64 " to %" PRId64 " |", key->min, key->max);
    }
}

/* The cells of the key's row that do not explain: "| `keep` | number | `5` | 0 to 100 | reload |".
 */
static void add_cells(const struct berth_config_key *key, struct berth_strbuf *row)
{
    berth_strbuf_addf(row, "| `%s` |", key->name);
    add_type(key, row);
    if (key->otherwise)
        berth_strbuf_addf(row, " `%s` |", key->otherwise);
    else
        berth_strbuf_adds(row, " – |");
    add_bounds(key, row);
    static const char *const effects[] = {
        [BERTH_CONFIG_RELOAD] = "reload",
        [BERTH_CONFIG_REOPEN] = "reopen",
        [BERTH_CONFIG_RESTART] = "restart",
    };
    berth_strbuf_addf(row, " %s |", effects[key->effect]);
}

/* Where the rows of the section's table begin. */
static const char *find_table(const char *page, const struct berth_config_section *section)
{
    static const char head[] =
        "\n| key | type | default | bounds | effect | meaning |\n|---|---|---|---|---|---|\n";
    char title[64];
    (void)snprintf(title, sizeof(title), "\n## [%s%s]\n", section->name,
                   strcmp(section->name, "facility") == 0 ? " ID" : "");
    const char *start = strstr(page, title);
    ck_assert_msg(start != NULL, "there is no %s", title + 1);
    const char *rows = strstr(start + 1, head);
    const char *next = strstr(start + 1, "\n## ");
    ck_assert_msg(rows && (!next || rows < next), "[%s] has no table", section->name);
    return rows + strlen(head);
}

START_TEST(each_section_is_the_table_of_its_keys)
{
    char *page = read_page();
    for (size_t s = 0; s < berth_config_section_count; s++) {
        const struct berth_config_section *section = &berth_config_sections[s];
        const char *row = find_table(page, section);
        for (size_t k = 0; k < section->count; k++) {
            struct berth_strbuf cells = BERTH_STRBUF_INIT(1024);
            add_cells(&section->keys[k], &cells);
            const char *expected = berth_strbuf_str(&cells);
            ck_assert_msg(strncmp(row, expected, cells.len) == 0, "[%s]: expected\n%s\nfound\n%.*s",
                          section->name, expected, (int)strcspn(row, "\n"), row);
            row += strcspn(row, "\n");
            ck_assert(*row++ == '\n');
            berth_strbuf_release(&cells);
        }
        ck_assert_msg(*row != '|', "[%s] has a row too many: %.*s", section->name,
                      (int)strcspn(row, "\n"), row);
    }
    free(page);
}
END_TEST

START_TEST(no_section_is_made_up)
{
    char *page = read_page();
    size_t count = 0;
    for (const char *title = page; (title = strstr(title, "\n## [")); title++)
        count++;
    ck_assert_uint_eq(count, berth_config_section_count);
    free(page);
}
END_TEST

UNIT_SUITE("config_docs", each_section_is_the_table_of_its_keys, no_section_is_made_up)
