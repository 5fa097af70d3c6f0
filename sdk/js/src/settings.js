// @ts-check
/** What the operator configured, as in `wit/settings.wit`. Needs `[[setting]]` in component.toml. */

import { get as read } from 'cara:plugin/settings@0.2.0';

/**
 * The value of a setting that component.toml declares; its default when the operator set none, `undefined` without one.
 *
 * @param {string} key
 * @returns {any}
 */
export function get(key) {
  const value = read(key);
  return value === undefined ? undefined : JSON.parse(value);
}
