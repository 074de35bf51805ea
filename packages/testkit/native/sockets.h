/* SPDX-License-Identifier: MIT */
/* What the socket modes share. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>

extern volatile sig_atomic_t stopped;

void stop_on_signal(void);
/* Says on standard output that a server takes traffic now. */
void ready(void);
socklen_t socket_address(struct sockaddr_storage *to, const char *text, uint16_t port);
int bound_socket(int type, const char *address, uint16_t port);

#endif
