import { RetinaError, type KernelFeatures, type Needs, type Platform } from '@retina/sdk';

/** Capabilities that another one includes: the kernel asks for either. */
const IMPLIED: Readonly<Record<string, string>> = { BPF: 'SYS_ADMIN', PERFMON: 'SYS_ADMIN' };

/** Capabilities a component needs on this kernel: below 5.11 maps count against RLIMIT_MEMLOCK, which SYS_RESOURCE lifts. */
export function neededCapabilities(needs: Needs, kernel: KernelFeatures): readonly string[] {
  const [major, minor] = kernel.version;
  const old = major < 5 || (major === 5 && minor < 11);
  const extra = old && needs.capabilities.includes('BPF') ? ['SYS_RESOURCE'] : [];
  return [...new Set([...needs.capabilities, ...extra])];
}

/** Whether the process has a capability, or one that includes it. */
export function hasCapability(kernel: KernelFeatures, capability: string): boolean {
  return [capability, IMPLIED[capability] ?? capability].some((one) => kernel.capabilities.includes(one));
}

/** What stands between a component and this node, each with the way to mend it; empty if it can run. */
export function unmet(
  name: string,
  needs: Needs,
  platforms: readonly Platform[],
  kernel: KernelFeatures,
): readonly RetinaError[] {
  const problems: RetinaError[] = [];
  const platform = process.platform as Platform;
  if (!platforms.includes(platform)) {
    problems.push(
      new RetinaError('RETINA_KERNEL_UNSUPPORTED', `${name} does not run on this platform`, {
        found: platform,
        needed: platforms.join(' or '),
        next: 'remove it from the configuration of these nodes',
      }),
    );
    return problems;
  }
  if (needs.kernel && older(kernel.version, needs.kernel)) {
    problems.push(
      new RetinaError('RETINA_KERNEL_UNSUPPORTED', `${name} needs a newer kernel`, {
        found: kernel.release,
        needed: `${needs.kernel} or later`,
        next: 'update the kernel, or disable it; everything else runs',
      }),
    );
  }
  if (needs.btf && !kernel.btf) {
    problems.push(
      new RetinaError('RETINA_BTF_MISSING', `${name} needs the kernel's type information`, {
        found: 'no readable /sys/kernel/btf/vmlinux',
        needed: 'a kernel built with CONFIG_DEBUG_INFO_BTF',
        next: 'use a kernel of a current distribution, or mount /sys into the container',
      }),
    );
  }
  const missing = neededCapabilities(needs, kernel).filter((cap) => !hasCapability(kernel, cap));
  if (missing.length) {
    const caps = missing.map((cap) => `CAP_${cap}`).join(', ');
    problems.push(
      new RetinaError(
        'RETINA_CAPABILITY_MISSING',
        `${name} lacks ${missing.length === 1 ? 'a capability' : 'capabilities'}`,
        {
          found: `this process has not: ${caps}`,
          needed: neededCapabilities(needs, kernel)
            .map((cap) => `CAP_${cap}`)
            .join(', '),
          next: `run as root, or add to the container's securityContext: capabilities: {add: [${missing.join(', ')}]}`,
        },
      ),
    );
  }
  return problems;
}

function older(have: readonly [number, number], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return have[0] < major || (have[0] === major && have[1] < minor);
}
