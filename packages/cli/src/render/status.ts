import type { FolderStatus, StatusReport, TransferStatus } from '@landropic/daemon/local-api';
import { deviceLines, shortId } from './devices.js';
import type { Output } from './output.js';
import { count, formatBytes, formatUptime } from './quantity.js';
import { renderTable } from './table.js';
import { printable } from './text.js';

const PROBLEMS_SHOWN = 10;
const TRANSFERS_SHOWN = 10;
const INDENT = '  ';

/** The whole of `status` for a person. */
export function statusLines(status: StatusReport, output: Output): string[] {
  const { device, uptimeSeconds, version, listen } = status;
  return [
    `${output.style('bold', printable(device.name))}  ${shortId(device.id)}  landropic ${version}, ` +
      `up ${formatUptime(uptimeSeconds)}, ${listen}`,
    ...status.notices.map((notice) => output.style('yellow', `! ${printable(notice)}`)),
    '',
    ...section(
      'Folders',
      folderLines(status, output),
      "none: 'landropic folder add PATH --share DEVICE'",
      output,
    ),
    '',
    ...section(
      'Devices',
      deviceLines(status.devices, output, INDENT),
      "none: 'landropic pair invite'",
      output,
    ),
    ...(status.transfers.length === 0 ? [] : ['', ...transferLines(status, output)]),
  ];
}

function section(title: string, lines: readonly string[], whenEmpty: string, output: Output): string[] {
  return [output.style('bold', title), ...(lines.length === 0 ? [`${INDENT}${whenEmpty}`] : lines)];
}

function folderLines(status: StatusReport, output: Output): string[] {
  const rows = status.folders.map((folder) => [folder.label, stateOf(folder), sizeOf(folder), folder.path]);
  const table = renderTable(rows, {
    indent: INDENT,
    ...(output.columns === undefined ? {} : { columns: output.columns }),
  });
  const nameOf = new Map(status.devices.map((device) => [device.id, device.name]));
  return status.folders.flatMap((folder, index) => [
    table[index] ?? '',
    ...peerLines(folder, nameOf),
    ...problemLines(folder, output),
  ]);
}

function stateOf(folder: FolderStatus): string {
  const waiting = folder.peers.filter((peer) => !peer.inSync).length;
  if (folder.state === 'syncing') return `syncing, ${formatBytes(folder.needBytes)} to go`;
  if (folder.state !== 'idle') return folder.state;
  if (folder.needFiles > 0) return `needs ${count(folder.needFiles, 'file')}`;
  if (folder.peers.length === 0) return 'not shared yet';
  return waiting === 0 ? 'in sync' : 'up to date here';
}

function sizeOf(folder: FolderStatus): string {
  return `${count(folder.files, 'file')}, ${formatBytes(folder.bytes)}`;
}

function peerLines(folder: FolderStatus, nameOf: ReadonlyMap<string, string>): string[] {
  return folder.peers
    .filter((peer) => !peer.inSync)
    .map((peer) => {
      const name = printable(nameOf.get(peer.device) ?? shortId(peer.device));
      return `${INDENT}${INDENT}${name} has yet to take ${count(peer.needFiles, 'file')}`;
    });
}

function problemLines(folder: FolderStatus, output: Output): string[] {
  const lines = folder.problems
    .slice(0, PROBLEMS_SHOWN)
    .map(({ path, text }) =>
      output.style('yellow', `${INDENT}${INDENT}! ${printable(path)}: ${printable(text)}`),
    );
  const hidden = folder.problems.length - lines.length;
  if (hidden > 0)
    lines.push(`${INDENT}${INDENT}and ${count(hidden, 'more problem')}: 'landropic status --json'`);
  if (folder.conflicts > 0) {
    lines.push(`${INDENT}${INDENT}${count(folder.conflicts, 'conflict')}: 'landropic conflicts'`);
  }
  return lines;
}

function transferLines(status: StatusReport, output: Output): string[] {
  const rows = status.transfers
    .slice(0, TRANSFERS_SHOWN)
    .map((transfer) => [percentOf(transfer), formatBytes(transfer.bytes), transfer.from, transfer.path]);
  const hidden = status.transfers.length - rows.length;
  return [
    output.style('bold', 'Transfers'),
    ...renderTable(rows, {
      indent: INDENT,
      ...(output.columns === undefined ? {} : { columns: output.columns }),
    }),
    ...(hidden > 0 ? [`${INDENT}and ${hidden.toLocaleString('en-US')} more`] : []),
  ];
}

function percentOf(transfer: TransferStatus): string {
  const share = transfer.bytes === 0 ? 1 : transfer.bytesDone / transfer.bytes;
  return `${Math.floor(share * 100)} %`.padStart(5);
}
