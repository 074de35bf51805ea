// Where the cluster tests get their cluster from.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT } from './paths.mjs';

/** The program that makes a cluster on this machine: RETINA_CLUSTER_TOOL, or the usual place beside the checkout. */
export function clusterTool() {
  return resolve(ROOT, process.env.RETINA_CLUSTER_TOOL ?? join('..', 'shared', 'cluster', 'cluster'));
}

/** Whether there is a cluster to test on: somebody's, or a tool that makes one. */
export function clusterGiven() {
  return Boolean(process.env.KUBECONFIG) || existsSync(clusterTool());
}
