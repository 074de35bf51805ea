// What each image is: which packages it holds, and how a container of it starts. images/NAME/Dockerfile says the same for
// those who build with a daemon; images.test.mjs compares.

/** Where packages are found from: an image of one's own adds to it. */
export const MODULES = 'retina/node_modules';

/** Of every image. */
export const SHARED = {
  WorkingDir: '/retina',
  Env: ['PATH=/usr/local/bin', 'NODE_ENV=production', 'SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt', 'HOME=/tmp'],
};

/** Folders of packages; `plugins` and `exporters` stand for all in them. */
export const IMAGES = {
  'retina-agent': {
    title: 'Retina agent',
    roots: ['packages/agent', 'packages/cli', 'plugins', 'exporters'],
    native: true,
    commands: { retina: '@retina/cli/dist/main.js', 'retina-agent': '@retina/agent/dist/main.js' },
    config: {
      // A young generation of 1 MiB: what the agent allocates dies at once, and 10 MiB stay with the node.
      Entrypoint: [
        '/usr/local/bin/node',
        '--max-semi-space-size=1',
        `/${MODULES}/@retina/agent/dist/main.js`,
        '--no-tui',
      ],
      Cmd: ['--config', '/retina/config/config.yaml'],
      User: '0',
    },
  },
  'retina-operator': {
    title: 'Retina operator',
    roots: ['packages/operator'],
    native: false,
    commands: { 'retina-operator': '@retina/operator/dist/main.js' },
    config: {
      Entrypoint: ['/usr/local/bin/node', `/${MODULES}/@retina/operator/dist/main.js`],
      User: '65532',
    },
  },
};
