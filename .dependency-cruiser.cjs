// The one dependency rule (ARCHITECTURE.md, "Layers"), as dependency-cruiser checks it; `npm run layers` runs it.
// Paths of other packages come as their built files, or as bare names while they are not built.

const TESTS = '\\.test\\.ts$|/testing/';
const ADAPTERS = ['index', 'folder', 'transfer', 'discovery', 'trust', 'local-api'];
const DAEMON = '^packages/daemon/src/';
const PURE_LIBRARIES = 'node_modules/(zod|cborg)/';

const packageOf = (name) => `(^packages/${name}/(src|dist)/|^@landropic/${name}(/|$))`;
const library = (name) => `(node_modules/|^)${name}(/|$)`;

/** A library with one user: everything else goes through that user's port. `users` is a pattern below packages/. */
const soleUser = (libraryName, users) => ({
  name: `sole-user-of-${libraryName.replace(/^@/, '').replace('/', '-')}`,
  comment: `${libraryName} is wrapped in ${users}; use what that offers.`,
  severity: 'error',
  from: { path: '^packages/', pathNot: [`^packages/${users}`, TESTS] },
  to: { path: library(libraryName) },
});

module.exports = {
  forbidden: [
    {
      name: 'core-is-pure',
      comment:
        'core/ imports itself and pure libraries only: no node:*, no I/O. Time, randomness and hashes come in.',
      severity: 'error',
      from: { path: `${DAEMON}core/`, pathNot: TESTS },
      to: { pathNot: [`${DAEMON}core/`, PURE_LIBRARIES] },
    },
    ...ADAPTERS.map((adapter) => ({
      name: `adapter-${adapter}-stands-alone`,
      comment:
        'Adapters meet in daemon.ts. Each may use core/, config/ and observability/, and nothing else of the daemon.',
      severity: 'error',
      from: { path: `${DAEMON}${adapter}/`, pathNot: TESTS },
      to: { path: DAEMON, pathNot: `${DAEMON}(${adapter}|core|config|observability)/` },
    })),
    {
      name: 'sync-knows-ports-only',
      comment: 'sync/ drives through the ports in core/; adapters are handed to it by daemon.ts.',
      severity: 'error',
      from: { path: `${DAEMON}sync/`, pathNot: TESTS },
      to: { path: DAEMON, pathNot: `${DAEMON}(sync|core|config|observability)/` },
    },
    {
      name: 'config-and-observability-are-leaves',
      comment: 'Everybody may use them, so they use nobody but core/.',
      severity: 'error',
      from: { path: `${DAEMON}(config|observability)/`, pathNot: TESTS },
      to: { path: DAEMON, pathNot: `${DAEMON}(config|observability|core)/` },
    },
    {
      name: 'nothing-imports-the-root',
      comment: 'daemon.ts, assembly/ and handlers/ wire everything; whoever imports them imports upwards.',
      severity: 'error',
      from: { path: `${DAEMON}.+/`, pathNot: [`${DAEMON}(assembly|handlers)/`, TESTS] },
      to: { path: `${DAEMON}((assembly|handlers)/|(daemon|main|index)\\.ts$)` },
    },
    {
      name: 'quic-knows-no-other-package',
      comment: 'The peer verifier is passed in; the transport knows nothing of devices and files.',
      severity: 'error',
      from: { path: '^packages/quic/', pathNot: TESTS },
      to: { path: `${packageOf('crypto')}|${packageOf('daemon')}|${packageOf('cli')}` },
    },
    {
      name: 'transports-know-nothing-above-them',
      comment: 'What is built over the ports of the transport works on every implementation of them.',
      severity: 'error',
      from: { path: '^packages/quic/src/(driver|memory|udp)/', pathNot: TESTS },
      to: { path: '^packages/quic/src/(pool|rpc|streams)/' },
    },
    {
      name: 'crypto-knows-no-other-package',
      comment: 'Who a device is does not depend on how it is reached.',
      severity: 'error',
      from: { path: '^packages/crypto/', pathNot: TESTS },
      to: { path: `${packageOf('quic')}|${packageOf('daemon')}|${packageOf('cli')}` },
    },
    {
      name: 'nothing-imports-the-cli',
      comment: 'The CLI is on top.',
      severity: 'error',
      from: { path: '^packages/(daemon|quic|crypto)/' },
      to: { path: packageOf('cli') },
    },
    {
      name: 'cli-talks-through-the-local-api',
      comment: "The CLI knows the daemon's API and where its home is, not its insides, and no other package.",
      severity: 'error',
      from: { path: '^packages/cli/', pathNot: TESTS },
      to: {
        path: `${packageOf('daemon')}|${packageOf('quic')}|${packageOf('crypto')}`,
        pathNot:
          '(^packages/daemon/dist/(index|local-api/index|config/home)\\.|^@landropic/daemon(/local-api|/home)?$)',
      },
    },
    {
      name: 'cli-loads-the-daemon-in-one-place',
      comment:
        'The public entry brings SQLite and QUIC along: one file loads it, and only when it is needed.',
      severity: 'error',
      from: { path: '^packages/cli/', pathNot: ['^packages/cli/src/daemon-entry\\.ts$', TESTS] },
      to: { path: '(^packages/daemon/dist/index\\.|^@landropic/daemon$)' },
    },
    soleUser('@matrixai/quic', 'quic/'),
    soleUser('node-forge', 'crypto/'),
    // The lock on the home is one of SQLite's.
    soleUser('better-sqlite3', 'daemon/src/(index/|config/instance-lock)'),
    soleUser('chokidar', 'daemon/src/folder/'),
    soleUser('bonjour-service', 'daemon/src/discovery/'),
    {
      name: 'no-cycles',
      comment: 'Two modules that import each other are one module.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
