// @ts-check
/** Server-Sent Events, read piece by piece (WHATWG HTML section 9.2.6). Pure. */

import { Failure } from './error.js';

/** The largest event, in characters. */
const MOST = 1024 * 1024;

/** Reads a stream of events. Pieces may be cut anywhere. */
export class Events {
  #decoder = new TextDecoder();
  #rest = '';
  /** @type {string[]} */
  #data = [];
  #length = 0;

  /**
   * The `data` of each event that is complete with this piece, its lines joined by line feeds.
   *
   * @param {Uint8Array} piece
   * @returns {string[]}
   */
  push(piece) {
    this.#rest += this.#decoder.decode(piece, { stream: true });
    const found = [];
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.#rest);
      // A CR at the very end may be half of a CR LF.
      if (!end || (end[0] === '\r' && end.index + 1 === this.#rest.length)) break;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line === '') {
        if (this.#data.length > 0) found.push(this.#data.join('\n'));
        [this.#data, this.#length] = [[], 0];
      } else if (line === 'data' || line.startsWith('data:')) {
        this.#data.push(line.slice(5).replace(/^ /, ''));
        this.#length += line.length;
      }
    }
    if (this.#rest.length + this.#length > MOST) {
      throw new Failure('network', `an event of the answer is larger than ${MOST} characters`);
    }
    return found;
  }
}

/**
 * The `data` of each event of a body, as they come.
 *
 * @param {AsyncIterable<Uint8Array>} pieces Those of `chunks` in `http.js`.
 * @returns {AsyncGenerator<string, void, void>}
 */
export async function* events(pieces) {
  const reader = new Events();
  for await (const piece of pieces) yield* reader.push(piece);
}
