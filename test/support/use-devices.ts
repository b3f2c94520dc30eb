import { afterAll, afterEach } from 'vitest';
import { type LaunchOptions, TestDevice } from './test-device.js';

/**
 * Gives tests devices that end with the test, or with the file that shares them. Call it once in a file, outside the
 * tests. When a test fails, what its daemons wrote is printed.
 */
export function useDevices(options: { readonly endWith: 'test' | 'file' } = { endWith: 'test' }) {
  let running: TestDevice[] = [];
  const killAll = (): void => {
    for (const device of running) device.killNow();
  };
  // A test runner that is stopped must not leave daemons behind.
  process.once('exit', killAll);
  const end = async (): Promise<void> => {
    const devices = running;
    running = [];
    await Promise.all(devices.map((device) => device.remove()));
  };
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const device of running) console.error(`── ${device.name} (${device.id})\n${device.log}`);
    }
    if (options.endWith === 'test') await end();
  });
  afterAll(async () => {
    process.off('exit', killAll);
    await end();
  });
  return (name: string, launch?: LaunchOptions): Promise<TestDevice> =>
    TestDevice.start(name, launch, (device) => running.push(device));
}
