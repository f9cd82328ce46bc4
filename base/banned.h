/* SPDX-License-Identifier: MIT */
/*
 * Functions that have no safe use here. The build includes this header before
 * every source file (-include base/banned.h), after the system headers below,
 * so that a use is an error of the compiler and not of a reviewer.
 */
#ifndef BERTH_BASE_BANNED_H
#define BERTH_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros in some builds of glibc: poisoning a macro warns. */
#undef alloca
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof alloca system popen tmpnam tempnam mktemp
#pragma GCC poison localtime gmtime ctime asctime strerror setenv putenv

#endif
