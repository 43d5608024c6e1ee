/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names on the BPF file system. */
#ifndef STEER_PIN_H
#define STEER_PIN_H

/*
 * Pins a map, program or link as DIR/NAME, over what has that name: pinned under a second name and
 * renamed, so that the name always leads to something. 0, or -errno with the cause in the log.
 */
int pin_replace(const char *dir, const char *name, int fd);

#endif
