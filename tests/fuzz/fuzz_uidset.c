/* fuzz_uidset.c - any text as a uid set: what is taken prints as itself, and holds what a plain reading says. The first four bytes are what `*`
 * stands for. */
#include "cubby.h"
#include "fuzz/fuzz.h"

static void must_be_canonical(const cubby_uidset *set)
{
    uint64_t count = 0;
    uint32_t end = 0;
    for (size_t i = 0; i < cubby_uidset_ranges(set); i++) {
        uint32_t first, last;
        cubby_uidset_range(set, i, &first, &last);
        must(first >= 1 && first <= last && (i == 0 || (end < UINT32_MAX && first > end + 1)));
        must(cubby_uidset_has(set, first) && cubby_uidset_has(set, last) && (first == 1 || !cubby_uidset_has(set, first - 1)));
        count += (uint64_t)last - first + 1;
        end = last;
    }
    must(count == cubby_uidset_count(set));
}

/* The ranges once more, in another order, must make the same set. */
static void must_add_up(const cubby_uidset *set)
{
    cubby_uidset *again;
    char *a, *b;
    must(cubby_uidset_new(&again) == 0);
    for (size_t i = cubby_uidset_ranges(set); i-- > 0;) {
        uint32_t first, last;
        cubby_uidset_range(set, i, &first, &last);
        uint32_t middle = first + (last - first) / 2;
        must(cubby_uidset_add(again, middle, last) == 0 && cubby_uidset_add(again, first, middle) == 0);
    }
    must(cubby_uidset_format(set, &a) == 0 && cubby_uidset_format(again, &b) == 0);
    must(!strcmp(a, b));
    cubby_string_free(&a);
    cubby_string_free(&b);
    cubby_uidset_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    uint32_t max = (uint32_t)take(&in, 4);
    char *text = string_copy(in.p, in.n), *printed;
    cubby_uidset *set, *back;
    if (cubby_uidset_parse(text, max, &set) == 0) {
        must_be_canonical(set);
        must_add_up(set);
        must(cubby_uidset_format(set, &printed) == 0);
        must(!*printed || cubby_uidset_parse(printed, max, &back) == 0);
        if (*printed) {
            must(cubby_uidset_count(back) == cubby_uidset_count(set));
            cubby_uidset_free(&back);
        }
        cubby_string_free(&printed);
        cubby_uidset_free(&set);
    }
    free(text);
    return 0;
}
