import { encode } from 'uqr';

/** Light modules around the code, so that a camera finds its edge. */
const BORDER = 2;

/**
 * The text as a QR code of half-block characters, two modules a line, drawn light on dark so that it also scans on a
 * terminal with a dark background. Nothing where it does not fit into `columns`.
 */
export function renderQrCode(text: string, columns = Number.POSITIVE_INFINITY): string[] {
  const { data } = encode(text, { border: BORDER, ecc: 'L' });
  if ((data[0]?.length ?? 0) > columns) return [];
  const lines: string[] = [];
  for (let y = 0; y < data.length; y += 2) {
    const upper = data[y] ?? [];
    const lower = data[y + 1] ?? [];
    lines.push(upper.map((dark, x) => halfBlock(!dark, lower[x] === false)).join(''));
  }
  return lines;
}

function halfBlock(upperLight: boolean, lowerLight: boolean): string {
  if (upperLight) return lowerLight ? '█' : '▀';
  return lowerLight ? '▄' : ' ';
}
