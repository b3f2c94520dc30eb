import type { CloseInfo } from './transport.js';

/**
 * The one table of close codes, by name and by number. The transport's own codes are those of RFC 9000 (20.1), TLS alerts
 * are carried as 0x100 + alert (RFC 9001, 4.8). Application codes are a space of their own: {@link defineCloseCodes}.
 */
export const TransportCloseCode = {
  noError: 0x0,
  /** Also: this side gives the connection up so that a fresh one can replace it. */
  internalError: 0x1,
  connectionRefused: 0x2,
  flowControlError: 0x3,
  streamLimitError: 0x4,
  streamStateError: 0x5,
  finalSizeError: 0x6,
  frameEncodingError: 0x7,
  transportParameterError: 0x8,
  connectionIdLimitError: 0x9,
  protocolViolation: 0xa,
  invalidToken: 0xb,
  applicationError: 0xc,
  cryptoBufferExceeded: 0xd,
  keyUpdateError: 0xe,
  /** The keys have been used as often as they may. */
  aeadLimitReached: 0xf,
  noViablePath: 0x10,
  tlsUnexpectedMessage: 0x10a,
  tlsBadRecordMac: 0x114,
  tlsHandshakeFailure: 0x128,
  tlsBadCertificate: 0x12a,
  tlsUnsupportedCertificate: 0x12b,
  tlsCertificateUnknown: 0x12e,
  tlsIllegalParameter: 0x12f,
  tlsDecodeError: 0x132,
  tlsDecryptError: 0x133,
  tlsProtocolVersion: 0x146,
  tlsInternalError: 0x150,
  tlsMissingExtension: 0x16d,
  tlsCertificateRequired: 0x174,
  tlsNoApplicationProtocol: 0x178,
} as const;

export type TransportCloseCodeName = keyof typeof TransportCloseCode;

/** Names of close codes, both ways. */
export interface CloseCodeTable<Name extends string> {
  codeOf(name: Name): number;
  nameOf(code: number): Name | undefined;
}

/** Throws a RangeError for a number that is used twice, or that no close can carry. */
export function defineCloseCodes<Name extends string>(
  codes: Readonly<Record<Name, number>>,
): CloseCodeTable<Name> {
  const names = new Map<number, Name>();
  for (const [name, code] of Object.entries(codes) as [Name, number][]) {
    if (!Number.isSafeInteger(code) || code < 0) throw new RangeError(`${name}: ${code} is no close code`);
    if (names.has(code)) throw new RangeError(`${name} and ${names.get(code)} are both ${code}`);
    names.set(code, name);
  }
  return { codeOf: (name) => codes[name], nameOf: (code) => names.get(code) };
}

export const transportCloseCodes: CloseCodeTable<TransportCloseCodeName> =
  defineCloseCodes(TransportCloseCode);

/**
 * What a connection ended with, by name: `timeout`, a name of the transport's table, or one of the application's; a code
 * that neither table has is given in hexadecimal.
 */
export function nameCloseInfo(info: CloseInfo, application?: CloseCodeTable<string>): string {
  if (info.by === 'timeout') return 'timeout';
  if (info.code === undefined) return info.by === 'transport' ? 'reset' : 'given-up';
  const table: CloseCodeTable<string> | undefined =
    info.by === 'transport' ? transportCloseCodes : application;
  return table?.nameOf(info.code) ?? `0x${info.code.toString(16)}`;
}
