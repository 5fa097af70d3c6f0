// @ts-check
/**
 * The server's JSON: requests from the contract's types, answers into them.
 *
 * Pure: knows no host and no network. Text only: tools are not offered to the model, and a message of anything but text
 * is an error.
 */

import { Failure, excerpt } from '../.cara/sdk/error.js';

/**
 * What is sent for a request.
 *
 * @param {Pick<import('../.cara/sdk/provider.js').Request,
 *   'model' | 'system' | 'messages' | 'maxOutputTokens' | 'temperature' | 'stop'>} request
 */
export function chat({ model, system, messages, maxOutputTokens, temperature, stop }) {
  const first = system === undefined ? [] : [{ role: 'system', content: system }];
  return {
    model,
    messages: [...first, ...messages.map(line)],
    stream: true,
    stream_options: { include_usage: true },
    // JSON leaves out what is undefined.
    max_tokens: maxOutputTokens,
    temperature,
    stop: stop.length > 0 ? stop : undefined,
  };
}

/** @param {import('../.cara/sdk/provider.js').Message} message */
function line({ role, parts }) {
  if (role === 'tool') throw new Failure('unsupported', 'this provider knows no tools');
  let content = '';
  for (const { tag, val } of parts) {
    if (tag === 'text') content += val;
    // A model's earlier reasoning is left out: the server takes none back. It keeps what it can without being told.
    else if (tag !== 'thinking' && tag !== 'cache-point') throw new Failure('unsupported', 'this provider takes text only');
  }
  return { role, content };
}

/**
 * The models of a list answer.
 *
 * @param {any} answer
 * @returns {import('../.cara/sdk/provider.js').Model[]}
 */
export function modelsOf(answer) {
  if (!Array.isArray(answer?.data)) throw new Failure('network', 'the answer is no list of models');
  return answer.data.map((/** @type {{ id: string }} */ { id }) => ({ id, name: id, abilities: { tools: false } }));
}

/** An answer, read event by event while it comes. */
export class Answer {
  /**
   * @param {string} model The one that was asked.
   * @param {{ text(piece: string): void, usage(tokens: { input: number, output: number }): void }} sink
   */
  constructor(model, sink) {
    this.done = false;
    this.model = model;
    this.sink = sink;
    /** @type {import('../.cara/sdk/provider.js').Outcome['stop'] | undefined} */
    this.stop = undefined;
  }

  /** @param {string} data That of one event. */
  read(data) {
    if (data.trim() === '[DONE]') {
      this.done = true;
      return;
    }
    const { model, choices, usage, error } = parsed(data);
    if (error) throw new Failure('other', `the server ended the answer: ${excerpt(String(error.message))}`);
    this.model = model ?? this.model;
    for (const { delta, finish_reason: reason } of choices ?? []) {
      if (delta?.content) this.sink.text(delta.content);
      if (reason) this.stop = STOPS[reason] ?? 'complete';
    }
    if (usage) this.sink.usage({ input: usage.prompt_tokens, output: usage.completion_tokens });
  }

  /** @returns {import('../.cara/sdk/provider.js').Outcome} */
  outcome() {
    if (!this.stop && !this.done) throw new Failure('network', 'the stream ended before the answer was complete');
    return { stop: this.stop ?? 'complete', model: this.model };
  }
}

/** @type {Record<string, import('../.cara/sdk/provider.js').Outcome['stop']>} */
const STOPS = { length: 'length', content_filter: 'refused' };

/** @param {string} data */
function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure('network', 'the answer is not the JSON expected');
  }
}
