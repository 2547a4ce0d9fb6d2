/* A disk whose syncs can fail; loaded before the C library.
 *
 * The files of the directory SYNC_FAULTS_CACHE are what programs see, as through the page cache.
 * The files of the directory SYNC_FAULTS_DISK are what a power loss leaves: a write arrives there
 * when its file is synced. A sync that fails drops the writes that it should have stored, and later
 * syncs do not try them again: Linux marks such pages as clean, and still shows their contents.
 *
 * The first sync of a file fails whose name ends with the contents of the file `fail` in
 * SYNC_FAULTS_DISK; then that file is removed. With SYNC_FAULTS_AT=n, the n-th sync of this process
 * fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 64
#define RANGES_MAX 32768
#define PATH_BYTES 1024

#define REAL(name, result, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) { \
        real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name); \
    }

struct range {
    off64_t start, end;
};

/* The unsynced writes of a file, by its name in the directory. */
struct file {
    char name[PATH_BYTES];
    struct range *ranges;
    int count, is_truncated;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static int syncs;

static ssize_t real_pwrite(int fd, const void *data, size_t len, off64_t at) {
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t)
    return real(fd, data, len, at);
}

static int real_ftruncate(int fd, off64_t len) {
    REAL("ftruncate64", int, int, off64_t)
    return real(fd, len);
}

static void stop(const char *why) {
    fprintf(stderr, "failing_sync: %s\n", why);
    _exit(97);
}

/* The name of a file within the directory; NULL for other files. */
static const char *name_of(const char *path) {
    const char *directory = getenv("SYNC_FAULTS_CACHE");
    size_t len = directory ? strlen(directory) : 0;
    if (len == 0 || strncmp(path, directory, len) != 0 || path[len] != '/') {
        return NULL;
    }
    return path + len + 1;
}

static const char *name_of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_BYTES - 1);
    if (len < 0) {
        return NULL;
    }
    path[len] = 0;
    return name_of(path);
}

static void on_disk(const char *name, char *path) {
    snprintf(path, PATH_BYTES, "%s/%s", getenv("SYNC_FAULTS_DISK"), name);
}

static struct file *file_of(const char *name) {
    for (int i = 0; i < FILES_MAX; i++) {
        if (files[i].name[0] == 0) {
            strncpy(files[i].name, name, PATH_BYTES - 1);
            files[i].ranges = malloc(RANGES_MAX * sizeof(struct range));
        }
        if (strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
    }
    stop("too many files");
    return NULL;
}

static void note(int fd, off64_t start, off64_t end) {
    char path[PATH_BYTES];
    const char *name = name_of_fd(fd, path);
    if (!name) {
        return;
    }
    pthread_mutex_lock(&lock);
    struct file *file = file_of(name);
    if (start < 0) {
        file->is_truncated = 1;
    } else if (file->count == RANGES_MAX) {
        stop("too many writes without a sync");
    } else {
        file->ranges[file->count++] = (struct range){start, end};
    }
    pthread_mutex_unlock(&lock);
}

static int must_fail(const char *name) {
    const char *at = getenv("SYNC_FAULTS_AT");
    syncs++;
    if (at && syncs == atoi(at)) {
        return 1;
    }
    char path[PATH_BYTES], suffix[64] = "";
    on_disk("fail", path);
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        return 0;
    }
    ssize_t len = read(fd, suffix, sizeof suffix - 1);
    close(fd);
    size_t all = strlen(name);
    if (len <= 0 || all < (size_t)len || strcmp(name + all - len, suffix) != 0) {
        return 0;
    }
    unlink(path);
    return 1;
}

static int store(const char *name, struct file *file) {
    char from[PATH_BYTES], to[PATH_BYTES], data[65536];
    snprintf(from, sizeof from, "%s/%s", getenv("SYNC_FAULTS_CACHE"), name);
    on_disk(name, to);
    int source = open(from, O_RDONLY), disk = open(to, O_RDWR | O_CREAT, 0644);
    struct stat status;
    if (source < 0 || disk < 0 || fstat(source, &status) != 0) {
        stop("a file cannot be stored");
    }
    for (int i = 0; i < file->count; i++) {
        for (off64_t at = file->ranges[i].start; at < file->ranges[i].end;) {
            size_t len = file->ranges[i].end - at < (off64_t)sizeof data ? file->ranges[i].end - at : sizeof data;
            ssize_t got = pread(source, data, len, at);
            if (got <= 0) {
                break;
            }
            real_pwrite(disk, data, got, at);
            at += got;
        }
    }
    if (file->is_truncated) {
        real_ftruncate(disk, status.st_size);
    }
    close(source);
    close(disk);
    return 0;
}

static int synced(int fd) {
    char path[PATH_BYTES];
    const char *name = name_of_fd(fd, path);
    struct stat status;
    if (!name || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    struct file *file = file_of(name);
    int fails = must_fail(name);
    if (!fails) {
        store(name, file);
    }
    file->count = 0;
    file->is_truncated = 0;
    pthread_mutex_unlock(&lock);
    if (fails) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd) {
    return synced(fd);
}

int fdatasync(int fd) {
    return synced(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
    ssize_t written = real_pwrite(fd, data, len, at);
    if (written > 0) {
        note(fd, at, at + written);
    }
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    return pwrite64(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len) {
    REAL("write", ssize_t, int, const void *, size_t)
    ssize_t written = real(fd, data, len);
    if (written > 0) {
        off64_t end = lseek64(fd, 0, SEEK_CUR);
        if (end >= written) {
            note(fd, end - written, end);
        }
    }
    return written;
}

int ftruncate64(int fd, off64_t len) {
    int result = real_ftruncate(fd, len);
    if (result == 0) {
        note(fd, -1, -1);
    }
    return result;
}

int ftruncate(int fd, off_t len) {
    return ftruncate64(fd, len);
}

int rename(const char *from, const char *to) {
    REAL("rename", int, const char *, const char *)
    int result = real(from, to);
    if (result == 0 && name_of(from) && name_of(to)) {
        char old[PATH_BYTES], new[PATH_BYTES];
        on_disk(name_of(from), old);
        on_disk(name_of(to), new);
        real(old, new);
    }
    return result;
}

int unlink(const char *path) {
    REAL("unlink", int, const char *)
    int result = real(path);
    if (result == 0 && name_of(path)) {
        char disk[PATH_BYTES];
        on_disk(name_of(path), disk);
        real(disk);
    }
    return result;
}
