import { parentPort } from 'node:worker_threads';
import { buffersOf, carryOutCall } from './disk-calls.js';
import type { DiskReply, DiskRequest } from './disk-threads.js';
import { RunningHashes } from './running-hashes.js';

// Failures of single paths are the normal course of things here, and their stack traces cost more than the calls.
Error.stackTraceLimit = 0;

const hashes = new RunningHashes();
const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread');

port.on('message', ({ id, rootPath, call }: DiskRequest) => {
  // What is thrown rather than returned is a fault of ours: it ends the thread, and its calls are rejected.
  void carryOutCall(rootPath, call, hashes).then((result) => {
    const reply: DiskReply = { id, result };
    port.postMessage(reply, result.ok ? buffersOf(result.value) : []);
  });
});
