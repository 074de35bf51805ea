/* SPDX-License-Identifier: MIT */
/* Samples: the headers of a few dropped packets in a second, so that one can see what they were. */
#ifndef DROPREASON_SAMPLE_H
#define DROPREASON_SAMPLE_H

#include "packet.h"

RT_CONFIG(__u32, sample_limit, "Samples between two ticks for one reason at one place, ten times as many in all; 0: none") = 0;

#define DROP_SAMPLES_OF_ALL 10
/* Behind an ICMP header: the packet an error is about, whose headers are the message. */
#define DROP_ICMP_BYTES 64

/* Whether there is room in a budget, which is full again at every tick. CPUs may be at it at once: then a few more. */
RT_INLINE bool drop_budget_left(struct drop_budget *budget, __u32 tick, __u32 limit)
{
	if (budget->tick != tick) {
		budget->tick = tick;
		budget->used = 0;
	}
	return budget->used < limit;
}

RT_INLINE void drop_take_sample(const struct drop_flow_key *flow, const struct drop_value *value,
				const struct drop_headers *headers)
{
	struct drop_budget *own, *all;
	struct drop_sample *sample;
	__u32 wanted = headers->length, length = 0;
	__u64 *tick;

	if (!sample_limit || !wanted)
		return;
	tick = rt_at(&drop_tick, 0);
	own = rt_at(&drop_budgets, (((__u32)flow->location ^ flow->reason) * 0x9e3779b1u) >> 24);
	all = rt_at(&drop_budgets, DROP_BUDGETS);
	if (!tick || !own || !all)
		return;
	if (!drop_budget_left(own, *tick, sample_limit) || !drop_budget_left(all, *tick, sample_limit * DROP_SAMPLES_OF_ALL))
		return;
	own->used++;
	all->used++;
	sample = RT_RESERVE(drop_samples);
	if (!sample)
		return;
	sample->flow = *flow;
	sample->value = *value;
	sample->pad = 0;
	if (flow->protocol == PROTO_ICMP || flow->protocol == PROTO_ICMPV6)
		wanted += DROP_ICMP_BYTES;
	if (wanted > headers->tail - headers->network)
		wanted = headers->tail - headers->network;
	/* A way round the verifier's memory: by what it knows of a length it would check every way that led here by itself. */
	bpf_probe_read_kernel(&length, sizeof(length), &wanted);
	if (length > DROP_SAMPLE_BYTES)
		length = DROP_SAMPLE_BYTES;
	RT_HIDE(length);
	if (length > DROP_SAMPLE_BYTES || bpf_probe_read_kernel(sample->packet, length, headers->head + headers->network)) {
		RT_DISCARD(drop_samples, sample);
		return;
	}
	sample->length = length;
	RT_SUBMIT(drop_samples, sample);
}

#endif
