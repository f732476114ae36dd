/* The floor that the engine is measured against: a socket a stream, one epoll loop,
 * recvfrom and sendto. Legs 2k and 2k+1 hear each other. It knows nothing of RTP.
 * Arguments: legs, port of the peer on 127.0.0.1. Prints the ports of the legs. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
	perror(what);
	exit(1);
}

static int leg(int ep, int i) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die("socket");
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
	printf("%d ", ntohs(at.sin_port));
	return fd;
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	int legs = atoi(argv[1]);
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(atoi(argv[2]))};
	int *fds = calloc(legs, sizeof *fds);
	int ep = epoll_create1(0);
	if (ep < 0 || !fds)
		die("epoll_create1");
	for (int i = 0; i < legs; i++)
		fds[i] = leg(ep, i);
	printf("\n");
	fflush(stdout);

	struct epoll_event in = {.events = EPOLLIN | EPOLLHUP, .data.u32 = ~0u};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, 0, &in) < 0)
		die("epoll_ctl");
	struct epoll_event events[256];
	char b[2048];
	for (;;) {
		int n = epoll_wait(ep, events, 256, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 == ~0u)
				return 0; /* stdin is closed: the run is over */
			struct sockaddr_in from;
			socklen_t len = sizeof from;
			ssize_t got = recvfrom(fds[events[i].data.u32], b, sizeof b, 0, (struct sockaddr *)&from, &len);
			if (got > 0)
				sendto(fds[events[i].data.u32 ^ 1], b, got, 0, (struct sockaddr *)&peer, sizeof peer);
		}
	}
}
