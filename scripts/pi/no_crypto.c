/* Hides from a program that the emulated processor computes SHA-2 and AES by itself: the Cortex-A53 and A72 of a Raspberry
 * Pi were built without that, and QEMU's have it. For LD_PRELOAD. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

enum { AES = 1 << 3, PMULL = 1 << 4, SHA1 = 1 << 5, SHA2 = 1 << 6 };

unsigned long getauxval(unsigned long type) {
  static unsigned long (*real)(unsigned long);
  if (!real)
    real = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
  unsigned long value = real(type);
  return type == AT_HWCAP ? value & ~(unsigned long)(AES | PMULL | SHA1 | SHA2) : value;
}
