import type { LoaderApi } from '@retina/loader';
import { RetinaError, type KernelFeatures, type Manifest } from '@retina/sdk';
import type { Config } from '../config/schema.ts';
import { nativePart } from '../host/kernel.ts';
import { hasCapability, neededCapabilities, unmet } from '../host/needs.ts';
import { installed, searchPath, type Kind, type ResolveOptions } from '../host/resolve.ts';
import { findManifest } from './find.ts';

export interface DoctorOptions {
  /** Asks for the components of a configuration; without one, for every one that is installed under a name of ours. */
  readonly config?: Config;
  /** Folder or file URL to resolve packages from. */
  readonly from?: string;
  readonly components?: ResolveOptions['components'];
  /** Default `@retina/loader`; null for none. */
  readonly loader?: LoaderApi | null;
}

/** A need that is not met, or another reason not to run. */
export interface Finding {
  readonly code: string;
  readonly summary: string;
  readonly found?: string;
  readonly needed?: string;
  /** What mends it. */
  readonly next?: string;
}

export interface DoctorComponent {
  readonly kind: Kind;
  readonly name: string;
  readonly description: string;
  readonly stability?: string;
  /** What it needs, capabilities by this kernel's measure. */
  readonly needs: { readonly capabilities: readonly string[]; readonly kernel?: string; readonly btf: boolean };
  /** Whether it would run here and now, as far as can be told without trying. */
  readonly runs: boolean;
  readonly findings: readonly Finding[];
}

export interface DoctorReport {
  readonly kernel: Pick<
    KernelFeatures,
    'release' | 'architecture' | 'btf' | 'tcx' | 'ringBuffer' | 'preemptRt' | 'possibleCpus' | 'capabilities'
  >;
  /** Why the native loader cannot be used. */
  readonly native?: Finding;
  readonly components: readonly DoctorComponent[];
  /** Capabilities that all of them together need and this process lacks. */
  readonly missingCapabilities: readonly string[];
}

/** What each plugin needs, what this kernel and these rights offer, and what would run. Needs no privileges and changes nothing. */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  const { kernel, missing } = await nativePart(options.loader);
  const from = searchPath(options.config?.directory ?? process.cwd(), options.from);
  const resolveOptions = { from, ...(options.components && { components: options.components }) };
  const components: DoctorComponent[] = [];
  for (const kind of ['plugin', 'exporter'] as const) {
    const configured =
      options.config && Object.keys(kind === 'plugin' ? options.config.plugins : options.config.exporters);
    for (const name of configured ?? installed(kind, from)) {
      try {
        components.push(examine(name, await findManifest(kind, name, resolveOptions), kernel, missing));
      } catch (error) {
        const problem = RetinaError.from(error, 'RETINA_PLUGIN_INVALID', `the ${kind} ${name} cannot be used`);
        const needs = { capabilities: [], btf: false };
        components.push({ kind, name, description: '', needs, runs: false, findings: [finding(problem)] });
      }
    }
  }
  const wanted = new Set(components.flatMap(({ needs }) => needs.capabilities));
  const { release, architecture, btf, tcx, ringBuffer, preemptRt, possibleCpus, capabilities } = kernel;
  return {
    kernel: { release, architecture, btf, tcx, ringBuffer, preemptRt, possibleCpus, capabilities },
    ...(missing && { native: finding(missing) }),
    components,
    missingCapabilities: [...wanted].filter((capability) => !hasCapability(kernel, capability)),
  };
}

function examine(
  name: string,
  manifest: Manifest,
  kernel: KernelFeatures,
  missing: RetinaError | undefined,
): DoctorComponent {
  const { kind, description, stability, needs, platforms } = manifest;
  const findings = unmet(name, needs, platforms, kernel).map(finding);
  if (missing && needs.capabilities.includes('BPF')) findings.push(finding(missing));
  return {
    kind,
    name,
    description,
    stability,
    needs: {
      capabilities: neededCapabilities(needs, kernel),
      ...(needs.kernel && { kernel: needs.kernel }),
      btf: needs.btf ?? false,
    },
    runs: findings.length === 0,
    findings,
  };
}

function finding({ code, summary, found, needed, next }: RetinaError): Finding {
  return { code, summary, ...(found && { found }), ...(needed && { needed }), ...(next && { next }) };
}
