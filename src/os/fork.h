/* fork.h - is this process the one that it was? Open file descriptions, and with them their locks, are shared with a forked child: whatever it does to them is
 * done to its parent. */
#ifndef CUBBY_OS_FORK_H
#define CUBBY_OS_FORK_H

#include <stdint.h>

/* Changes in every child. Not 0. Costs a load. */
uint64_t cubby__fork_generation(void);

#endif
