/* What C runs before main: early, late, and whenever. */

#include <stdlib.h>

static int order[8];
static int count;

/* The hook of the runtime removes the mark from the environment of a worker, so
 * whoever does not see it runs after the hook, or in no worker. */
static int marked[4];

static void ran(int which) {
    marked[which] = getenv("POOL_RUNTIME_WORKER") != NULL;
    if (count < 8)
        order[count] = which;
    count++;
}

__attribute__((constructor)) static void plain(void) { ran(3); }
__attribute__((constructor(65535))) static void late(void) { ran(2); }
__attribute__((constructor(101))) static void early(void) { ran(1); }

int c_constructors_run(void) { return count; }

/* The order in which they ran, as decimal digits. */
int c_constructor_order(void) {
    int digits = 0;
    for (int i = 0; i < count && i < 8; i++)
        digits = digits * 10 + order[i];
    return digits;
}

int c_was_marked(int which) { return marked[which]; }
