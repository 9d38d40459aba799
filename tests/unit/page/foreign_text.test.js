import { oneLine, sentence, severalLines } from "../../../consumers/web/static/foreign_text.js";
import { equal } from "node:assert/strict";

Deno.test("a text that stands by itself begins with a capital, a name stays as it is", () => {
  for (
    const [text, shown] of [
      ["no Celery worker takes the syncs", "No Celery worker takes the syncs"],
      ["since 10:05: no price", "Since 10:05: no price"],
      ["stockwire.history has 2 dead letters", "stockwire.history has 2 dead letters"],
      ["yahoo: HTTP 429", "yahoo: HTTP 429"],
      ["RabbitMQ does not answer", "RabbitMQ does not answer"],
      ["delayed", "delayed"],
      ["", ""],
    ]
  ) equal(sentence(text), shown);
});

Deno.test("what cannot be seen is written out", () => {
  equal(oneLine("a\u202eb\nc"), "a\\u202eb\\u000ac");
  equal(severalLines("a\u202eb\nc"), "a\\u202eb\nc");
  equal(sentence("no\u202e price"), "no\\u202e price");
});
