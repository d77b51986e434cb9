/* Preloaded: lets calls of the C library on files under $FAULT_ROOT, and on sockets, fail.
 *
 * A call is named "CALL MODULE+OFFSET FILE": which function, who called it, and the name of the file
 * with numbers and ids taken out. fault_watch(fd) writes each name to fd as a line whenever it is
 * called; fault_arm(name, nth, error, lasting) lets the calls of that name (of any for "") fail from
 * the nth on, the first alone or all of them. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static __thread int inside;
static int watching = -1, error_of, lasting;
static long left;
static char armed[512];
static volatile long hits;

void fault_watch(int fd) { watching = fd; }
long fault_hits(void) { return hits; }
void fault_arm(const char *name, long nth, int error, int all) {
    snprintf(armed, sizeof armed, "%s", name);
    left = nth;
    lasting = all;
    hits = 0;
    error_of = error;
}

/* digits and ids are not what makes two files different */
static void plain(char *out, size_t size, const char *path) {
    const char *root = getenv("FAULT_ROOT");
    const char *at = path + strlen(root);
    size_t n = 0;
    while (*at && n + 12 < size) {
        const char *end = at;
        if (!strncmp(at, ".atomicwrite", 12)) {
            n += sprintf(out + n, ".atomic");
            at += strcspn(at, "/");
            continue;
        }
        /* of each field there is an index, and its kind follows the name */
        if (!strncmp(at, "payload_index/", 14)) {
            at += 14;
            out[n++] = 'I';
            out[n++] = '/';
            const char *slash = at + strcspn(at, "/"), *dash = slash;
            while (dash > at && *dash != '-') dash--;
            at = dash;
            continue;
        }
        int hex = 0, dashes = 0;
        while (isxdigit((unsigned char)*end) || *end == '-') {
            dashes += *end == '-';
            end++;
            hex++;
        }
        if (hex >= 16 || (hex >= 30 && dashes == 4)) {
            out[n++] = '*';
            at = end;
        } else if (isdigit((unsigned char)*at)) {
            at++;
        } else
            out[n++] = *at++;
    }
    out[n] = 0;
}

static int fails(const char *call, void *caller, const char *path) {
    char name[512], kind[256] = "socket", *module = "?";
    const char *root = getenv("FAULT_ROOT");
    Dl_info info;
    if (inside || (!error_of && watching < 0) || !root) return 0;
    if (path) {
        if (strncmp(path, root, strlen(root))) return 0;
        inside = 1;
        plain(kind, sizeof kind, path);
    }
    inside = 1;
    long offset = 0;
    if (dladdr(caller, &info) && info.dli_fname) {
        module = strrchr(info.dli_fname, '/');
        module = module ? module + 1 : (char *)info.dli_fname;
        offset = (char *)caller - (char *)info.dli_fbase;
    }
    snprintf(name, sizeof name, "%s %.60s+%lx %s", call, module, offset, kind);
    if (watching >= 0) dprintf(watching, "%s\n", name);
    inside = 0;
    if (!error_of || (*armed && strcmp(armed, name))) return 0;
    if (__sync_fetch_and_sub(&left, 1) > 0) return 0;
    if (!lasting && __sync_fetch_and_add(&hits, 0)) return 0;
    __sync_fetch_and_add(&hits, 1);
    errno = error_of;
    return 1;
}

static int fails_fd(const char *call, void *caller, int fd) {
    char link[64], path[PATH_MAX];
    struct stat st;
    if (inside || (!error_of && watching < 0) || fd == watching) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    if (*path != '/') return !fstat(fd, &st) && S_ISSOCK(st.st_mode) && fails(call, caller, NULL);
    return fails(call, caller, path);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = dlsym(RTLD_NEXT, #name)
#define CALLER __builtin_return_address(0)
#define ON_FD(type, name, params, args) \
    type name params { \
        REAL(name); \
        return fails_fd(#name, CALLER, fd) ? (type)-1 : real args; \
    }
#define ON_PATH(name, params, args) \
    int name params { \
        REAL(name); \
        char full[PATH_MAX]; \
        const char *there = path; \
        if (*path != '/' && getcwd(full, sizeof full)) { \
            strncat(full, "/", sizeof full - strlen(full) - 1); \
            strncat(full, path, sizeof full - strlen(full) - 1); \
            there = full; \
        } \
        return fails(#name, CALLER, there) ? -1 : real args; \
    }
#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        int mode = va_arg(more, int); \
        va_end(more); \
        return fails("open", CALLER, path) ? -1 : real(path, flags, mode); \
    }
#define OPENS_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        int mode = va_arg(more, int); \
        va_end(more); \
        return fails("open", CALLER, path) ? -1 : real(at, path, flags, mode); \
    }

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
ON_FD(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
ON_FD(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n))
ON_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
ON_FD(ssize_t, pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, n, at))
ON_FD(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at))
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, ftruncate64, (int fd, off64_t n), (fd, n))
ON_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))

ON_FD(ssize_t, send, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
ON_FD(ssize_t, recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(rmdir, (const char *path), (path))

/* what is mapped has no descriptor any more: one kind, whichever file */
int msync(void *at, size_t n, int flags) {
    REAL(msync);
    return fails("msync", CALLER, getenv("FAULT_ROOT") ?: "") ? -1 : real(at, n, flags);
}

void *mmap64(void *at, size_t n, int how, int flags, int fd, off64_t from) {
    REAL(mmap64);
    if (fd >= 0 && fails_fd("mmap64", CALLER, fd)) return MAP_FAILED;
    return real(at, n, how, flags, fd, from);
}
