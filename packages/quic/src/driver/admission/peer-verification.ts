import type { PeerIdentity } from '../../transport.js';
import type { ConnectionSetup } from '../connection-host.js';
import type { AdmissionLimits } from '../options.js';
import { findEarlyViolation, findResumptionViolation } from './early-data.js';
import { judgePeer, type Refusal } from './peer-judgement.js';
import { UnverifiedBudget } from './unverified-budget.js';

/** Who a connection's peer is, from the moment when that is known. */
export class PeerVerification {
  #identity: PeerIdentity | undefined;
  #alpn = '';
  #chain: readonly Uint8Array[] = [];
  #isResumed = false;
  #isSessionStored = false;
  readonly #budget: UnverifiedBudget;

  constructor(
    private readonly setup: Pick<
      ConnectionSetup,
      'quiche' | 'role' | 'verifyPeer' | 'resumption' | 'storeSession'
    >,
    limits: AdmissionLimits,
  ) {
    this.#budget = new UnverifiedBudget(limits);
  }

  /** Whether a datagram of this size may be looked at before the peer is known. */
  admit(sizeBytes: number): boolean {
    return this.#budget.admit(sizeBytes);
  }

  get identity(): PeerIdentity | undefined {
    return this.#identity;
  }

  get alpn(): string {
    return this.#alpn;
  }

  get chain(): readonly Uint8Array[] {
    return this.#chain;
  }

  get isResumed(): boolean {
    return this.#isResumed;
  }

  /** Once the handshake is complete: sets the identity, or says why there is none. */
  verify(): Refusal | undefined {
    const { quiche, role, resumption } = this.setup;
    const { alpn, chain, result } = judgePeer(quiche, this.setup.verifyPeer);
    this.#alpn = alpn;
    this.#chain = chain;
    this.#isResumed = quiche.isResumed();
    if ('refusal' in result) return result.refusal;
    const violation = role === 'acceptor' ? findResumptionViolation(quiche, alpn, resumption) : undefined;
    if (violation === undefined) this.#identity = result.identity;
    return violation;
  }

  /** Before the handshake is complete: what may not have come yet. */
  findEarlyViolation(): Refusal | undefined {
    return this.setup.resumption === undefined ? undefined : findEarlyViolation(this.setup.quiche);
  }

  /** The ticket comes a little after the handshake. */
  storeSession(): void {
    const { quiche, storeSession } = this.setup;
    if (storeSession === undefined || this.#isSessionStored || this.#identity === undefined) return;
    const session = quiche.session();
    if (session === null) return;
    this.#isSessionStored = true;
    storeSession(this.#identity.key, this.#alpn, session);
  }
}
