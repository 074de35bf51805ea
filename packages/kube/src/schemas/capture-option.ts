import { z } from 'zod';
import { ruled } from './rules.ts';

const DURATION = '^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$';
const ADDRESS = '^[0-9a-fA-F.:]+$';
const OPTION = '(^|\\s)--?[a-zA-Z]';

const addresses = ruled(z.array(z.string().max(64)).max(100), {
  cel: `self.all(ip, ip.matches('${ADDRESS}'))`,
  check: (list) => list.every((ip) => new RegExp(ADDRESS).test(ip)),
  message: 'write each as an IP address, such as 10.0.0.1 or fd00::1',
});

const yes = (text: string) => z.boolean().optional().describe(text);

/** How long, how much, and which packets. */
export const captureOption = z.object({
  duration: ruled(z.string().max(64), {
    cel: `self.matches('${DURATION}')`,
    check: (text) => new RegExp(DURATION).test(text),
    message: 'write a duration such as 60s, 10m or 1h30m',
  })
    .optional()
    .describe('How long to capture.'),
  packetSize: z.int32().min(0).optional().describe('Bytes kept of each packet; without it, all.'),
  maxCaptureSize: z.int32().min(1).default(100).describe('Megabytes (10^6 bytes) after which a file is full.'),
  fileCount: z
    .int32()
    .min(1)
    .optional()
    .describe('Files of maxCaptureSize that are written in turn, the oldest first.'),
  interfaces: z
    .array(z.string().min(1).max(64))
    .max(100)
    .optional()
    .describe('Interfaces to capture on; without it, any.'),
  pcapFilter: ruled(z.string().max(1024), {
    cel: `!self.matches('${OPTION.replaceAll('\\', '\\\\')}')`,
    check: (text) => !new RegExp(OPTION).test(text),
    message: 'write a filter such as "tcp and portrange 80-443"; options such as -i or -s are fields of captureOption',
  })
    .optional()
    .describe('pcap filter: only packets that match.'),
  sourceIPs: addresses.optional().describe('Only packets from one of these addresses.'),
  destinationIPs: addresses.optional().describe('Only packets to one of these addresses.'),
  noPromiscuous: yes('tcpdump -p: not in promiscuous mode.'),
  packetBuffered: yes('tcpdump -U: each packet is written at once.'),
  immediateMode: yes('tcpdump --immediate-mode: packets are not gathered first.'),
  noResolveDNS: yes('tcpdump -n: addresses are not turned into names.'),
  noResolvePort: yes('tcpdump -nn: nor ports.'),
  printLinkHeader: yes('tcpdump -e: with the link-level header.'),
  quietOutput: yes('tcpdump -q: fewer details.'),
  absoluteSeq: yes('tcpdump -S: absolute TCP sequence numbers.'),
  dontVerifyChecksum: yes('tcpdump -K: checksums are not verified.'),
  verbosity: z.enum(['', 'verbose', 'extra', 'max']).optional().describe('tcpdump -v, -vv, -vvv.'),
  printDataFormat: z
    .enum(['', 'hex', 'hex-with-link', 'ascii', 'ascii-with-link'])
    .optional()
    .describe('tcpdump -x, -xx, -X, -XX.'),
  timestampFormat: z
    .enum(['', 'none', 'unformatted', 'delta', 'date', 'delta-since-first'])
    .optional()
    .describe('tcpdump -t, -tt, -ttt, -tttt, -ttttt.'),
});
