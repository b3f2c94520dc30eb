#!/usr/bin/env node
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`landropic needs Node.js 20.19 or newer; this is ${process.version}.\n`);
  process.exit(1);
}
const built = new URL('../dist/main.js', import.meta.url);
if (!existsSync(built)) {
  process.stderr.write("landropic is not built yet. Run 'npm run setup' in its folder first.\n");
  process.exit(1);
}
// Node 22.1 and later keep compiled code on disk, which shortens the start of every command.
nodeModule.enableCompileCache?.();
const { runProcess } = await import(built.href);
await runProcess();
