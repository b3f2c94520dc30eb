import type { DeviceStatus } from '@landropic/daemon/local-api';
import type { Output } from './output.js';
import { formatRoundTrip } from './quantity.js';
import { renderTable } from './table.js';
import { printable } from './text.js';

const GROUPS_SHOWN = 2;

/** The start of an ID: enough for a person to tell devices apart, and for a command to find one. */
export function shortId(id: string): string {
  return id.split('-').slice(0, GROUPS_SHOWN).join('-');
}

export function deviceLines(devices: readonly DeviceStatus[], output: Output, indent = ''): string[] {
  const rows = devices.map((device) => [
    device.name,
    shortId(device.id),
    stateOf(device),
    device.addresses[0] ?? '',
  ]);
  const table = renderTable(rows, {
    indent,
    ...(output.columns === undefined ? {} : { columns: output.columns }),
  });
  return devices.flatMap((device, index) => {
    const line = table[index] ?? '';
    const painted = device.connected ? line : output.style('dim', line);
    return device.problem === null
      ? [painted]
      : [painted, `${indent}  ${output.style('yellow', `! ${printable(device.problem)}`)}`];
  });
}

function stateOf(device: DeviceStatus): string {
  if (device.connected) {
    const state = device.presence === 'away' ? 'connected, away' : 'connected';
    return device.rttMs === null ? state : `${state}, ${formatRoundTrip(device.rttMs)}`;
  }
  if (device.lastSeen === null) return 'never seen';
  return `last seen ${device.lastSeen.slice(0, 16).replace('T', ' ')}Z`;
}
