/* SPDX-License-Identifier: MIT */
/*
 * Which chain of netfilter dropped a packet. Where the kernel allows it, a program watches every run of a base chain and
 * leaves a note for its CPU; the drop that follows for the same packet takes it. It costs every packet at every base chain,
 * so it is loaded only when asked for. Linux 5.17 and later: before, a drop does not say that it is netfilter's.
 */
#ifndef DROPREASON_CHAIN_H
#define DROPREASON_CHAIN_H

#include "packet.h"

RT_CONFIG(__u32, netfilter_reason, "The kernel's number of NETFILTER_DROP, where chains are watched; 0: they are not") = 0;

#define VERDICT_MASK 0xff
#define VERDICT_DROP 0
#define CHAIN_OF_NFTABLES 1
#define CHAIN_OF_IPTABLES 2
#define CHAIN_NAME_LENGTH 60

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nft_table {
	char *name;
	__u16 family : 6;
};

struct nft_chain {
	struct nft_table *table;
	__u64 handle;
	char *name;
};

struct nft_pktinfo {
	struct sk_buff *skb;
};

struct xt_table {
	__u8 af;
	char name[32];
};

struct nf_hook_state {
	__u8 hook;
};

#pragma clang attribute pop

/* The chain that saw a packet last on this CPU. */
struct drop_chain_note {
	__u64 skb;
	__u32 chain;
	__u32 pad;
};
RT_SCRATCH(drop_chain_note, struct drop_chain_note);

/* Names of chains, by what notes and flows' keys have of them. */
struct drop_chain_name {
	__u32 kind;
	__u32 family;
	__u32 hook;
	char table[CHAIN_NAME_LENGTH];
	char chain[CHAIN_NAME_LENGTH];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct drop_chain_name);
} drop_chains SEC(".maps");

/* Not 0. What makes it differ is more than the address: the memory of a chain that is gone may be another's. */
RT_INLINE __u32 drop_chain_id(void *chain, __u64 salt)
{
	return ((__u32)((__u64)chain >> 4) ^ (__u32)(salt * 0x9e3779b97f4a7c15ull >> 32)) | 1;
}

RT_INLINE void drop_note_chain(struct sk_buff *skb, __u32 chain)
{
	struct drop_chain_note *note = rt_at(&drop_chain_note, 0);

	if (note) {
		note->skb = (__u64)skb;
		note->chain = chain;
	}
}

/*
 * The types of netfilter are read here and not where packets are dropped: where they are a module's, finding them takes
 * rights that the agent need not have.
 */
RT_INLINE int drop_note_nftables(struct sk_buff *skb, struct nft_chain *chain)
{
	__u32 id = drop_chain_id(chain, BPF_CORE_READ(chain, handle));

	if (!bpf_map_lookup_elem(&drop_chains, &id)) {
		struct drop_chain_name name = { .kind = CHAIN_OF_NFTABLES };
		struct nft_table *table = BPF_CORE_READ(chain, table);

		name.family = BPF_CORE_READ_BITFIELD_PROBED(table, family);
		bpf_probe_read_kernel_str(name.table, sizeof(name.table), BPF_CORE_READ(table, name));
		bpf_probe_read_kernel_str(name.chain, sizeof(name.chain), BPF_CORE_READ(chain, name));
		bpf_map_update_elem(&drop_chains, &id, &name, BPF_ANY);
	}
	drop_note_chain(skb, id);
	return 0;
}

/* Only what was dropped is asked for its table, so that the name may be read each time: "filter" and "nat" differ in 8 bytes. */
RT_INLINE int drop_note_iptables(struct sk_buff *skb, struct xt_table *table, __u32 hook)
{
	__u32 family = BPF_CORE_READ(table, af), id;
	__u64 first = 0;

	bpf_core_read(&first, sizeof(first), &table->name);
	id = drop_chain_id(table, first + ((__u64)family << 8) + hook);
	if (!bpf_map_lookup_elem(&drop_chains, &id)) {
		struct drop_chain_name name = { .kind = CHAIN_OF_IPTABLES, .family = family, .hook = hook };

		bpf_core_read_str(name.table, sizeof(table->name), &table->name);
		bpf_map_update_elem(&drop_chains, &id, &name, BPF_ANY);
	}
	drop_note_chain(skb, id);
	return 0;
}

/* A table's verdict. The packet is freed after it, by who asked; one that it let go may be dropped by another. */
RT_INLINE int drop_table_left(struct sk_buff *skb, void *table, const struct nf_hook_state *state, unsigned int verdict)
{
	if ((verdict & VERDICT_MASK) == VERDICT_DROP)
		return drop_note_iptables(skb, table, state->hook);
	drop_note_chain(NULL, 0);
	return 0;
}

/* The chain that dropped this packet; 0 if no chain said so. To be asked of every drop: a note that stays may meet another packet. */
RT_INLINE __u32 drop_chain_of(struct sk_buff *skb, rt_reason reason)
{
	struct drop_chain_note *note;

	if (!netfilter_reason || reason != netfilter_reason)
		return 0;
	note = rt_at(&drop_chain_note, 0);
	if (!note || note->skb != (__u64)skb)
		return 0;
	note->skb = 0;
	return note->chain;
}

/* Newer kernels free the packet before the chain returns, older ones afterwards: the note is there for both. */
SEC("fentry/nft_do_chain")
int BPF_PROG(chain_entered, struct nft_pktinfo *packet, void *chain)
{
	return drop_note_nftables(packet->skb, chain);
}

/* A packet the chain let go may be dropped by another. */
SEC("fexit/nft_do_chain")
int BPF_PROG(chain_left, struct nft_pktinfo *packet, void *chain, unsigned int verdict)
{
	if ((verdict & VERDICT_MASK) != VERDICT_DROP)
		drop_note_chain(NULL, 0);
	return 0;
}

/*
 * The older iptables: the chain is the hook's, as INPUT; those of its own that it jumps to the kernel does not tell. Since Linux
 * 5.16 the table comes first; before, a drop has no reason and chains are not watched.
 */
SEC("fexit/ipt_do_table")
int BPF_PROG(table_left, void *table, struct sk_buff *skb, const struct nf_hook_state *state, unsigned int verdict)
{
	return drop_table_left(skb, table, state, verdict);
}

SEC("fexit/ip6t_do_table")
int BPF_PROG(table6_left, void *table, struct sk_buff *skb, const struct nf_hook_state *state, unsigned int verdict)
{
	return drop_table_left(skb, table, state, verdict);
}

#endif
