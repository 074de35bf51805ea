// An OCI image archive, written without a daemon: https://github.com/opencontainers/image-spec
import { createHash } from 'node:crypto';
import { mkdirSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tar } from './tar.mjs';

const TYPE = 'application/vnd.oci.image';
const digest = (data) => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** One layer of an image, packed; kept in `cache` by content, since compressing Node takes a while. */
export function layer(tree, seconds, cache) {
  const plain = tar(tree, seconds);
  const diffId = digest(plain);
  const kept = join(cache, `${diffId.slice('sha256:'.length)}.tar.gz`);
  let packed;
  if (existsSync(kept)) packed = readFileSync(kept);
  else {
    packed = gzipSync(plain, { level: 9 });
    packed[9] = 255; // the operating system that compressed is nobody's business
    mkdirSync(cache, { recursive: true });
    writeFileSync(kept, packed);
  }
  return { diffId, digest: digest(packed), packed, unpacked: plain.length };
}

/**
 * The archive of an image of one platform. `names`: full references it is known by where it is loaded.
 * Returns its bytes and what a reader wants to know of it.
 */
export function archive({ names, layers, config, labels, architecture, seconds }) {
  const created = new Date(seconds * 1000).toISOString();
  const blobs = new Map();
  const blob = (mediaType, data) => {
    blobs.set(digest(data), data);
    return { mediaType, digest: digest(data), size: data.length };
  };
  const json = (mediaType, value) => blob(mediaType, Buffer.from(JSON.stringify(value)));
  const manifest = json(`${TYPE}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    config: json(`${TYPE}.config.v1+json`, {
      created,
      architecture,
      os: 'linux',
      config: { ...config, Labels: labels },
      rootfs: { type: 'layers', diff_ids: layers.map((one) => one.diffId) },
      history: layers.map(({ comment }) => ({ created, created_by: comment })),
    }),
    layers: layers.map((one) => blob(`${TYPE}.layer.v1.tar+gzip`, one.packed)),
    annotations: labels,
  });
  const index = {
    schemaVersion: 2,
    mediaType: `${TYPE}.index.v1+json`,
    manifests: names.map((name) => ({
      ...manifest,
      platform: { architecture, os: 'linux' },
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':').at(-1) },
    })),
  };
  const file = (data) => ({ data: Buffer.from(data), mode: 0o644 });
  const tree = new Map([
    ['oci-layout', file('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', file(JSON.stringify(index))],
    ...[...blobs].map(([name, data]) => [`blobs/${name.replace(':', '/')}`, { data, mode: 0o644 }]),
  ]);
  return {
    bytes: tar(tree, seconds),
    digest: manifest.digest,
    compressed: layers.reduce((total, one) => total + one.packed.length, 0),
    unpacked: layers.reduce((total, one) => total + one.unpacked, 0),
  };
}
