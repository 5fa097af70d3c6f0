// @ts-check
/** Spending secrets without seeing them, as in `wit/secrets.wit`. Needs `[[secret]]` in component.toml. */

import { basic, placeholder } from 'cara:plugin/secrets@0.2.0';

export { basic, placeholder };

/**
 * The headers of a request that shows a secret as `Authorization: Bearer` (RFC 6750). What stands there is a placeholder:
 * the host puts the value in on the wire, only toward the audience of the secret.
 *
 * @param {string} name
 * @returns {{ authorization: string }}
 */
export function bearer(name) {
  return { authorization: `Bearer ${placeholder(name)}` };
}
