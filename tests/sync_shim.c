/* Preloaded: appends to the journal $SYNC_JOURNAL what each sync makes durable under $SYNC_ROOT,
 * and renames and removals there. A record is one write: five u64 (kind, path bytes, offset,
 * data bytes, file size), the path, the data. Kinds: 1 data, 2 rename (from NUL to), 3 removal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) dlsym(RTLD_NEXT, name)

static int ours(const char *path) {
    const char *root = getenv("SYNC_ROOT");
    return root && !strncmp(path, root, strlen(root));
}

static void record(uint64_t kind, const char *path, size_t n, uint64_t off, const char *data,
                   uint64_t len, uint64_t size) {
    uint64_t head[5] = {kind, n, off, len, size};
    char *all = malloc(sizeof head + n + len);
    memcpy(all, head, sizeof head);
    memcpy(all + sizeof head, path, n);
    if (len) memcpy(all + sizeof head + n, data, len);
    int fd = open(getenv("SYNC_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ssize_t want = (ssize_t)(sizeof head + n + len);
    if (fd < 0 || write(fd, all, want) != want) abort();
    close(fd);
    free(all);
}

static void copy(const char *path, off_t from, off_t to) {
    struct stat st;
    if (!ours(path) || stat(path, &st) || !S_ISREG(st.st_mode)) return;
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    if (to > st.st_size) to = st.st_size;
    record(1, path, strlen(path), 0, NULL, 0, st.st_size);
    while (from < to) {
        off_t data = lseek(fd, from, SEEK_DATA);
        if (data < 0 || data >= to) break;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0 || hole > to) hole = to;
        char *bytes = malloc(hole - data);
        ssize_t got = pread(fd, bytes, hole - data, data);
        if (got > 0) record(1, path, strlen(path), data, bytes, got, st.st_size);
        free(bytes);
        from = hole;
    }
    close(fd);
}

static void copy_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = 0;
    copy(path, 0, LONG_MAX);
}

int fsync(int fd) {
    int rc = ((int (*)(int))NEXT("fsync"))(fd);
    if (!rc) copy_fd(fd);
    return rc;
}

int fdatasync(int fd) {
    int rc = ((int (*)(int))NEXT("fdatasync"))(fd);
    if (!rc) copy_fd(fd);
    return rc;
}

int msync(void *addr, size_t len, int flags) {
    int rc = ((int (*)(void *, size_t, int))NEXT("msync"))(addr, len, flags);
    FILE *maps = rc ? NULL : fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128], path[PATH_MAX];
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long a, b, off;
        if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %[^\n]", &a, &b, &off, path) != 4) continue;
        unsigned long lo = (unsigned long)addr, hi = lo + len;
        if (lo < a) lo = a;
        if (hi > b) hi = b;
        if (lo < hi) copy(path, off + lo - a, off + hi - a);
    }
    if (maps) fclose(maps);
    return rc;
}

int rename(const char *from, const char *to) {
    int rc = ((int (*)(const char *, const char *))NEXT("rename"))(from, to);
    if (!rc && ours(to)) {
        char both[2 * PATH_MAX];
        size_t n = strlen(from), m = strlen(to);
        memcpy(both, from, n + 1);
        memcpy(both + n + 1, to, m);
        record(2, both, n + 1 + m, 0, NULL, 0, 0);
    }
    return rc;
}

int unlink(const char *path) {
    int rc = ((int (*)(const char *))NEXT("unlink"))(path);
    if (!rc && ours(path)) record(3, path, strlen(path), 0, NULL, 0, 0);
    return rc;
}
