/** The daemon as a library: what the CLI needs to run it, and to work on its home while it does not run. */
export { DaemonError } from './daemon-error.js';
export { initialiseHome, openSettings, type RunDaemonOptions, readDeviceId, runDaemon } from './main.js';
