import type { TestDevice } from './test-device.js';
import { type UntilOptions, until } from './until.js';

/** A ticket of this device, as `pair invite` prints it. */
export async function invite(device: TestDevice, ...options: readonly string[]): Promise<string> {
  const lines = (await device.ok(['pair', 'invite', ...options])).trimEnd().split('\n');
  const ticket = lines.at(-1);
  if (ticket === undefined || ticket === '') throw new Error(`${device.name} printed no ticket.`);
  return ticket;
}

/** Pairs two devices as people do it, and returns when they are connected. */
export async function pairDevices(inviter: TestDevice, accepter: TestDevice): Promise<void> {
  await accepter.ok(['pair', 'accept'], { input: `${await invite(inviter)}\n` });
  await untilConnected(inviter, accepter);
}

export async function untilConnected(
  a: TestDevice,
  b: TestDevice,
  options: Partial<UntilOptions> = {},
): Promise<void> {
  await until(async () => (await a.peer(b)).connected && (await b.peer(a)).connected, {
    what: `${a.name} and ${b.name} are connected`,
    timeoutMs: 30_000,
    ...options,
  });
}

/** Shares `pathOfOwner` and has the other device take it. */
export async function shareFolder(
  owner: TestDevice,
  pathOfOwner: string,
  other: TestDevice,
  pathOfOther: string,
  id = 'f',
): Promise<void> {
  await owner.ok(['folder', 'add', pathOfOwner, '--id', id, '--share', other.id]);
  await takeFolder(other, pathOfOther, id);
}

/** Waits for the offer, and takes it. */
export async function takeFolder(device: TestDevice, path: string, id: string): Promise<void> {
  await until(
    async () => {
      const { offers } = await device.json('folders.offers', ['folder', 'offers']);
      return offers.some((offer) => offer.id === id);
    },
    { what: `${device.name} is offered ${id}` },
  );
  await device.ok(['folder', 'accept', id, path, '--yes']);
}

/** Returns when the other devices hold everything of the folder. */
export async function waitForPeers(device: TestDevice, id = 'f'): Promise<void> {
  await device.ok(['wait', '--folder', id, '--timeout', '30s']);
}
