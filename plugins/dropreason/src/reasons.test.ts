import { describe, expect, it } from 'vitest';
import { isLoss, MARK_DETACHED, MARK_GROUP } from './loss.ts';
import { CONNECT_FAILED, labelOf, Reasons } from './reasons.ts';

const ENUMS: Record<string, [number, string][]> = {
  skb_drop_reason: [
    [0, 'SKB_NOT_DROPPED_YET'],
    [1, 'SKB_CONSUMED'],
    [2, 'SKB_DROP_REASON_NOT_SPECIFIED'],
    [12, 'SKB_DROP_REASON_NETFILTER_DROP'],
    [40, 'SKB_DROP_REASON_TCP_LISTEN_OVERFLOW'],
    [77, 'SKB_DROP_REASON_SKB_CSUM'],
    [-65536, 'SKB_DROP_REASON_SUBSYS_MASK'],
  ],
  skb_drop_reason_subsys: [
    [0, 'SKB_DROP_REASON_SUBSYS_CORE'],
    [1, 'SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE'],
    [2, 'SKB_DROP_REASON_SUBSYS_OPENVSWITCH'],
  ],
  ovs_drop_reason: [[0x20002, 'OVS_DROP_EXPLICIT']],
};

function reasons(kernelArguments: number, enums = ENUMS): Reasons {
  return new Reasons({
    tracepointArguments: () => kernelArguments,
    enumNames: (name) => new Map(enums[name] ?? []),
  });
}

describe('names of reasons', () => {
  it('are the running kernel’s, those of subsystems included', () => {
    const names = reasons(4);
    expect(names.kernelName(12, 'nft_do_chain')).toBe('NETFILTER_DROP');
    expect(names.kernelName(1, '')).toBe('CONSUMED');
    expect(names.kernelName(77, '')).toBe('SKB_CSUM');
    expect(names.kernelName(0x20002, '')).toBe('OVS_DROP_EXPLICIT');
    // mac80211 is a module that may not be loaded: its number is all there is
    expect(names.kernelName(0x10011, '')).toBe('MAC80211_UNUSABLE_17');
    expect(names.kernelName(0x70001, '')).toBe('SUBSYSTEM_7_1');
    expect(names.kernelName(999, '')).toBe('REASON_999');
  });

  it('are Retina’s where it has one', () => {
    const label = (reason: number) => labelOf(reasons(4).kernelName(reason, ''));
    expect(label(12)).toBe('IPTABLE_RULE_DROP');
    expect(label(40)).toBe('TCP_ACCEPT_BASIC');
    expect(label(CONNECT_FAILED)).toBe('TCP_CONNECT_BASIC');
    expect(label(2)).toBe('NOT_SPECIFIED');
  });

  it('come from the place on a kernel without reasons', () => {
    const names = reasons(2, {});
    expect(labelOf(names.kernelName(0, 'nf_hook_slow'))).toBe('IPTABLE_RULE_DROP');
    expect(names.kernelName(0, '__udp6_lib_rcv')).toBe('NO_SOCKET');
    expect(names.kernelName(0, 'ip6_mc_input')).toBe('ip6_mc_input');
    expect(names.kernelName(0, '')).toBe('NOT_SPECIFIED');
    expect(names.kernelName(CONNECT_FAILED, '')).toBe('TCP_CONNECT_BASIC');
  });

  it('leave the subsystem mask out of the core’s', () => {
    expect([...reasons(4).core()].map(([value]) => value)).toEqual([0, 1, 2, 12, 40, 77]);
  });
});

describe('what is a loss', () => {
  it.each([
    ['NETFILTER_DROP', 'nft_do_chain', 0, true],
    ['NETFILTER_DROP', 'nft_do_chain', MARK_GROUP, true], // a rule that drops multicast
    ['NO_SOCKET', '__udp4_lib_rcv', 0, true],
    ['NO_SOCKET', '__udp4_lib_rcv', MARK_GROUP, false], // a broadcast nobody listens to
    ['NOT_SPECIFIED', 'ip6_mc_input', MARK_GROUP, false], // a group nobody joined
    ['ip6_mc_input', 'ip6_mc_input', MARK_GROUP, false], // the same before 5.17
    ['NOT_SPECIFIED', 'tcp_v4_rcv', 0, false], // TIME_WAIT
    ['NO_SOCKET', 'tcp_v4_rcv', 0, true],
    ['NOT_SPECIFIED', 'skb_release_data', MARK_DETACHED, false], // fragments of a packet freed as a whole
    ['NOT_SPECIFIED', 'kfree_skb_list', 0, true], // a queueing discipline before 5.17
    ['NOT_SPECIFIED', 'kfree_skb_list', MARK_DETACHED, false],
    ['NOT_SPECIFIED', 'bpf_prog_test_run_skb', 0, false], // no packet at all: what a program is tried on
    ['QUEUE_PURGE', 'sk_stream_kill_queues', 0, false],
    ['TCP_OLD_DATA', 'tcp_rcv_established', 0, false],
    ['SOCKET_RCVBUFF', 'udp_queue_rcv_one_skb', 0, true],
  ])('%s in %s with marks %i: %s', (reason, place, marks, loss) => {
    expect(isLoss(reason, place, marks)).toBe(loss);
  });
});
