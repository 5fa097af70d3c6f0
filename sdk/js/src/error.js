// @ts-check
/**
 * Making the contract's errors: by kind, from a refusal of the host, from an HTTP answer. Pure.
 *
 * @typedef {'auth' | 'rate-limit' | 'overloaded' | 'context-too-long' | 'refused' | 'bad-request' | 'network'
 *   | 'unsupported' | 'fault' | 'other'} Kind
 * What kind of failure it is, as in `wit/types.wit`.
 */

/** @type {ReadonlySet<string>} */
const MAY_PASS = new Set(['rate-limit', 'overloaded', 'network']);

/** A failure that the host, and whoever called, understands. Throw it anywhere below an export. */
export class Failure extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message For a person: one sentence, lower case, no secret.
   * @param {{ retry?: boolean, retryAfterMs?: number }} [more] Whether the same call may succeed later: as that kind
   *   usually does unless said; and how many milliseconds the other side asked to wait.
   */
  constructor(kind, message, { retry = MAY_PASS.has(kind), retryAfterMs } = {}) {
    super(message);
    this.name = 'Failure';
    this.kind = kind;
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
  }

  /** The record `error` of the contract. The engine hands this over when a `Failure` is thrown out of an export. */
  get payload() {
    const { kind, message, retry, retryAfterMs } = this;
    return { kind, message, retry, retryAfterMs: retryAfterMs === undefined ? undefined : BigInt(retryAfterMs) };
  }
}

/**
 * What an HTTP status that is no success means.
 *
 * @param {number} status
 * @param {string} message
 * @param {number} [retryAfterMs]
 * @returns {Failure}
 */
export function fromStatus(status, message, retryAfterMs) {
  const kind = kindOf(status);
  return new Failure(kind, message, { retry: MAY_PASS.has(kind) || status >= 500, retryAfterMs });
}

/**
 * @param {number} status
 * @returns {Kind}
 */
function kindOf(status) {
  if (status >= 401 && status <= 403) return 'auth';
  if (status === 408 || status === 504) return 'network';
  if (status === 413) return 'context-too-long';
  if (status === 429) return 'rate-limit';
  if (status === 502 || status === 503 || status === 529) return 'overloaded';
  return status >= 400 && status < 500 ? 'bad-request' : 'other';
}

/**
 * Makes a failure of whatever was thrown. A refusal of the host keeps its text, which names the cure; a fault in the code
 * becomes `fault`, and its stack goes to the log.
 *
 * @param {unknown} thrown
 * @returns {Failure}
 */
export function failureOf(thrown) {
  if (thrown instanceof Failure) return thrown;
  const refusal = refusalOf(thrown);
  if (refusal) {
    const text = refusal.val ?? SAID[refusal.tag] ?? `the host refused it: ${refusal.tag}`;
    return new Failure(KINDS[refusal.tag] ?? 'other', text, { retry: false });
  }
  const fault = thrown instanceof Error ? thrown : new Error(String(thrown));
  console.error(`${fault.name}: ${fault.message}\n${fault.stack ?? ''}`);
  return new Failure('fault', `the component has a fault: ${fault.message}`);
}

/** @type {Record<string, Kind>} */
const KINDS = { unavailable: 'auth', invalid: 'bad-request' };

/** @type {Record<string, string>} */
const SAID = {
  conflict: 'the stored value was changed by another call',
  cancelled: 'the answer is no longer wanted',
};

/**
 * The host's refusal in what an imported function threw: `refusalOf(thrown)?.tag === 'conflict'`.
 *
 * @param {any} thrown
 * @returns {{ tag: string, val?: string } | undefined}
 */
export function refusalOf(thrown) {
  const payload = thrown?.payload ?? thrown;
  return typeof payload?.tag === 'string' ? payload : undefined;
}

/**
 * What a server said, fit for a message: text on one line, at most 300 characters.
 *
 * @param {string} said
 * @returns {string}
 */
export function excerpt(said) {
  const characters = [...said.trim().replace(/\s+/g, ' ')];
  return characters.length <= 300 ? characters.join('') : `${characters.slice(0, 300).join('')}…`;
}
