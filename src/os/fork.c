#include "os/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint_fast64_t generation = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add(&generation, 1);
}

static void watch(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

uint64_t cubby__fork_generation(void)
{
    pthread_once(&once, watch);
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
