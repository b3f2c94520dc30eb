/** Frame type numbers and stream kinds of landropic/1: the one table of them. */
export const FrameType = {
  hello: 0x00,
  helloAck: 0x01,
  auth: 0x02,
  authOk: 0x03,
  authFailed: 0x04,
  ping: 0x05,
  pong: 0x06,
  throttle: 0x07,
  goodbye: 0x08,
  folderOffer: 0x10,
  folderAccept: 0x11,
  folderDecline: 0x12,
  folderRemove: 0x13,
  folderPause: 0x14,
  indexStart: 0x30,
  indexEntries: 0x31,
  chunkListPart: 0x32,
  indexEnd: 0x33,
  shardAssignment: 0x50,
  folderPromoted: 0x51,
  folderDemoted: 0x52,
  delivered: 0x60,
  durable: 0x61,
  members: 0x62,
  chunkRequest: 0x70,
  chunk: 0x71,
  chunkMissing: 0x72,
  chunkCancel: 0x73,
  presenceOnline: 0x80,
  presenceAway: 0x81,
  presenceOffline: 0x82,
  folderActivity: 0x83,
  redeem: 0x90,
  redeemed: 0x91,
  sasCommit: 0x92,
  sasNonce: 0x93,
  sasReveal: 0x94,
  sasConfirm: 0x95,
  pairRefused: 0x96,
  error: 0xff,
} as const;

export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const StreamKind = {
  control: 0x01,
  indexShard: 0x02,
  hotFolder: 0x03,
  receipts: 0x04,
  chunks: 0x10,
  requestResponse: 0x11,
  oneShotSend: 0x12,
  pairing: 0x20,
} as const;

export type StreamKind = (typeof StreamKind)[keyof typeof StreamKind];

export const CloseCode = {
  goodbye: 0,
  handshakeFailed: 1,
  handshakeTimeout: 2,
  protocolError: 3,
  notPaired: 4,
  duplicateConnection: 5,
  shuttingDown: 6,
  limitExceeded: 7,
  internalError: 8,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

export const ALPN = 'landropic/1';
export const PAIRING_ALPN = 'landropic-pair/1';
