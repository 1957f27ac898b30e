#include "log/segname.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/format.h"

char *cubby__path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + 1 + strlen(name) + 1;
    char *path = cubby__malloc(n);
    if (path)
        snprintf(path, n, "%s/%s", dir, name);
    return path;
}

const char *cubby__segname_file(uint32_t number, char *buf)
{
    snprintf(buf, CUBBY__SEGNAME_MAX, "%08u.seg", number);
    return buf;
}

static char *segment_path(const char *dir, const char *folder, uint32_t number)
{
    char file[CUBBY__SEGNAME_MAX], name[64];
    snprintf(name, sizeof name, "%s/%s", folder, cubby__segname_file(number, file));
    return cubby__path_join(dir, name);
}

char *cubby__path_segment(const char *dir, uint32_t number)
{
    return segment_path(dir, CUBBY__DIR_SEGMENTS, number);
}

char *cubby__path_segment_tmp(const char *dir, uint32_t number)
{
    return segment_path(dir, CUBBY__DIR_TMP, number);
}

const char *cubby__segname(uint32_t number, char *buf)
{
    snprintf(buf, CUBBY__SEGNAME_MAX, CUBBY__DIR_SEGMENTS "/%08u.seg", number);
    return buf;
}

uint32_t cubby__segname_parse(const char *name)
{
    uint32_t number = 0;
    if (strlen(name) != 12 || strcmp(name + 8, ".seg") != 0)
        return 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return number;
}
