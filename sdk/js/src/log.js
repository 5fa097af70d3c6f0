// @ts-check
/** Diagnostics for the operator, as in `wit/log.wit`. Never shown to a model or another person. */

import { write } from 'cara:plugin/log@0.2.0';

/** @type {(level: 'trace' | 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) => void} */
const at = (level) => (message, fields = {}) =>
  write(level, message, Object.entries(fields).map(([key, value]) => [key, String(value)]));

export const debug = at('debug');
export const info = at('info');
export const warn = at('warn');
export const error = at('error');
