import { CryptoError } from '@landropic/crypto';
import { ConfigError } from '../config/config-error.js';
import { ApiError, ApiErrorCode, type MethodName } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { conflictHandlers } from './conflict-handlers.js';
import type { DaemonParts } from './daemon-parts.js';
import { folderDecisionHandlers } from './folder-decision-handlers.js';
import { folderHandlers } from './folder-handlers.js';
import { historyHandlers } from './history-handlers.js';
import { pairingHandlers } from './pairing-handlers.js';
import { previewHandlers } from './preview-handlers.js';
import { statusHandlers } from './status-handlers.js';
import { syncHandlers } from './sync-handlers.js';

/** Every method of the local API, over the daemon's parts. */
export function createHandlers(parts: DaemonParts): Handlers {
  const { settings } = parts;
  const handlers: Handlers = {
    ...statusHandlers(parts),
    ...folderHandlers(parts),
    ...folderDecisionHandlers(parts),
    ...historyHandlers(parts),
    ...previewHandlers(parts),
    ...conflictHandlers(parts),
    ...pairingHandlers(parts),
    ...syncHandlers(parts),
    'config.get': async ({ key }) => ({ ...settings.get(key) }),
    'config.set': async ({ key, value }) => ({ ...settings.set(key, value) }),
    'config.list': async () => ({ settings: settings.list().map((setting) => ({ ...setting })) }),
  };
  return withApiErrors(handlers);
}

/** Errors of the parts become errors of the API; what is left is internal. */
function withApiErrors(handlers: Handlers): Handlers {
  const wrapped: Partial<Record<MethodName, unknown>> = {};
  for (const [method, handler] of Object.entries(handlers) as [
    MethodName,
    (...args: never[]) => Promise<unknown>,
  ][]) {
    wrapped[method] = async (...args: never[]) => {
      try {
        return await handler(...args);
      } catch (error) {
        throw toApiError(error);
      }
    };
  }
  return wrapped as Handlers;
}

function toApiError(error: unknown): unknown {
  if (error instanceof ConfigError) {
    const code = ApiErrorCode.safeParse(error.code);
    return new ApiError(code.success ? code.data : 'internal', error.message, {
      hint: error.hint,
      cause: error,
    });
  }
  if (error instanceof CryptoError) return new ApiError('usage', error.message, { cause: error });
  return error;
}
