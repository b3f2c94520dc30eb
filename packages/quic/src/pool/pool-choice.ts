import type { PooledConnection } from './pooled-connection.js';

/** Those that are up first, the primary before the others. */
export function inOrder(members: ReadonlySet<PooledConnection>): readonly PooledConnection[] {
  return [...members].sort((a, b) => rank(a) - rank(b));
}

/** The one that has the least in flight of those that are up; one that is suspect only where no other is. */
export function pickLeastLoaded(members: ReadonlySet<PooledConnection>): PooledConnection | undefined {
  let best: PooledConnection | undefined;
  for (const member of inOrder(members)) {
    if (member.isUsable && (best === undefined || isBetter(member, best))) best = member;
  }
  return best;
}

function rank({ isUsable, role }: PooledConnection): number {
  return (isUsable ? 0 : 2) + (role === 'primary' ? 0 : 1);
}

function isBetter(a: PooledConnection, b: PooledConnection): boolean {
  if (a.state !== b.state) return a.state === 'ready';
  return a.load < b.load;
}
