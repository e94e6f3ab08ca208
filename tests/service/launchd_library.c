/* What a daemon meets on macOS, for a daemon on Linux that loads this first (ld.so(8), LD_PRELOAD):
   launch_activate_socket, as launch(3) says, and a getsockopt that does not know SO_ACCEPTCONN.
   GIVEN: the sockets' descriptors, parted by commas. FAILS: the error that it returns instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

extern void __libc_free(void *);
static int *handed_over = NULL, is_freed = 0;

void free(void *memory) {
  if (memory != NULL && memory == handed_over) is_freed = 1;
  __libc_free(memory);
}

int list_is_freed(void) { return is_freed; }

int launch_activate_socket(const char *name, int **descriptors, size_t *count) {
  static int is_done = 0;
  const char *fails = getenv("FAILS"), *given = getenv("GIVEN");
  if (fails != NULL) return atoi(fails);
  if (given == NULL) return ESRCH;
  if (strcmp(name, "rpc") != 0) return ENOENT;
  if (is_done) return EALREADY;
  is_done = 1;
  *count = 0;
  *descriptors = handed_over = malloc(strlen(given) * sizeof(int));
  for (const char *at = given; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    (*descriptors)[(*count)++] = atoi(at);
  return 0;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
  if (level == SOL_SOCKET && option == SO_ACCEPTCONN) {
    errno = ENOPROTOOPT;
    return -1;
  }
  int (*next)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");
  return next(fd, level, option, value, length);
}
