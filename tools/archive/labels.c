#include "archive/labels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/field.h"
#include "archive/mutf7.h"
#include "archive/names.h"
#include "text.h"

const char *const labels_modes[] = {"ignore", "folders", "keywords", NULL};

/* Labels of Google's own that are state rather than places. Those before STARRED say which language an account has. */
enum { INBOX, UNREAD, OPENED, ARCHIVED, STARRED, IMPORTANT, DRAFTS, SPAM, ROLES, CATEGORY = ROLES };

static const struct {
    uint32_t flag;       /* set */
    const char *keyword; /* set; NULL: none */
    const char *folder;  /* NULL: none */
} roles[ROLES] = {
    [INBOX] = {0, NULL, "INBOX"},
    [STARRED] = {CUBBY_FLAGGED, NULL, NULL},
    [IMPORTANT] = {0, "$Important", NULL},
    [DRAFTS] = {CUBBY_DRAFT, NULL, "Drafts"},
    [SPAM] = {0, "$Junk", "Spam"},
};

/* What they are called, '|' between forms; the last one is the word that begins the names of categories. */
static const struct language {
    const char *names[ROLES + 1];
} languages[] = {
    {{"Inbox", "Unread", "Opened", "Archived", "Starred", "Important", "Draft|Drafts", "Spam", "Category"}},
    {{"Posteingang", "Ungelesen", "Geöffnet", "Archiviert", "Markiert", "Wichtig", "Entwürfe|Entwurf", "Spam", "Kategorie"}},
    {{"Boîte de réception", "Non lus|Non lu", "Ouvert|Ouverts", "Messages archivés|Archivés", "Suivis|Messages suivis", "Important|Importants",
      "Brouillons|Brouillon", "Spam", "Catégorie"}},
    {{"Recibidos|Bandeja de entrada", "No leídos|No leído", "Abiertos|Abierto", "Archivados|Archivado", "Destacados|Destacado", "Importantes|Importante",
      "Borradores|Borrador", "Spam", "Categoría"}},
    {{"Posta in arrivo", "Da leggere|Non letti|Non letto", "Aperti|Aperto", "Archiviati|Archiviato|Archiviata", "Speciali", "Importanti|Importante", "Bozze|Bozza",
      "Spam", "Categoria"}},
    {{"Caixa de entrada", "Não lidas|Não lida|Não lidos|Não lido", "Abertas|Aberta|Abertos|Aberto", "Arquivadas|Arquivada|Arquivados|Arquivado",
      "Com estrela", "Importantes|Importante", "Rascunhos|Rascunho", "Spam", "Categoria"}},
    {{"Postvak IN", "Ongelezen", "Geopend", "Gearchiveerd", "Met ster", "Belangrijk", "Concepten|Concept", "Spam", "Categorie"}},
    {{"Odebrane", "Nieprzeczytane", "Otwarte", "Zarchiwizowane", "Oznaczone gwiazdką", "Ważne", "Wersje robocze", "Spam", "Kategoria"}},
    {{"Doručená pošta", "Nepřečtené", "Otevřené|Otevřeno", "Archivováno", "S hvězdičkou", "Důležité", "Koncepty",
      "Spam", "Kategorie"}},
    {{"Inkorgen|Inkorg", "Olästa|Oläst", "Öppnade|Öppnad|Öppnat", "Arkiverade|Arkiverad|Arkiverat", "Stjärnmärkta|Stjärnmärkt", "Viktigt|Viktiga",
      "Utkast", "Skräppost|Spam", "Kategori"}},
    {{"Входящие", "Непрочитанные", "Открытые|Открыто", "Архивированные|Заархивированные", "Помеченные", "Важное|Важные",
      "Черновики", "Спам", "Категория"}},
};

/* Is it one of the forms? */
static int is_called(const char *forms, const char *name, size_t len)
{
    for (size_t n; *forms; forms += n + (forms[n] == '|')) {
        n = (size_t)(strchrnul(forms, '|') - forms);
        if (n == len && strncasecmp(forms, name, len) == 0)
            return 1;
    }
    return 0;
}

/* "Kategorie: Werbung", "Catégorie : ...", "Category Promotions" */
static int is_category(const char *word, const char *name, size_t len)
{
    size_t n = strlen(word);
    return len > n + 1 && strncasecmp(word, name, n) == 0 && (name[n] == ' ' || name[n] == ':' || strncmp(name + n, "\xc2\xa0", 2) == 0);
}

/* A role, CATEGORY, or -1: a label of the user's. */
static int role_in(const struct language *l, const char *name, size_t len)
{
    for (int i = 0; i < ROLES; i++)
        if (is_called(l->names[i], name, len))
            return i;
    return is_category(l->names[CATEGORY], name, len) ? CATEGORY : -1;
}

/* English names count in any account, others beside one that says the language: elsewhere "Wichtig" is a label of the user's. */
static int role_of(const struct language *l, const char *name, size_t len)
{
    int role = role_in(languages, name, len);
    return role >= 0 ? role : role_in(l, name, len);
}

static void add_folder(struct labels *out, char *path)
{
    size_t i = 0;
    while (i < out->count && !out->left_out && strcmp(out->folders[i], path) != 0)
        i++;
    out->left_out |= i == LABELS_MAX;
    if (i < out->count || out->left_out) {
        free(path);
        return;
    }
    out->folders = cli_realloc(out->folders, (out->count + 1) * sizeof *out->folders);
    out->folders[out->count++] = path;
}

/* "A/B" is B in A. */
static char *folder_path(const char *p, size_t n)
{
    struct text path = {0}, clean = {0};
    for (size_t at = 0, len; at < n; at += len + 1) {
        const char *slash = memchr(p + at, '/', n - at);
        len = slash ? (size_t)(slash - p) - at : n - at;
        if (len == 0)
            continue;
        text_clear(&clean);
        names_clean(p + at, len, &clean);
        char *escaped = cli_path_escape(clean.data, clean.len);
        if (path.len)
            text_byte(&path, '/');
        text_add(&path, escaped, strlen(escaped));
        free(escaped);
    }
    if (!path.len)
        text_byte(&path, '_');
    text_release(&clean);
    return path.data;
}

/* A keyword is an atom: the label in modified UTF-7, with '_' for what an atom may not hold. */
static void add_keyword(struct cli_flags *flags, const char *p, size_t n)
{
    struct text t = {0};
    mutf7_encode(p, n, "", &t);
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] <= ' ' || strchr("(){%*\"\\]", t.data[i]))
            t.data[i] = '_';
    cli_flag_add(flags, t.data ? t.data : "", t.len); /* one that is too long is dropped */
    text_release(&t);
}

static void one_label(const char *p, size_t n, int role, int mode, struct cli_flags *flags, struct labels *out)
{
    if (role >= 0 && role < ROLES) {
        flags->system |= roles[role].flag;
        if (roles[role].keyword)
            cli_flag_add(flags, roles[role].keyword, strlen(roles[role].keyword));
        if (roles[role].folder && mode == LABELS_FOLDERS)
            add_folder(out, cli_strdup(roles[role].folder));
    } else if (mode == LABELS_KEYWORDS || role == CATEGORY) {
        add_keyword(flags, p, n);
    } else {
        add_folder(out, folder_path(p, n));
    }
}

/* The next label of a list with commas; one in quotes may hold them. 0 at the end. */
static int next_label(const char **p, const char *end, struct text *label)
{
    text_clear(label);
    while (*p < end && (**p == ',' || **p == ' ' || **p == '\t'))
        ++*p;
    if (*p == end)
        return 0;
    int quoted = **p == '"';
    for (*p += quoted; *p < end && **p != (quoted ? '"' : ','); ++*p) {
        if (quoted && **p == '\\' && *p + 1 < end)
            ++*p;
        text_byte(label, **p);
    }
    if (quoted && *p < end)
        ++*p;
    while (!quoted && label->len && label->data[label->len - 1] == ' ')
        label->data[--label->len] = 0;
    return 1;
}

/* Which of the languages the labels are in; the first, English, if several would do. */
static const struct language *language_of(const struct text *list)
{
    struct text label = {0};
    const size_t count = sizeof languages / sizeof *languages;
    size_t found = count;
    const char *p = list->data ? list->data : "", *end = p + list->len;
    while (next_label(&p, end, &label))
        for (size_t i = 0; i < found && label.len; i++) {
            int role = role_in(&languages[i], label.data, label.len);
            if (role >= 0 && role < STARRED)
                found = i;
        }
    text_release(&label);
    return &languages[found < count ? found : 0];
}

void labels_of_header(const char *header, size_t len, int mode, struct cli_flags *flags, struct labels *out)
{
    struct field f;
    struct text all = {0}, label = {0};
    int unread = 0;
    if (mode == LABELS_IGNORE || !field_find(header, len, "X-Gmail-Labels", &f))
        return;
    text_decode(&all, f.value, f.value_len);
    const struct language *l = language_of(&all);
    const char *p = all.data ? all.data : "", *end = p + all.len;
    while (next_label(&p, end, &label)) {
        int role = label.len ? role_of(l, label.data, label.len) : -1;
        unread |= role == UNREAD;
        if (label.len)
            one_label(label.data, label.len, role, mode, flags, out);
    }
    flags->system |= unread ? 0 : CUBBY_SEEN;
    cli_flags_sort(flags);
    text_release(&all);
    text_release(&label);
}

void labels_release(struct labels *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->folders[i]);
    free(l->folders);
    *l = (struct labels){NULL, 0, 0};
}
