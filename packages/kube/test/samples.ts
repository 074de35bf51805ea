/** What people who run the original have in their clusters: its samples and the examples of its documentation, in short. */
export interface Sample {
  readonly name: string;
  readonly kind: 'Capture' | 'MetricsConfiguration' | 'RetinaEndpoint';
  readonly spec: object;
  /** What the refusal says, where the original's operator refused it, too, or its documentation was wrong. */
  readonly refused?: string;
}

const nodes = { nodeSelector: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-0', 'node-1'] }] } }; // prettier-ignore
const duration = { duration: '10m' };
const LEADING_SLASH = 'write a path without a leading "/": it lies below the directory the operator keeps captures in';

export const SAMPLES: readonly Sample[] = [
  {
    name: 'pods-to-blob',
    kind: 'Capture',
    spec: {
      captureConfiguration: {
        captureOption: duration,
        captureTarget: {
          podSelector: { matchLabels: { 'k8s-app': 'cloud-node-manager' } },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        },
      },
      outputConfiguration: { blobUpload: 'blobsassecret' },
    },
  },
  {
    name: 'pods-to-absolute-path',
    kind: 'Capture',
    spec: {
      captureConfiguration: { captureOption: duration, captureTarget: nodes },
      outputConfiguration: { hostPath: '/tmp/retina', blobUpload: 'blobsassecret' },
    },
    refused: LEADING_SLASH,
  },
  {
    name: 'node-rotating',
    kind: 'Capture',
    spec: {
      captureConfiguration: {
        captureOption: { maxCaptureSize: 100, fileCount: 10 },
        captureTarget: { nodeSelector: { matchLabels: { 'kubernetes.io/os': 'linux' } } },
        includeMetadata: true,
      },
      outputConfiguration: { hostPath: 'retina/captures' },
    },
  },
  {
    name: 'pod-on-a-node',
    kind: 'Capture',
    spec: {
      captureConfiguration: {
        captureOption: duration,
        captureTarget: nodes,
        filters: { include: ['10.224.0.128:80', '10.224.0.129'], exclude: ['169.254.169.254'] },
      },
      outputConfiguration: { hostPath: 'retina', blobUpload: 'blobsassecret' },
    },
  },
  {
    name: 'node-to-s3',
    kind: 'Capture',
    spec: {
      captureConfiguration: { captureOption: duration, captureTarget: nodes },
      outputConfiguration: {
        hostPath: 'retina',
        s3Upload: {
          bucket: 'retina-bucket',
          endpoint: 'https://play.min.io:9000',
          path: 'retina/captures',
          secretName: 'capture-s3-upload-secret',
        },
      },
    },
  },
  {
    name: 'every-option',
    kind: 'Capture',
    spec: {
      captureConfiguration: {
        captureTarget: { podNames: ['web-0'] },
        tcpdumpFilter: 'tcp and port 443',
        includeMetadata: false,
        captureOption: {
          duration: '1h30m', packetSize: 96, maxCaptureSize: 10, fileCount: 2, interfaces: ['eth0', 'any'],
          pcapFilter: 'tcp portrange 80-443 and tcp[13] & 7 != 0', noPromiscuous: true, packetBuffered: true,
          immediateMode: true, noResolveDNS: true, noResolvePort: true, printLinkHeader: true, quietOutput: true,
          absoluteSeq: true, dontVerifyChecksum: true, verbosity: 'extra', printDataFormat: 'hex-with-link',
          timestampFormat: 'delta-since-first',
        },
      },
      outputConfiguration: { persistentVolumeClaim: 'captures' },
      cleanUpAfterUpload: true,
    }, // prettier-ignore
  },
  {
    name: 'sample-metricsconfig',
    kind: 'MetricsConfiguration',
    spec: {
      contextOptions: [{ metricName: 'requests_total', sourceLabels: ['source'], additionalLabels: ['direction'] }],
      namespaces: { include: ['default'], exclude: ['kube-system'] },
    },
    refused: 'keep include to observe only those namespaces, or exclude to observe all others',
  },
  {
    name: 'documented-metricsconfig',
    kind: 'MetricsConfiguration',
    spec: {
      contextOptions: [
        { metricName: 'drop_count', sourceLabels: ['ip', 'podname', 'port'], additionalLabels: ['direction'] },
        { metricName: 'forward_count', sourceLabels: ['IP', 'PodName'], destinationLabels: ['workload'], ttl: '30m' },
      ],
      namespaces: { include: ['default'] },
    },
  },
  {
    name: 'web-0',
    kind: 'RetinaEndpoint',
    spec: {
      containers: [{ name: 'web', id: 'containerd://0123' }],
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web' }],
      nodeIP: '10.0.0.1',
      podIP: '10.244.0.5',
      podIPs: ['10.244.0.5', 'fd00::5'],
      labels: { app: 'web' },
      annotations: { 'retina.sh': 'observe' },
    },
  },
];

const target = { nodeSelector: { matchLabels: { a: 'b' } } };
const capture = (configuration: object, output: object = { hostPath: 'x' }) => ({
  captureConfiguration: { captureOption: { duration: '1m' }, captureTarget: target, ...configuration },
  outputConfiguration: output,
});
const option = (captureOption: object) => capture({ captureOption });
const metrics = (contextOption: object) => ({ contextOptions: [{ metricName: 'drop_count', ...contextOption }] });

/** One mistake each, and what the refusal says. */
export const MISTAKES: readonly (readonly [kind: 'Capture' | 'MetricsConfiguration', spec: object, says: string])[] = [
  ['Capture', capture({ captureTarget: {} }), 'say what to capture: nodeSelector, podSelector with namespaceSelector, or podNames'],
  ['Capture', capture({ captureTarget: { ...target, podSelector: {} } }), 'keep either nodeSelector or podSelector'],
  ['Capture', capture({ captureTarget: { ...target, podNames: ['a'] } }), 'keep either podNames or selectors'],
  ['Capture', capture({ captureOption: undefined }), 'say when the capture ends: captureOption.duration'],
  ['Capture', capture({}, {}), 'say where the capture goes: hostPath, persistentVolumeClaim, blobUpload or s3Upload'],
  ['Capture', capture({}, { hostPath: 'a/../../etc' }), 'write a path without ".."'],
  ['Capture', capture({}, { s3Upload: { bucket: 'b' } }), 'secretName'],
  ['Capture', capture({ tcpdumpFilter: '-i eth0' }), 'write a filter without options or "-"'],
  ['Capture', capture({ tcpdumpFilter: 'tcp', captureOption: { sourceIPs: ['10.0.0.1'] } }), 'tcpdumpFilter cannot be combined with sourceIPs'],
  ['Capture', capture({ filters: { include: ['web:80'] } }), 'write each as IP or IP:port'],
  ['Capture', option({ duration: '10 minutes' }), 'write a duration such as 60s, 10m or 1h30m'],
  ['Capture', option({ pcapFilter: 'tcp -w /etc/passwd' }), 'options such as -i or -s are fields of captureOption'],
  ['Capture', option({ sourceIPs: ['web'] }), 'write each as an IP address'],
  ['Capture', option({ sourceIPs: Array.from({ length: 101 }, (_, i) => `10.0.0.${i}`) }), '100'],
  ['Capture', option({ verbosity: 'loud' }), 'verbosity'],
  ['Capture', option({ fileCount: 0 }), 'fileCount'],
  ['MetricsConfiguration', metrics({ sourceLabels: ['pod'] }), 'write any of ip, namespace, podname, workload, service, port, zone'],
  ['MetricsConfiguration', metrics({ ttl: '-5m' }), 'write a duration such as 300s, 5m or 1h30m, without a sign'],
  ['MetricsConfiguration', { namespaces: {} }, 'contextOptions'],
]; // prettier-ignore
