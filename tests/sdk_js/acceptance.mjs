// Every JavaScript client on every model, streaming and not: one JSON line for each case, and one
// for each event stream that was read.
// GATEBEYZ_URL and GATEBEYZ_KEY say where; the models are the three of the demo upstream.

import { createInterface } from "node:readline";
import { takeStreams } from "./recording.mjs";
import { ANSWERS } from "./clients.mjs";

const MODELS = ["claude-sonnet-4-5", "gpt-4.1", "gpt-5"];
const PRICE = "get_price";

function check(holds, what, seen) {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`);
}

const CASES = {
  async text(begin) {
    const talk = begin({});
    talk.say("Merhaba, dünya 😀");
    const said = await talk.ask();
    check(said.text === "Merhaba, dünya 😀", "text", said);
    check(said.ended === "stop", "ended", said);
    check(said.inputTokens > 0 && said.outputTokens > 0, "usage", said);
  },

  async loop(begin) {
    const talk = begin({ tools: [PRICE] });
    for (let turn = 0; turn < 3; turn++) {
      talk.say(`demo:think tool:${PRICE} {"t": "T${turn}"}`);
      const said = await talk.ask();
      if (talk.showsReasoning) {
        check(said.reasoning.startsWith("The user wrote"), "reasoning", said);
      }
      check(said.calls.length === 1 && said.ended === "calls", "one call", said);
      check(said.calls[0].name === PRICE, "name", said);
      check(said.calls[0].input.t === `T${turn}`, "arguments", said);
      talk.give([{ ...said.calls[0], result: `${turn} lira` }]);
      const answer = await talk.ask();
      check(answer.text === `The tool answered: ${turn} lira`, "result", answer);
    }
  },

  async parallel(begin) {
    const talk = begin({ tools: [PRICE, "get_name"] });
    talk.say(`Both: tool:${PRICE} {"t": "ABC"} tool:get_name {"t": "XYZ"}`);
    const { calls } = await talk.ask();
    check(calls.length === 2 && calls[0].id !== calls[1].id, "two calls", calls);
    check(calls[0].input.t === "ABC" && calls[1].input.t === "XYZ", "arguments", calls);
    talk.give([{ ...calls[0], result: "1" }, { ...calls[1], result: "Kule" }]);
    const answer = await talk.ask();
    check(answer.text === "The tool answered: 1; Kule", "results", answer);
  },

  async refusal(begin) {
    const talk = begin({});
    talk.say("demo:refuse Say it!");
    const said = await talk.ask();
    check(talk.refusals.includes(said.ended) && said.calls.length === 0, "refusal", said);
  },

  async length(begin) {
    const talk = begin({ maxTokens: 20 });
    talk.say("demo:repeat 50 word ");
    const said = await talk.ask();
    check(said.ended === "length", "ended", said);
  },

  async empty(begin) {
    const talk = begin({});
    talk.say("demo:empty Well?");
    const said = await talk.ask();
    check(said.text === "" && said.calls.length === 0 && said.ended === "stop", "nothing", said);
  },

  async error(begin) {
    const talk = begin({});
    talk.say("demo:slow 20 demo:fail 9 one two three four five six seven eight nine ten eleven");
    let raised = null;
    try {
      await talk.ask();
    } catch (error) {
      raised = error;
    }
    check(raised !== null, "an error is raised", null);
    check(/overloaded/i.test(String(raised.message ?? raised)), "its words", String(raised));
  },
};

// Only a stream can break in its middle.
const STREAMING_ONLY = new Set(["error"]);

function casesOf(stream) {
  return Object.keys(CASES).filter((name) => stream || !STREAMING_ONLY.has(name));
}

async function run(client, model, stream, name) {
  const place = { client, model, stream, case: name };
  try {
    await CASES[name]((options) => ANSWERS[client]({ model, stream, ...options }));
    return { ...place, ok: true };
  } catch (error) {
    return { ...place, ok: false, detail: String(error.stack ?? error).slice(0, 600) };
  }
}

async function main() {
  // One line a client on standard input; its cases run one after the other.
  for await (const client of createInterface({ input: process.stdin })) {
    for (const model of MODELS) {
      for (const stream of [true, false]) {
        for (const name of casesOf(stream)) {
          console.log(JSON.stringify(await run(client, model, stream, name)));
          for (const read of await takeStreams()) console.log(JSON.stringify(read));
        }
      }
    }
  }
}

await main();
