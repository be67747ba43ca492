/* What kernels rely on, in words a compiler can check. A build by `meson setup -Dsafe=true` does, and stops the process
 * where it does not hold; in any other build these are nothing. Numbers that enter from Python are checked in all. */
#ifndef NDCONV_CONTRACT_H
#define NDCONV_CONTRACT_H

#if defined(NDCONV_SAFE)

#include <stdio.h>
#include <stdlib.h>

enum { IS_SAFE = 1 };

static void nd_broken(const char *function, const char *what) {
    fprintf(stderr, "ndconv: %s relies on %s\n", function, what);
    abort();
}
#define nd_assert(holds) ((holds) ? (void)0 : nd_broken(__func__, #holds))
#define nd_assert_within(number, least, most) \
    ((least) <= (number) && (number) <= (most) ? (void)0 : nd_broken(__func__, #least " <= " #number " <= " #most))

#else

enum { IS_SAFE = 0 };

#define nd_assert(holds) ((void)0)
#define nd_assert_within(number, least, most) ((void)0)

#endif
#endif
