/* SPDX-License-Identifier: MIT */
/*
 * The kernel's structures as far as programs here read them. CO-RE finds the fields by name in the running kernel, so order,
 * gaps and everything left out do not matter. A field that only some kernels have is tested with bpf_core_field_exists.
 */
#ifndef RETINA_KERNEL_H
#define RETINA_KERNEL_H

#include "types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	unsigned short type; /* ARPHRD_* */
	unsigned short hard_header_len;
	char name[16];
	possible_net_t nd_net;
};

/* Named apart from the UAPI's struct in6_addr, which a program may include as well. */
struct in6_addr___retina {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr___retina skc_v6_daddr;
	struct in6_addr___retina skc_v6_rcv_saddr;
};

struct sk_buff_head {
	__u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol; /* before 5.6 a bit field of another width */
	__u16 sk_type;
	struct sk_buff_head sk_error_queue;
	int sk_err;
	int sk_err_soft;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
	__be32 inet_saddr;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 srtt_us; /* smoothed, times 8 */
	__u32 mdev_us;
	__u32 packets_out;
	__u32 total_retrans;
	__u32 snd_cwnd;
	__u64 bytes_acked;
	__u64 bytes_received;
};

struct dst_entry {
	struct net_device *dev;
};

typedef unsigned int sk_buff_data_t; /* an offset from head on 64-bit kernels */

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _skb_refdst; /* struct dst_entry *, lowest bit aside */
	unsigned int len;
	unsigned int data_len;
	__u16 mac_len;
	__u8 cloned : 1;
	__u8 pkt_type : 3;
	__u8 encapsulation : 1;
	char cb[48];
	int skb_iif;
	__be16 vlan_proto;
	__u16 vlan_tci;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	__u16 mac_header;
	sk_buff_data_t tail;
	sk_buff_data_t end;
	unsigned char *head;
	unsigned char *data;
};

struct skb_shared_info {
	__u8 nr_frags;
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned int gso_type;
};

#pragma clang attribute pop

#endif
