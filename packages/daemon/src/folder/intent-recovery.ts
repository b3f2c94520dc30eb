import type { Recovered } from '../core/ports/applier.js';
import type { ApplierDependencies } from './applier.js';
export async function recoverIntents(_d: ApplierDependencies): Promise<readonly Recovered[]> {
  return [];
}
