import assert from "node:assert/strict";
import { EventStreamParser } from "../../../consumers/web/static/sse.js";

const STREAM =
  ': hello\r\nretry: 3000\r\nid: 7\r\n\r\nevent: price\nid: 8\ndata: {"a":\ndata: 1}\n\n:\n\ndata\n\nid: 9\ndata:x\r\r';
const EVENTS = [
  { id: "8", event: "price", data: '{"a":\n1}' },
  { id: "8", event: "message", data: "" },
  { id: "9", event: "message", data: "x" },
];

Deno.test("events are found wherever the stream is cut", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parser = new EventStreamParser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parser.feed(STREAM.slice(at, at + size)));
    found.push(...parser.feed(":\n"));
    assert.deepEqual(found, EVENTS, `parts of ${size}`);
  }
});

Deno.test("an id without data counts once its event ends", () => {
  const parser = new EventStreamParser();
  parser.feed("id: 7\n");
  assert.equal(parser.lastId, "");
  parser.feed("\n");
  assert.equal(parser.lastId, "7");
});
