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
import { ApiError } from '../local-api/schema.js';
import type { CallContext, Handlers } from '../local-api/server.js';
import { PairingError } from '../sync/pairing-service.js';
import type { DaemonParts } from './daemon-parts.js';
import { pairedDevice } from './named.js';

type PairingMethods = 'pair.invite' | 'pair.follow' | 'pair.accept' | 'devices.remove';

const ACCEPT_MS = 30_000;

export function pairingHandlers(parts: DaemonParts): Pick<Handlers, PairingMethods> {
  const { tickets, identity, endpoint, clock, pairing, devices, orchestrator, folders } = parts;
  /** On the monotonic clock, by ticket ID; no more than there can be open tickets. */
  const expiries = new Map<string, number>();
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
      for (const [id, atMs] of expiries) if (atMs <= clock.monotonicMs()) expiries.delete(id);
      expiries.set(ticketId, issued.expiresAtMs);
      return {
        ticket,
        ticketId,
        expiresAt: new Date(expiresAtMs).toISOString(),
        addresses: addresses.map(formatAddress),
      };
    },
    'pair.follow': async ({ ticketId }, context) => {
      const expiresAtMs = expiries.get(ticketId);
      if (expiresAtMs === undefined)
        throw new ApiError('not-found', 'That invitation is not open any more. Make another one.');
      return followInvitation(parts, { ticketId, expiresAtMs }, context);
    },
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
            isInviterProof: (proof) =>
              proofsEqual(proof, redeemProof(ticket.secret, 'inviter', ticket.inviter, own)),
          },
          AbortSignal.any([signal, AbortSignal.timeout(ACCEPT_MS)]),
        );
        return { id: peer.device, name: peer.name };
      } catch (error) {
        if (!(error instanceof PairingError)) throw error;
        throw toApiError(error, { hasExpired: ticket.expiresAtMs < clock.nowMs() });
      }
    },
    'devices.remove': async ({ device: text }) => {
      const { id, name } = pairedDevice(parts, text);
      devices.remove(id);
      tickets.cancelRedeemedBy(parseDeviceId(id));
      folders.forgetDevice(id);
      await orchestrator.removeDevice(id);
      return { id, name };
    },
  };
}

/** Resolves with who redeemed the invitation. Throws ApiError `timeout` when it expires before. */
function followInvitation(
  { tickets, clock, pairingEvents, devices }: DaemonParts,
  { ticketId, expiresAtMs }: { readonly ticketId: string; readonly expiresAtMs: number },
  { signal, emit }: Pick<CallContext<'pair.follow'>, 'signal' | 'emit'>,
): Promise<{ readonly id: string; readonly name: string }> {
  // It may have been redeemed between the invitation and this call.
  const redeemedBy = tickets.redeemedBy(Buffer.from(ticketId, 'hex'));
  const early = redeemedBy === undefined ? undefined : devices.get(redeemedBy as string as DeviceKey);
  if (early !== undefined) return Promise.resolve({ id: early.id, name: early.name });
  return new Promise((resolve, reject) => {
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
    const cancelExpiry = clock.after(Math.max(0, expiresAtMs - clock.monotonicMs()), () => {
      ended();
      reject(new ApiError('timeout', 'The ticket has expired, and nobody has used it.'));
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function decodeOrRefuse(text: string): ReturnType<typeof decodeTicket> {
  try {
    return decodeTicket(text);
  } catch (error) {
    throw new ApiError('usage', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function toApiError(error: PairingError, ticket: { readonly hasExpired: boolean }): ApiError {
  const isUnreachable = error.code === 'unreachable' || error.code === 'timeout';
  if (!isUnreachable) return new ApiError('not-allowed', error.message, { cause: error });
  // An inviter without open tickets does not speak of pairing at all.
  if (ticket.hasExpired)
    return new ApiError('not-allowed', 'The ticket has expired.', {
      hint: "Make a new one on the other device: 'landropic pair invite'.",
      cause: error,
    });
  return new ApiError('unreachable', error.message, {
    hint: "Check that landropic runs there, and that its firewall lets the UDP port in. Tickets end with the daemon: a new one comes from 'landropic pair invite'.",
    cause: error,
  });
}
