// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { greeting, titleOf } from '../src/text.js';

test('a greeting is repeated', () => {
  assert.equal(greeting('Ada', 1), 'Hello, Ada!');
  assert.equal(greeting('Ada', 2), 'Hello, Ada! Hello, Ada!');
});

test('a title is found and its white space collapsed', () => {
  assert.equal(titleOf('<html><TITLE lang=en>\n  A\n  guide </TITLE></html>'), 'A guide');
});

test('a page without a title has none', () => {
  for (const page of ['', '<html>', '<title>', '<title> </title>', '<title']) assert.equal(titleOf(page), undefined);
});
