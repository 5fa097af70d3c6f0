// @ts-check
/** What outlives a call, as in `wit/state.wit`. Needs `[state]` in component.toml. */

import { delete as remove, get as read, keys, put } from 'cara:plugin/state@0.2.0';

import { refusalOf } from './error.js';

export { keys, put, read, remove };

/**
 * The JSON value under a key; `undefined` when there is none.
 *
 * @param {string} key
 * @returns {any}
 */
export function get(key) {
  const entry = read(key);
  return entry === undefined ? undefined : JSON.parse(new TextDecoder().decode(entry.value));
}

/**
 * Replaces the JSON value under a key by what `change` makes of it, also when other calls do the same at once.
 *
 * @template T
 * @param {string} key
 * @param {(value: any) => T} change Gets `undefined` when there is none. May run more than once.
 * @returns {T}
 */
export function update(key, change) {
  for (;;) {
    const entry = read(key);
    const value = change(entry === undefined ? undefined : JSON.parse(new TextDecoder().decode(entry.value)));
    try {
      put(key, new TextEncoder().encode(JSON.stringify(value)), entry?.revision ?? 0n);
      return value;
    } catch (thrown) {
      if (refusalOf(thrown)?.tag !== 'conflict') throw thrown;
    }
  }
}
