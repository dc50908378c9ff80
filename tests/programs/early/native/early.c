/* Static constructors that make pools. */
extern void make_pool(int before_the_hook);

static void first(void) { make_pool(1); }
__attribute__((constructor)) static void last(void) { make_pool(0); }

/* Sorted before those of the runtime, which constructors have no business to be. */
__attribute__((used, section(".init_array.00050"))) static void (*entry)(void) = first;

int linked(void) { return 1; }
