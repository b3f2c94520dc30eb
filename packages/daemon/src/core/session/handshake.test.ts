import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FolderId, IndexId } from '../model/identifiers.js';
import { decodePayload, encodePayload } from '../wire/codec.js';
import { CloseCode } from '../wire/frame-types.js';
import type { FolderState, Frame } from '../wire/frames.js';
import { Handshake, type HandshakeAction, type HandshakeOptions } from './handshake.js';

const DEADLINE_MS = 10_000;

const state = (folder: string): FolderState => ({
  folder: folder as FolderId,
  label: folder,
  indexId: '1234567812345678' as IndexId,
  sequence: 3,
  commitTag: '8765432187654321',
  holding: undefined,
});

function side(
  role: 'dialler' | 'acceptor',
  features: readonly string[] = [],
  folders = [`${role}'s`],
  refuse: HandshakeOptions['refuse'] = () => undefined,
) {
  const hello = { bootId: `boot of ${role}`, name: role, software: `landropic of ${role}`, features };
  const asked: string[] = [];
  const ownFolders = () => {
    asked.push(role);
    return folders.map((name) => state(name.replace("'", '-')));
  };
  const handshake = new Handshake({ role, hello, ownFolders, sessionId: `session of ${role}`, refuse }, 0);
  return { handshake, asked, actions: [] as HandshakeAction[] };
}

const framesOf = (actions: readonly HandshakeAction[]): Frame[] =>
  actions.flatMap((action) => (action.do === 'send' ? [action.frame] : []));
const endsOf = (actions: readonly HandshakeAction[]) => actions.filter((action) => action.do !== 'send');

/** As it comes out at the other end. */
function transmit(frame: Frame): Frame {
  const { frameType, payload } = encodePayload(frame);
  const received = decodePayload(frameType, payload);
  if (received === undefined) throw new Error('frame was skipped');
  return received;
}

/** Both sides against each other, until neither has anything to say. */
function converse(dialler: ReturnType<typeof side>, acceptor: ReturnType<typeof side>): void {
  acceptor.actions.push(...acceptor.handshake.start());
  dialler.actions.push(...dialler.handshake.start());
  let said = framesOf(dialler.actions);
  let listener = acceptor;
  while (said.length > 0) {
    const heard: HandshakeAction[] = said.flatMap((frame) => listener.handshake.handle(transmit(frame), 1));
    listener.actions.push(...heard);
    said = framesOf(heard);
    listener = listener === acceptor ? dialler : acceptor;
  }
}

const hello = (versions: readonly number[]): Frame => ({
  type: 'hello',
  versions,
  bootId: 'b',
  role: 'primary',
  name: 'n',
  software: 's',
  features: [],
});
const helloAck = (version: number | undefined): Frame => ({
  type: 'helloAck',
  version,
  bootId: 'b',
  sessionId: 's',
  name: 'n',
  software: 's',
  features: [],
});

describe('Handshake', () => {
  it('establishes both sides, each with what the other said', () => {
    const dialler = side('dialler', ['x', 'y']);
    const acceptor = side('acceptor', ['y', 'z']);
    converse(dialler, acceptor);
    const common = { features: ['y'], version: 1, sessionId: 'session of acceptor', role: 'primary' };
    expect(endsOf(dialler.actions)).toEqual([
      {
        do: 'established',
        peer: { ...common, bootId: 'boot of acceptor', name: 'acceptor', software: 'landropic of acceptor' },
        theirFolders: [state('acceptor-s')],
      },
    ]);
    expect(endsOf(acceptor.actions)).toEqual([
      {
        do: 'established',
        peer: { ...common, bootId: 'boot of dialler', name: 'dialler', software: 'landropic of dialler' },
        theirFolders: [state('dialler-s')],
      },
    ]);
    expect(framesOf(dialler.actions).map((frame) => frame.type)).toEqual(['hello', 'auth']);
    expect(framesOf(acceptor.actions).map((frame) => frame.type)).toEqual(['helloAck', 'authOk']);
    expect([dialler.asked, acceptor.asked]).toEqual([['dialler'], ['acceptor']]);
  });

  it('tells a dialler of other versions so, and only then closes', () => {
    const { handshake, asked } = side('acceptor');
    handshake.start();
    const actions = handshake.handle(hello([7, 8]), 1);
    expect(actions).toMatchObject([
      { do: 'send', frame: { type: 'helloAck', version: undefined } },
      { do: 'close', code: CloseCode.handshakeFailed },
    ]);
    expect(asked).toEqual([]);
  });

  it.each([
    ['no version in common', helloAck(undefined), CloseCode.handshakeFailed],
    ['a version that was not offered', helloAck(2), CloseCode.protocolError],
    ['an answer out of turn', { type: 'authOk', folders: [] } as Frame, CloseCode.protocolError],
    ['its own hello', hello([1]), CloseCode.protocolError],
  ])('closes the dialler upon %s, without telling its folders', (_, frame, code) => {
    const { handshake, asked } = side('dialler');
    handshake.start();
    expect(handshake.handle(frame, 1)).toMatchObject([{ do: 'close', code }]);
    expect(asked).toEqual([]);
  });

  it.each([
    { type: 'authFailed', reason: 'not paired' },
    { type: 'error', code: 7, text: 'too many' },
    { type: 'goodbye', reason: 'bye' },
  ] as const)('leaves the close to a peer that refuses ($type), until the deadline', (frame) => {
    const { handshake, asked } = side('dialler');
    handshake.start();
    expect(handshake.handle(frame, 1)).toEqual([]);
    expect(handshake.handle(helloAck(1), 2)).toEqual([]);
    expect(handshake.tick(DEADLINE_MS - 1)).toEqual([]);
    expect(handshake.tick(DEADLINE_MS)).toMatchObject([{ do: 'close', code: CloseCode.handshakeFailed }]);
    expect(asked).toEqual([]);
  });

  it('tells a peer that it refuses by AuthFailed, and nothing of its folders', () => {
    const refusal = { code: CloseCode.notPaired, reason: 'not paired any more' };
    const acceptor = side('acceptor', [], ["acceptor's"], () => refusal);
    acceptor.handshake.start();
    acceptor.handshake.handle(hello([1]), 1);
    expect(acceptor.handshake.handle({ type: 'auth', folders: [] }, 2)).toEqual([
      { do: 'send', frame: { type: 'authFailed', reason: refusal.reason } },
      { do: 'close', ...refusal },
    ]);
    expect(acceptor.asked).toEqual([]);
  });

  it('a dialler that refuses closes', () => {
    const refusal = { code: CloseCode.notPaired, reason: 'not paired any more' };
    const dialler = side('dialler', [], ["dialler's"], () => refusal);
    dialler.handshake.start();
    dialler.handshake.handle(helloAck(1), 1);
    const actions = dialler.handshake.handle({ type: 'authOk', folders: [] }, 2);
    expect(actions).toEqual([{ do: 'close', ...refusal }]);
  });

  it('closes when a folder is told twice, before telling its own', () => {
    const acceptor = side('acceptor');
    acceptor.handshake.start();
    acceptor.handshake.handle(hello([1]), 1);
    const actions = acceptor.handshake.handle({ type: 'auth', folders: [state('f'), state('f')] }, 2);
    expect(actions).toMatchObject([{ do: 'close', code: CloseCode.protocolError }]);
    expect(acceptor.asked).toEqual([]);
  });

  it('takes at most ten seconds, frames or none', () => {
    for (const role of ['dialler', 'acceptor'] as const) {
      const { handshake } = side(role);
      handshake.start();
      expect(handshake.deadlineMs).toBe(DEADLINE_MS);
      expect(handshake.tick(DEADLINE_MS - 1)).toEqual([]);
      expect(handshake.tick(DEADLINE_MS)).toMatchObject([{ do: 'close', code: CloseCode.handshakeTimeout }]);
      expect(handshake.tick(DEADLINE_MS + 1)).toEqual([]);
    }
    const late = side('acceptor').handshake;
    late.start();
    expect(late.handle(hello([1]), DEADLINE_MS)).toMatchObject([{ code: CloseCode.handshakeTimeout }]);
  });

  it('ends exactly once and last, whatever comes whenever', () => {
    const frame = fc.constantFrom<Frame>(
      hello([1]),
      hello([1, 2]),
      hello([9]),
      helloAck(1),
      helloAck(undefined),
      { type: 'auth', folders: [state('f')] },
      { type: 'authOk', folders: [state('f')] },
      { type: 'authFailed', reason: 'no' },
      { type: 'ping', nonce: 1 },
      { type: 'goodbye', reason: 'bye' },
      { type: 'error', code: 3, text: 'bad' },
    );
    const step = fc.tuple(frame, fc.nat(4_000));
    const role = fc.constantFrom('dialler' as const, 'acceptor' as const);
    fc.assert(
      fc.property(role, fc.array(step, { maxLength: 8 }), (own, steps) => {
        const { handshake, asked } = side(own);
        const actions = [...handshake.start()];
        let nowMs = 0;
        for (const [each, waitMs] of steps) {
          nowMs += waitMs;
          actions.push(...handshake.handle(each, nowMs));
        }
        actions.push(...handshake.tick(DEADLINE_MS + nowMs));
        expect(endsOf(actions)).toHaveLength(1);
        expect(actions.at(-1)?.do).not.toBe('send');
        expect(handshake.isDone).toBe(true);
        expect(asked.length).toBeLessThanOrEqual(1);
        expect(handshake.handle(hello([1]), nowMs)).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});
