import type { DeviceStatus } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { type App, addCommand } from '../app.js';
import { deviceLines } from '../render/devices.js';

export function addDevicesCommand(program: Command, app: App): void {
  addCommand(program, 'devices', {
    description: 'List the paired devices.',
    examples: ['landropic devices', "landropic devices --json | jq -r '.devices[].id'"],
  }).action(
    app.action(async ({ output, json, call }) => {
      const { devices }: { readonly devices: readonly DeviceStatus[] } = await call('devices.list', {});
      if (json) return output.printJson({ devices });
      if (devices.length === 0) {
        output.note("No device is paired yet. Pair one: 'landropic pair invite'.");
        return;
      }
      output.print(...deviceLines(devices, output));
    }),
  );
}
