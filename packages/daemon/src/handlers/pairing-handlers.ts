import {
  decodeTicket,
  encodeTicket,
  parseDeviceId,
  proofsEqual,
  redeemProof,
  ticketId as ticketIdOf,
} from '@landropic/crypto';
import { formatAddress, invitableAddresses } from '../assembly/own-addresses.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import { toHex } from '../core/wire/hex.js';
import { ApiError, type ApiErrorCode } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { PairingError } from '../sync/pairing-service.js';
import type { DaemonParts } from './daemon-parts.js';
import { pairedDevice } from './named.js';

type PairingMethods = 'pair.invite' | 'pair.follow' | 'pair.accept' | 'devices.remove';

const ACCEPT_MS = 30_000;

export function pairingHandlers(parts: DaemonParts): Pick<Handlers, PairingMethods> {
  const { tickets, identity, endpoint, clock, pairingEvents, pairing, devices, orchestrator, folders } =
    parts;
  return {
    'pair.invite': async ({ ttlMs }) => {
      const issued = tickets.issue(ttlMs === undefined ? {} : { ttlMs });
      parts.refreshPairing();
      const expiresAtMs = clock.nowMs() + issued.ttlMs;
      const addresses = invitableAddresses(endpoint.localAddress);
      const ticket = encodeTicket({
        version: 1,
        inviter: identity.deviceId,
        addresses,
        secret: issued.secret,
        expiresAtMs,
      });
      const ticketId = toHex(issued.id);
      return {
        ticket,
        ticketId,
        expiresAt: new Date(expiresAtMs).toISOString(),
        addresses: addresses.map(formatAddress),
      };
    },
    'pair.follow': ({ ticketId }, { signal, emit }) =>
      new Promise((resolve, reject) => {
        const ended = () => {
          stopListening();
          cancelExpiry();
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = () => {
          ended();
          reject(new ApiError('internal', 'cancelled'));
        };
        const stopListening = pairingEvents.listen((event) => {
          if (event.type === 'wrong-proof') emit({ wrongProofFrom: event.from });
          else if (event.ticketId === ticketId) {
            ended();
            resolve({ id: event.peer.device, name: event.peer.name });
          }
        });
        const expiresAt = tickets.nextExpiryMs();
        const cancelExpiry = clock.after(
          Math.max(0, (expiresAt ?? clock.monotonicMs()) - clock.monotonicMs()),
          () => {
            ended();
            reject(new ApiError('timeout', 'The ticket has expired, and nobody has used it.'));
          },
        );
        signal.addEventListener('abort', onAbort, { once: true });
      }),
    'pair.accept': async ({ ticket: text }, { signal }) => {
      const ticket = decodeOrRefuse(text);
      const own = identity.deviceId;
      if (ticket.inviter === own)
        throw new ApiError('usage', 'This ticket was made on this very device. Use it on the other one.');
      try {
        const peer = await pairing.redeem(
          {
            inviter: ticket.inviter as string as DeviceKey,
            addresses: ticket.addresses,
            ticketId: ticketIdOf(ticket.secret),
            proof: redeemProof(ticket.secret, 'accepter', ticket.inviter, own),
            expectedAnswer: redeemProof(ticket.secret, 'inviter', ticket.inviter, own),
            proofsEqual,
          },
          AbortSignal.any([signal, AbortSignal.timeout(ACCEPT_MS)]),
        );
        return { id: peer.device, name: peer.name };
      } catch (error) {
        throw error instanceof PairingError ? toApiError(error) : error;
      }
    },
    'devices.remove': async ({ device: text }) => {
      const { id, name } = pairedDevice(parts, text);
      devices.remove(id);
      tickets.cancelRedeemedBy(parseDeviceId(id));
      for (const { setting } of folders.list()) {
        if (setting.sharedWith.includes(id))
          folders.share(
            setting.id,
            setting.sharedWith.filter((other) => other !== id),
          );
      }
      await orchestrator.removeDevice(id);
      return { id, name };
    },
  };
}

function decodeOrRefuse(text: string): ReturnType<typeof decodeTicket> {
  try {
    return decodeTicket(text);
  } catch (error) {
    throw new ApiError('usage', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function toApiError(error: PairingError): ApiError {
  const codes: Record<PairingError['code'], ApiErrorCode> = {
    unreachable: 'unreachable',
    timeout: 'unreachable',
    refused: 'not-allowed',
    'wrong-device': 'not-allowed',
  };
  return new ApiError(codes[error.code], error.message, { cause: error });
}
