/* The phones of all legs, on one socket: each leg sends 20 ms of G.711 every 20 ms, the
 * legs spread over those 20 ms as unrelated calls are. It sleeps between looks and waits
 * for no packet, so that a relay never pays for waking it, and the kernel stamps arrivals,
 * so that this costs no precision. It prints its port; then for each line "legs
 * milliseconds port…" it runs and prints "sent received broken p99-in-ns". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { SIZE = 172, BATCH = 64, FRAME = 20000000 };

static int fd;
static int64_t *delays, heard, broken, room;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static int64_t now(clockid_t c) {
	struct timespec t;
	clock_gettime(c, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void arrived(struct msghdr *m, unsigned char *b, int n) {
	if (n > 1 && b[1] >= 192 && b[1] <= 223)
		return; /* RTCP */
	if (n != SIZE || b[SIZE - 1] != SIZE - 1) {
		broken++;
		return;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	if (!c || c->cmsg_type != SO_TIMESTAMPNS)
		die("no timestamp");
	struct timespec at;
	int64_t sent;
	memcpy(&at, CMSG_DATA(c), sizeof at);
	memcpy(&sent, b + 12, sizeof sent);
	if (heard < room)
		delays[heard] = at.tv_sec * 1000000000LL + at.tv_nsec - sent;
	heard++;
}

static void hear(void) {
	static unsigned char b[BATCH][2048];
	static char control[BATCH][128];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	int n;
	do {
		memset(m, 0, sizeof m);
		for (int i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){b[i], sizeof b[i]};
			m[i].msg_hdr.msg_iov = &v[i];
			m[i].msg_hdr.msg_iovlen = 1;
			m[i].msg_hdr.msg_control = control[i];
			m[i].msg_hdr.msg_controllen = sizeof control[i];
		}
		n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			arrived(&m[i].msg_hdr, b[i], m[i].msg_len);
	} while (n == BATCH);
}

/* speak sends the packets numbered from to from+n, counted over all legs. */
static void speak(unsigned char *packets, struct sockaddr_in *to, int legs, int64_t from, int n, uint32_t first) {
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	int64_t at = now(CLOCK_REALTIME);
	memset(m, 0, sizeof m);
	for (int i = 0; i < n; i++) {
		int leg = (from + i) % legs;
		unsigned char *b = packets + leg * SIZE;
		uint32_t seq = first + (from + i) / legs, ts = htonl(seq * 160);
		uint16_t short_seq = htons(seq);
		memcpy(b + 2, &short_seq, 2);
		memcpy(b + 4, &ts, 4);
		memcpy(b + 12, &at, 8);
		v[i] = (struct iovec){b, SIZE};
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
		m[i].msg_hdr.msg_name = &to[leg];
		m[i].msg_hdr.msg_namelen = sizeof to[leg];
	}
	for (int done = 0; done < n;) {
		int sent = sendmmsg(fd, m + done, n - done, 0);
		if (sent < 0)
			die("sendmmsg");
		done += sent;
	}
}

static int ascending(const void *a, const void *b) {
	int64_t d = *(const int64_t *)a - *(const int64_t *)b;
	return d < 0 ? -1 : d > 0;
}

static void run(int legs, int64_t ms, struct sockaddr_in *to, uint32_t first) {
	const struct timespec nap = {0, 500000};
	int64_t frames = ms * 1000000 / FRAME, all = frames * legs, next = 0;
	unsigned char *packets = calloc(legs, SIZE);
	heard = broken = 0;
	room = all;
	delays = malloc(all * sizeof *delays);
	if (!packets || !delays)
		die("memory");
	for (int i = 0; i < legs; i++) {
		unsigned char *b = packets + i * SIZE;
		uint32_t ssrc = htonl(i + 1);
		b[0] = 2 << 6;
		memcpy(b + 8, &ssrc, 4);
		for (int k = 20; k < SIZE; k++)
			b[k] = k;
	}
	int64_t begin = now(CLOCK_MONOTONIC), end = 0;
	while (next < all || (heard < all && now(CLOCK_MONOTONIC) < end)) {
		int64_t due = (now(CLOCK_MONOTONIC) - begin) * legs / FRAME;
		if (due > all)
			due = all;
		while (next < due) {
			int n = due - next < BATCH ? due - next : BATCH;
			if (n > legs)
				n = legs; /* a leg's packet is one buffer */
			speak(packets, to, legs, next, n, first);
			next += n;
		}
		if (next == all && !end)
			end = now(CLOCK_MONOTONIC) + 1000000000; /* what is still under way */
		hear();
		nanosleep(&nap, NULL);
	}
	int64_t known = heard < room ? heard : room;
	qsort(delays, known, sizeof *delays, ascending);
	printf("%lld %lld %lld %lld\n", (long long)all, (long long)heard, (long long)broken,
	       (long long)(known ? delays[known * 99 / 100] : 0));
	fflush(stdout);
	free(packets);
	free(delays);
}

int main(void) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int on = 1, buffer = 8 << 20;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0)
		die("SO_TIMESTAMPNS");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);

	int legs;
	long long ms;
	uint32_t first = 0;
	while (scanf("%d %lld", &legs, &ms) == 2) {
		struct sockaddr_in *to = calloc(legs, sizeof *to);
		for (int i = 0; i < legs; i++) {
			int port;
			if (!to || scanf("%d", &port) != 1)
				return 1;
			to[i] = at;
			to[i].sin_port = htons(port);
		}
		run(legs, ms, to, first);
		first += ms * 1000000 / FRAME; /* the legs go on where they were */
		free(to);
	}
	return 0;
}
