import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { watchForUncaught } from './last-resort.js';

test('whatever nobody caught is handed over, until the watch ends', () => {
  const source = new EventEmitter();
  const handled: unknown[] = [];
  const end = watchForUncaught((error) => handled.push(error), source);
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
  source.emit('uncaughtException', thrown, 'uncaughtException');
  source.emit('unhandledRejection', rejected, Promise.resolve());
  expect(handled).toEqual([thrown, rejected]);
  end();
  expect(source.eventNames()).toEqual([]);
});
