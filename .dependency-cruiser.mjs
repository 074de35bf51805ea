/** sdk <- plugins, exporters; sdk <- loader <- core <- agent <- cli; nothing imports a plugin or an exporter but by configured name. */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from, pathNot: '(\\.test\\.ts$|/test/|vitest\\.config|tsup\\.config)' },
  to: { path: '^(bpf|packages|plugins|exporters|examples|bench|kernels)/', pathNot: [from, ...allowed] },
});

export default {
  forbidden: [
    only('sdk-stands-alone', '^packages/sdk/', []),
    only('create-plugin-stands-on-sdk', '^packages/create-plugin/', ['^packages/sdk/']),
    only('bpf-stands-on-sdk', '^bpf/', ['^packages/sdk/']),
    only('loader-stands-on-sdk', '^packages/loader/', ['^packages/sdk/']),
    only('core-stands-on-loader', '^packages/core/', ['^packages/(sdk|loader)/']),
    only('kube-stands-on-sdk', '^packages/kube/', ['^packages/sdk/']),
    only('agent-stands-on-core', '^packages/agent/', ['^packages/(sdk|loader|core|kube)/']),
    only('operator-stands-on-kube', '^packages/operator/', ['^packages/(sdk|kube)/']),
    only('cli-stands-on-agent', '^packages/cli/', ['^packages/(sdk|loader|core|agent)/']),
    only('testkit-stands-on-core', '^packages/testkit/', ['^packages/(sdk|loader|core)/']),
    only('plugins-see-only-the-sdk', '^plugins/([^/]+)/', ['^packages/sdk/', '^plugins/$1/']),
    only('exporters-see-only-the-sdk', '^exporters/([^/]+)/', ['^packages/sdk/', '^exporters/$1/']),
    only('examples-see-only-the-sdk', '^examples/([^/]+)/', ['^packages/sdk/', '^examples/$1/']),
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.(gen\\.ts|node)$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|build|node_modules)/|\\.gen\\.ts$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['@retina/source', 'import', 'default'] },
  },
};
