import { z } from 'zod';
import { captureOption } from './capture-option.ts';
import { conditions } from './condition.ts';
import { given, ruled } from './rules.ts';
import { labelSelector } from './selector.ts';

const PEERS = '^[0-9a-fA-F.:*/]+$|^[[][0-9a-fA-F:.]+[]](:([0-9]+|[*]))?$';
const peers = ruled(z.array(z.string().max(64)).max(256), {
  cel: `self.all(peer, peer.matches('${PEERS}'))`,
  check: (list) => list.every((peer) => new RegExp(PEERS).test(peer)),
  message: 'write each as IP or IP:port, such as 10.0.0.1, 10.0.0.1:80, *:53 or [fd00::1]:443',
});

const captureTarget = ruled(
  z.object({
    nodeSelector: labelSelector.optional().describe('Nodes with these labels; their whole traffic.'),
    namespaceSelector: labelSelector.optional().describe('Namespaces of the pods that podSelector selects.'),
    podSelector: labelSelector.optional().describe('Pods with these labels.'),
    podNames: z.array(z.string().max(253)).max(1000).optional().describe('Pods by name.'),
  }),
  {
    cel: 'has(self.nodeSelector) || has(self.namespaceSelector) || has(self.podSelector) || (has(self.podNames) && size(self.podNames) > 0)',
    check: (t) => !!(t.nodeSelector || t.namespaceSelector || t.podSelector || t.podNames?.length),
    message: 'say what to capture: nodeSelector, podSelector with namespaceSelector, or podNames',
  },
  {
    cel: '!(has(self.nodeSelector) && (has(self.namespaceSelector) || has(self.podSelector)))',
    check: (t) => !(t.nodeSelector && (t.namespaceSelector || t.podSelector)),
    message:
      'keep either nodeSelector or podSelector with namespaceSelector: pods are captured on the nodes they run on',
  },
  {
    cel: '!(has(self.podNames) && size(self.podNames) > 0 && (has(self.nodeSelector) || has(self.namespaceSelector) || has(self.podSelector)))',
    check: (t) => !(t.podNames?.length && (t.nodeSelector || t.namespaceSelector || t.podSelector)),
    message: 'keep either podNames or selectors: name the pods, or select them by their labels',
  },
);

const captureConfiguration = ruled(
  z.object({
    captureTarget: captureTarget.describe('Where to capture: by node, or by pod.'),
    filters: z
      .object({
        include: peers.optional().describe('Only packets from or to one of these.'),
        exclude: peers.optional().describe('No packets from or to any of these.'),
      })
      .optional()
      .describe('Peers whose packets are captured, as IP or IP:port; * stands for any.'),
    tcpdumpFilter: ruled(z.string().max(1024), {
      cel: "!self.contains('-')",
      check: (text) => !text.includes('-'),
      message:
        'write a filter without options or "-", such as "tcp and port 443"; captureOption.pcapFilter takes port ranges, too',
    })
      .optional()
      .describe('Deprecated: use captureOption.pcapFilter.'),
    includeMetadata: z
      .boolean()
      .default(true)
      .describe("Whether the node's addresses, routes, rules and socket statistics are collected, too."),
    captureOption: captureOption.optional().describe('How long, how much, and which packets.'),
  }),
  {
    cel: 'has(self.captureOption)',
    check: (c) => c.captureOption !== undefined,
    message: 'say when the capture ends: captureOption.duration, such as 60s, or captureOption.maxCaptureSize in MB',
  },
  {
    cel: "!(has(self.tcpdumpFilter) && self.tcpdumpFilter != '' && has(self.captureOption) && (has(self.captureOption.sourceIPs) || has(self.captureOption.destinationIPs)))",
    check: ({ tcpdumpFilter, captureOption: o }) => !(given(tcpdumpFilter) && (o?.sourceIPs ?? o?.destinationIPs)),
    message:
      'tcpdumpFilter cannot be combined with sourceIPs or destinationIPs: write the filter into captureOption.pcapFilter',
  },
);

const s3Upload = z.object({
  endpoint: z.string().optional().describe('Address of the service, where it is not AWS.'),
  bucket: z.string().describe('Bucket to store in.'),
  secretName: z.string().describe('Secret with s3-access-key-id and s3-secret-access-key.'),
  region: z.string().optional().describe('Region of the bucket.'),
  path: z.string().optional().describe('Prefix within the bucket, such as retina/captures.'),
});

const outputConfiguration = ruled(
  z.object({
    hostPath: ruled(
      z.string().max(4096),
      {
        cel: "!self.startsWith('/')",
        check: (path) => !path.startsWith('/'),
        message:
          'write a path without a leading "/": it lies below the directory the operator keeps captures in (captureHostPathBaseDir, /var/log/retina/captures)',
      },
      {
        cel: "!self.matches('(^|/)[.][.](/|$)')",
        check: (path) => !/(^|\/)\.\.(\/|$)/.test(path),
        message: 'write a path without "..": it stays below the directory the operator keeps captures in',
      },
    )
      .optional()
      .describe("A directory on each node, below the operator's captureHostPathBaseDir."),
    persistentVolumeClaim: z.string().optional().describe('Claim of the volume to store in.'),
    blobUpload: z.string().optional().describe('Secret with the SAS URL of an Azure blob container: blob-upload-url.'),
    s3Upload: s3Upload.optional().describe('S3, or what speaks like it.'),
  }),
  {
    cel: 'has(self.hostPath) || has(self.persistentVolumeClaim) || has(self.blobUpload) || has(self.s3Upload)',
    check: (o) =>
      [o.hostPath, o.persistentVolumeClaim, o.blobUpload, o.s3Upload].some((output) => output !== undefined),
    message: 'say where the capture goes: hostPath, persistentVolumeClaim, blobUpload or s3Upload',
  },
);

/** What Capture's `spec` holds. */
export const captureSpec = z
  .object({
    captureConfiguration: captureConfiguration.describe('What is captured, and how.'),
    outputConfiguration: outputConfiguration.describe('Where it is stored; several may be given.'),
    cleanUpAfterUpload: z
      .boolean()
      .default(false)
      .describe('Whether the capture and its jobs are deleted once everything was uploaded.'),
  })
  .describe('Packets to capture.');

export const captureStatus = z.object({
  conditions: conditions.optional(),
  startTime: z.iso.datetime({ offset: true }).optional().describe('When its first job was made.'),
  completionTime: z.iso.datetime({ offset: true }).optional().describe('When its last job succeeded.'),
  active: z.int32().optional().describe('Jobs that are pending or running.'),
  succeeded: z.int32().optional().describe('Jobs that succeeded.'),
  failed: z.int32().optional().describe('Jobs that failed.'),
});
