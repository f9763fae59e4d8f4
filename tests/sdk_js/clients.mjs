// The official SDKs and the Vercel AI SDK behind one face: say, give, ask.
// ask() gives { text, reasoning, calls: [{ id, name, input }], ended, inputTokens, outputTokens }.

import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";

const url = process.env.GATEBEYZ_URL;
const apiKey = process.env.GATEBEYZ_KEY;
const schema = {
  type: "object",
  properties: { t: { type: "string" } },
  required: ["t"],
  additionalProperties: false,
};

const claude = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const gpt = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

class Talk {
  history = [];
  tools = [];
  maxTokens = 4000;
  showsReasoning = true;
  refusals = ["refusal"];

  constructor(options) {
    Object.assign(this, options);
  }

  say(text) {
    this.history.push({ role: "user", content: text });
  }
}

class MessagesTalk extends Talk {
  async ask() {
    const body = {
      model: this.model,
      max_tokens: this.maxTokens,
      messages: this.history,
      tools: this.tools.map((name) => ({ name, input_schema: schema })),
    };
    const message = this.stream
      ? await claude.messages.stream(body).finalMessage()
      : await claude.messages.create(body);
    if (message.content.length) {
      this.history.push({ role: "assistant", content: message.content });
    }
    const of = (type) => message.content.filter((block) => block.type === type);
    const ended = { end_turn: "stop", tool_use: "calls", max_tokens: "length" };
    return {
      text: of("text").map((block) => block.text).join(""),
      reasoning: of("thinking").map((block) => block.thinking).join(""),
      calls: of("tool_use").map(({ id, name, input }) => ({ id, name, input })),
      ended: ended[message.stop_reason] ?? message.stop_reason,
      inputTokens: message.usage.input_tokens,
      outputTokens: message.usage.output_tokens,
    };
  }

  give(calls) {
    const content = calls.map((call) => ({
      type: "tool_result",
      tool_use_id: call.id,
      content: call.result,
    }));
    this.history.push({ role: "user", content });
  }
}

class ChatTalk extends Talk {
  async ask() {
    const tools = this.tools.map((name) => ({
      type: "function",
      function: { name, parameters: schema },
    }));
    const body = {
      model: this.model,
      max_completion_tokens: this.maxTokens,
      messages: this.history,
      ...(tools.length ? { tools } : {}),
    };
    let reasoning = "";
    let answer;
    if (this.stream) {
      const running = gpt.chat.completions.stream({
        ...body,
        stream_options: { include_usage: true },
      });
      running.on("chunk", (chunk) => {
        reasoning += chunk.choices[0]?.delta?.reasoning_content ?? "";
      });
      answer = await running.finalChatCompletion();
    } else {
      answer = await gpt.chat.completions.create(body);
      reasoning = answer.choices[0].message.reasoning_content ?? "";
    }
    const { message, finish_reason: finish } = answer.choices[0];
    const { content, tool_calls: called } = message;
    if (content || called?.length) {
      const calls = called?.map(({ id, type, function: f }) => ({
        id,
        type,
        function: { name: f.name, arguments: f.arguments },
      }));
      this.history.push({ role: "assistant", content, ...(calls ? { tool_calls: calls } : {}) });
    }
    return {
      text: content ?? "",
      reasoning,
      calls: (called ?? []).map(({ id, function: f }) => ({
        id,
        name: f.name,
        input: JSON.parse(f.arguments),
      })),
      ended: message.refusal ? "refusal" : finish === "tool_calls" ? "calls" : finish,
      inputTokens: answer.usage.prompt_tokens,
      outputTokens: answer.usage.completion_tokens,
    };
  }

  give(calls) {
    for (const call of calls) {
      this.history.push({ role: "tool", tool_call_id: call.id, content: call.result });
    }
  }
}

class ResponsesTalk extends Talk {
  async ask() {
    const body = {
      model: this.model,
      max_output_tokens: this.maxTokens,
      input: this.history,
      tools: this.tools.map((name) => ({
        type: "function",
        name,
        parameters: schema,
        strict: false,
      })),
      store: false,
      include: ["reasoning.encrypted_content"],
    };
    const response = this.stream
      ? await gpt.responses.stream(body).finalResponse()
      : await gpt.responses.create(body);
    if (response.status === "failed") throw new Error(response.error.message);
    for (const { parsed_arguments: _, ...item } of response.output) this.history.push(item);
    const of = (type) => response.output.filter((item) => item.type === type);
    const parts = of("message").flatMap((item) => item.content);
    const text = (type, field) =>
      parts.filter((part) => part.type === type).map((part) => part[field]).join("");
    const calls = of("function_call");
    const refused = text("refusal", "refusal");
    const ended = calls.length ? "calls" : refused ? "refusal" : "stop";
    return {
      text: text("output_text", "text"),
      reasoning: of("reasoning").flatMap((item) => item.summary).map((p) => p.text).join(""),
      calls: calls.map((c) => ({ id: c.call_id, name: c.name, input: JSON.parse(c.arguments) })),
      ended: response.status === "incomplete" ? "length" : ended,
      inputTokens: response.usage.input_tokens,
      outputTokens: response.usage.output_tokens,
    };
  }

  give(calls) {
    for (const call of calls) {
      this.history.push({ type: "function_call_output", call_id: call.id, output: call.result });
    }
  }
}

class AiTalk extends Talk {
  // The AI SDK has no word for a refusal: where a provider has one it becomes content-filter.
  refusals = ["content-filter", "stop"];

  async ask() {
    let failure = null;
    const options = {
      model: this.provider(this.model),
      messages: this.history,
      maxOutputTokens: this.maxTokens,
      maxRetries: 0,
      tools: Object.fromEntries(
        this.tools.map((name) => [name, tool({ inputSchema: jsonSchema(schema) })]),
      ),
      providerOptions: {
        openai: { store: false, include: ["reasoning.encrypted_content"], strictJsonSchema: false },
      },
      onError: ({ error }) => {
        failure = error;
      },
    };
    const result = this.stream ? streamText(options) : await generateText(options);
    if (this.stream) await result.consumeStream({ onError: (error) => (failure ??= error) });
    if (failure !== null) throw failure instanceof Error ? failure : new Error(tell(failure));
    const [text, reasoning, calls, finish, usage, response] = await Promise.all([
      result.text,
      result.reasoningText,
      result.toolCalls,
      result.finishReason,
      result.usage,
      result.response,
    ]);
    this.history.push(...response.messages);
    return {
      text,
      reasoning: reasoning ?? "",
      calls: calls.map((c) => ({ id: c.toolCallId, name: c.toolName, input: c.input })),
      ended: finish === "tool-calls" ? "calls" : finish,
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
    };
  }

  give(calls) {
    const content = calls.map((call) => ({
      type: "tool-result",
      toolCallId: call.id,
      toolName: call.name,
      output: { type: "text", value: call.result },
    }));
    this.history.push({ role: "tool", content });
  }
}

const tell = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const baseURL = `${url}/v1`;
const anthropic = createAnthropic({ baseURL, apiKey });
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "gatebeyz", baseURL, apiKey, includeUsage: true });

export const ANSWERS = {
  "anthropic": (options) => new MessagesTalk(options),
  "openai chat": (options) => new ChatTalk(options),
  "openai responses": (options) => new ResponsesTalk(options),
  "ai-sdk anthropic": (options) => new AiTalk({ ...options, provider: anthropic }),
  "ai-sdk openai": (options) => new AiTalk({ ...options, provider: openai }),
  // Its Chat provider shows no reasoning, whoever answers.
  "ai-sdk openai chat": (options) =>
    new AiTalk({ ...options, provider: openai.chat, showsReasoning: false }),
  "ai-sdk compatible": (options) => new AiTalk({ ...options, provider: compatible }),
};
