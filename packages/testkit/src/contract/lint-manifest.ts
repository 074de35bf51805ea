import { API, type ConfigSchema, type Exporter, type Plugin } from '@retina/sdk';

const NAME = /^[a-z][a-z0-9-]*$/;
const KERNEL = /^\d+\.\d+$/;
const CAPABILITIES = new Set([
  'AUDIT_CONTROL', 'AUDIT_READ', 'AUDIT_WRITE', 'BLOCK_SUSPEND', 'BPF', 'CHECKPOINT_RESTORE', 'CHOWN', 'DAC_OVERRIDE',
  'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'IPC_LOCK', 'IPC_OWNER', 'KILL', 'LEASE', 'LINUX_IMMUTABLE', 'MAC_ADMIN',
  'MAC_OVERRIDE', 'MKNOD', 'NET_ADMIN', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_RAW', 'PERFMON', 'SETFCAP', 'SETGID',
  'SETPCAP', 'SETUID', 'SYSLOG', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_CHROOT', 'SYS_MODULE', 'SYS_NICE', 'SYS_PACCT', 'SYS_PTRACE',
  'SYS_RAWIO', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'WAKE_ALARM',
]); // prettier-ignore

/** What is wrong with a plugin's plain data, one sentence each; empty if it is right. */
export function lintPlugin(plugin: Plugin): string[] {
  const problems = lintCommon(plugin);
  const { needs, platforms } = plugin;
  if (!platforms?.length) problems.push('platforms: name at least one');
  for (const platform of platforms ?? []) {
    if (platform !== 'linux' && platform !== 'win32') problems.push(`platforms: "${String(platform)}" is none`);
  }
  if (!needs || !Array.isArray(needs.capabilities)) return [...problems, 'needs: must state its capabilities'];
  for (const capability of needs.capabilities) {
    if (!CAPABILITIES.has(capability))
      problems.push(`needs: "${capability}" is no Linux capability (without CAP_, upper case)`);
  }
  if (needs.kernel !== undefined && !KERNEL.test(needs.kernel)) problems.push('needs: kernel must be MAJOR.MINOR');
  for (const mount of needs.mounts ?? []) {
    if (!mount.startsWith('/')) problems.push(`needs: mount "${mount}" must be an absolute path`);
  }
  if (typeof plugin.metrics !== 'object' || plugin.metrics === null)
    problems.push('metrics: must be an object, empty if there are none');
  return problems;
}

/** Keys of an exporter's block that are the host's. */
const HOST_KEYS: readonly string[] = ['required', 'push', 'metricRelabelConfigs', 'flowRelabelConfigs', 'maxSeries'];

export function lintExporter(exporter: Exporter): string[] {
  const taken = Object.keys(exporter.config?.shape ?? {}).filter((key) => HOST_KEYS.includes(key));
  return [...lintCommon(exporter), ...taken.map((key) => `config: "${key}" is read by the host; take another name`)];
}

function lintCommon(component: Plugin | Exporter): string[] {
  const problems: string[] = [];
  if (!NAME.test(component.name))
    problems.push(`name: "${component.name}" must be lower-case letters, digits and dashes`);
  if (component.api !== API)
    problems.push(`api: is ${String(component.api)}, this suite tests version ${String(API)}; set api: API`);
  const text = component.description?.trim() ?? '';
  if (text.length < 10 || text.includes('\n')) problems.push('description: must be one sentence');
  if (!['experimental', 'beta', 'stable'].includes(component.stability)) {
    problems.push('stability: must be experimental, beta or stable');
  }
  if (typeof component.setup !== 'function') problems.push('setup: must be a function');
  return [...problems, ...lintConfig(component.config)];
}

function lintConfig(schema: ConfigSchema): string[] {
  if (typeof schema?.safeParse !== 'function' || !('shape' in schema)) return ['config: must be a zod object'];
  return Object.keys(schema.shape)
    .filter((key) => !/^[a-z][A-Za-z0-9]*$/.test(key))
    .map((key) => `config: key "${key}" must be camelCase`);
}
