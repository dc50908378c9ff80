/* What C runs before main: early, late, and whenever. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Where it is told to, it waits here until two processes do. */
static void meet(void) {
    const char *place = getenv("CONSTRUCTORS_MEET_IN");
    if (!place)
        return;
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", place, (int)getpid());
    close(open(path, O_CREAT | O_WRONLY, 0600));
    for (int there = 0; there < 2; usleep(1000)) {
        DIR *dir = opendir(place);
        there = 0;
        for (struct dirent *entry; (entry = readdir(dir));)
            there += entry->d_name[0] != '.';
        closedir(dir);
    }
}

__attribute__((constructor)) static void plain(void) {
    ran(3);
    meet();
}
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
