/*
 * Sends frames of known number and size through a device: flood DEVICE PACKETS FLOWS FAMILY [random]
 * Flow n of FLOWS has its own source address and port; its frames have a size of its own. Prints what left, as JSON:
 * packets and bytes on the wire. A frame the device has no room for is sent again and not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* Returns the frame's length. Nobody answers: the receiver's address is not the frame's. */
static size_t build(uint8_t *frame, uint32_t flow, int family)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 0xee, 2, 0, 0, 0, 0, 0xdd };
	size_t payload = 18 + flow % 100, ip = family == 6 ? 40 : 20, length = 14 + ip + 8 + payload;
	uint8_t *udp = frame + 14 + ip;

	memset(frame, 0, length);
	memcpy(frame, macs, 12);
	put16(frame + 12, family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	if (family == 6) {
		frame[14] = 0x60;
		put16(frame + 18, 8 + payload);
		frame[20] = 17;
		frame[21] = 64;
		frame[22] = frame[38] = 0xfd;
		put32(frame + 34, flow);
		frame[53] = 1;
	} else {
		frame[14] = 0x45;
		put16(frame + 16, 28 + payload);
		frame[22] = 64;
		frame[23] = 17;
		put32(frame + 26, 0x0a000000 + flow / 50000);
		put32(frame + 30, 0xc6120001);
	}
	put16(udp, 1024 + flow % 50000);
	put16(udp + 2, 9);
	put16(udp + 4, 8 + payload);
	return length;
}

int main(int count, char **words)
{
	uint8_t frame[256];
	uint64_t packets = 0, bytes = 0, state = 88172645463325252ull;
	struct sockaddr_ll to = { .sll_family = AF_PACKET };

	if (count < 5)
		return 2;
	uint64_t wanted = strtoull(words[2], NULL, 10), flows = strtoull(words[3], NULL, 10);
	int family = atoi(words[4]), fd = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = if_nametoindex(words[1]);
	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror(words[1]);
		return 1;
	}
	while (packets < wanted) {
		uint64_t flow = packets % flows;
		if (count > 5) {
			state ^= state << 13, state ^= state >> 7, state ^= state << 17;
			flow = state % flows;
		}
		size_t length = build(frame, flow, family);
		for (;;) {
			if (send(fd, frame, length, 0) == (ssize_t)length)
				break;
			if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
				perror("send");
				return 1;
			}
			usleep(100);
		}
		packets++;
		bytes += length;
	}
	printf("{\"packets\":%llu,\"bytes\":%llu}\n", (unsigned long long)packets, (unsigned long long)bytes);
	return 0;
}
