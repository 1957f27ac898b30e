/* tidy.h - included before every file by `make tidy`, so that the analyzer, which sees one file at a time, knows what the functions of
 * base/error.h return: an error, always. Without it every result that is set only on success looks uninitialised. */
#include "base/error.h"

void known_use(void *err, ...);

#define cubby__fail(err, code, ...)  (known_use((err), __VA_ARGS__), (code) < 0 ? (code) : CUBBY_EIO)
#define cubby__fail_io(err, rc, ...) (known_use((err), (rc), __VA_ARGS__), CUBBY_EIO)
#define cubby__fail_mem(err)         (known_use(err), CUBBY_ENOMEM)
