/** quiche reports errors as text; this is the one place that reads it, tested against the pinned version. */

export type QuicheFailure =
  | { readonly kind: 'done' }
  | { readonly kind: 'stream-reset'; readonly streamCode: number }
  | { readonly kind: 'stream-stopped'; readonly streamCode: number }
  | { readonly kind: 'stream-limit' }
  /** The stream is finished and forgotten, or was never there. */
  | { readonly kind: 'stream-gone' }
  | { readonly kind: 'tls' }
  | { readonly kind: 'other'; readonly text: string };

const WITH_CODE = /^(StreamReset|StreamStopped|InvalidStreamState)\((\d{1,16})\)$/;

export function parseQuicheError(error: unknown): QuicheFailure {
  const text = error instanceof Error ? error.message : String(error);
  const match = WITH_CODE.exec(text);
  if (match !== null) {
    const streamCode = Number(match[2]);
    if (match[1] === 'StreamReset') return { kind: 'stream-reset', streamCode };
    if (match[1] === 'StreamStopped') return { kind: 'stream-stopped', streamCode };
    return { kind: 'stream-gone' };
  }
  if (text === 'Done') return { kind: 'done' };
  if (text === 'StreamLimit') return { kind: 'stream-limit' };
  if (text === 'TlsFail' || text === 'CryptoFail') return { kind: 'tls' };
  return { kind: 'other', text };
}
