"""What becomes of each field of a request on its way to another dialect, each line provable.

A fate is one letter of the translation matrix:

- P or M: carried, as it is or in the target's own words; nothing is said of it
- S: left out without a word, because nothing is lost for the caller
- W: changed or left out, and named in ``x-gatebeyz-warnings`` (an error in strict mode)
- E: refused with 400, the field named

``test_request_losses.py`` holds every line to its letter; ``docs/dialects.md`` prints them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Final

A: Final = "anthropic_messages"
C: Final = "openai_chat"
R: Final = "openai_responses"

MODELS: Final = {A: "claude-sonnet-4-5", C: "gpt-4.1", R: "gpt-4.1"}
"""The upstream model of a line that names none."""


@dataclass(frozen=True, slots=True)
class FieldFate:
    """``sent`` is added to the smallest request of ``source``; ``fates`` by target.

    ``named`` is what a warning or an error names, where that is not ``name``'s first word.
    """

    source: str
    name: str
    sent: dict[str, Any]
    fates: dict[str, str]
    models: dict[str, str] = field(default_factory=dict)
    named: str | None = None

    @property
    def field(self) -> str:
        """The field a warning or an error must name."""
        return self.named or self.name.split()[0]

    def model(self, target: str) -> str:
        return self.models.get(target, MODELS[target])


GPT: Final = {C: "gpt-5.2", R: "gpt-5.2"}
COMPATIBLE: Final = {C: "some-open-model", R: "some-open-model"}
PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n and its pixels").decode()
PDF: Final = "JVBERi0xLjQKJSVFT0YK"
_WEATHER: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
_A_TOOL: Final = {"name": "weather", "input_schema": _WEATHER}
_C_TOOL: Final = {"type": "function", "function": {"name": "weather", "parameters": _WEATHER}}
_R_TOOL: Final = {"type": "function", "name": "weather", "parameters": _WEATHER, "strict": False}
_CLOSED: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def _said(*parts: dict[str, Any], dialect: str = A) -> dict[str, Any]:
    name = "input" if dialect == R else "messages"
    return {name: [{"role": "user", "content": list(parts)}]}


def _source(kind: str, **fields: str) -> dict[str, Any]:
    return {"type": kind, **fields}


_PNG: Final = _source("base64", media_type="image/png", data=PNG)


# fmt: off
_MESSAGES: Final = (
    FieldFate(A, "max_tokens", {"max_tokens": 300}, {C: "M", R: "M"}),
    FieldFate(A, "max_tokens below 16", {"max_tokens": 3}, {C: "M", R: "W"}),
    FieldFate(A, "max_tokens of 0", {"max_tokens": 0}, {C: "E", R: "E"}),
    FieldFate(A, "max_tokens above the model's", {"max_tokens": 10**6}, {C: "W", R: "W"}),
    FieldFate(A, "temperature", {"temperature": 0.3}, {C: "P", R: "P"}),
    FieldFate(A, "temperature where the model reasons", {"temperature": 0.3}, {C: "W", R: "W"},
              GPT),
    FieldFate(A, "top_p", {"top_p": 0.3}, {C: "P", R: "P"}),
    FieldFate(A, "top_k", {"top_k": 5}, {C: "W", R: "W"}),
    FieldFate(A, "top_k on a compatible server", {"top_k": 5}, {C: "P"}, COMPATIBLE),
    FieldFate(A, "stop_sequences", {"stop_sequences": ["END"]}, {C: "M", R: "M"}),
    FieldFate(A, "stop_sequences, blank", {"stop_sequences": ["\n"]}, {C: "W", R: "W"},
              named="stop_sequences"),
    FieldFate(A, "metadata.user_id", {"metadata": {"user_id": "jane@example.org"}},
              {C: "S", R: "S"}),
    FieldFate(A, "service_tier", {"service_tier": "standard_only"}, {C: "S", R: "S"}),
    FieldFate(A, "speed of fast", {"speed": "fast"}, {C: "W", R: "W"}),
    FieldFate(A, "speed of standard", {"speed": "standard"}, {C: "S", R: "S"}),
    FieldFate(A, "cache_control", {"cache_control": {"type": "ephemeral"}}, {C: "S", R: "S"}),
    FieldFate(A, "container", {"container": "c_1"}, {C: "E", R: "E"}),
    FieldFate(A, "mcp_servers", {"mcp_servers": [{"type": "url", "url": "https://e.org"}]},
              {C: "E", R: "E"}),
    FieldFate(A, "thread", {"thread": {"id": "t"}}, {C: "E", R: "E"}),
    FieldFate(A, "fallback_credit_token", {"fallback_credit_token": "t"}, {C: "E", R: "E"}),
    FieldFate(A, "inference_geo", {"inference_geo": "eu"}, {C: "E", R: "E"}),
    FieldFate(A, "context_management", {"context_management": {"edits": []}}, {C: "W", R: "W"}),
    FieldFate(A, "diagnostics", {"diagnostics": {"previous_message_id": "m"}}, {C: "W", R: "W"}),
    FieldFate(A, "system", {"system": "Be brief."}, {C: "M", R: "M"}),
    FieldFate(A, "thinking with a budget",
              {"max_tokens": 4_000, "thinking": {"type": "enabled", "budget_tokens": 2_048}},
              {C: "M", R: "M"}, GPT),
    FieldFate(A, "thinking where the model has none",
              {"max_tokens": 4_000, "thinking": {"type": "enabled", "budget_tokens": 2_048}},
              {C: "W", R: "W"}),
    FieldFate(A, "thinking, disabled", {"thinking": {"type": "disabled"}}, {C: "M", R: "M"}, GPT),
    FieldFate(A, "thinking, disabled where it cannot be", {"thinking": {"type": "disabled"}},
              {C: "W", R: "W"}, {C: "gpt-5", R: "gpt-5"}, named="output_config.effort"),
    FieldFate(A, "output_config.effort", {"output_config": {"effort": "high"}},
              {C: "M", R: "M"}, GPT),
    FieldFate(A, "output_config.effort above the model's", {"output_config": {"effort": "max"}},
              {C: "W", R: "W"}, GPT),
    FieldFate(A, "output_config.format, closed",
              {"output_config": {"format": {"type": "json_schema", "schema": _CLOSED}}},
              {C: "M", R: "M"}),
    FieldFate(A, "output_config.format, open",
              {"output_config": {"format": {"type": "json_schema", "schema": _WEATHER}}},
              {C: "W", R: "W"}, named="output_config.format"),
    FieldFate(A, "output_config.task_budget", {"output_config": {"task_budget": {"total": 9}}},
              {C: "W", R: "W"}),
    FieldFate(A, "tools", {"tools": [_A_TOOL]}, {C: "M", R: "M"}),
    FieldFate(A, "tools of bash and the like",
              {"tools": [{"type": "bash_20250124", "name": "bash"}]}, {C: "W", R: "W"}),
    FieldFate(A, "tools of a computer",
              {"tools": [{"type": "computer_20250124", "name": "computer"}]}, {C: "E", R: "E"}),
    FieldFate(A, "tools run by the provider",
              {"tools": [{"type": "web_search_20260209", "name": "web_search"}]},
              {C: "E", R: "E"}),
    FieldFate(A, "tools with defer_loading", {"tools": [{**_A_TOOL, "defer_loading": True}]},
              {C: "W", R: "W"}),
    FieldFate(A, "tool_choice", {"tools": [_A_TOOL], "tool_choice": {"type": "any"}},
              {C: "M", R: "M"}),
    FieldFate(A, "tool_choice without parallel calls",
              {"tools": [_A_TOOL],
               "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
              {C: "M", R: "M"}),
    FieldFate(A, "tool_choice without tools", {"tool_choice": {"type": "auto"}},
              {C: "S", R: "S"}),
    FieldFate(A, "messages: an image",
              _said({"type": "image", "source": _PNG}), {C: "M", R: "M"}),
    FieldFate(A, "messages: an image by http address",
              _said({"type": "image", "source": _source("url", url="http://e.org/a.png")}),
              {C: "E", R: "E"}, named="messages.0"),
    FieldFate(A, "messages: an image by file id",
              _said({"type": "image", "source": _source("file", file_id="file_1")}),
              {C: "E", R: "E"}, named="messages.0"),
    FieldFate(A, "messages: a PDF",
              _said({"type": "document",
                     "source": _source("base64", media_type="application/pdf", data=PDF)}),
              {C: "M", R: "M"}),
    FieldFate(A, "messages: a PDF by address",
              _said({"type": "document", "source": _source("url", url="https://e.org/a.pdf")}),
              {C: "E", R: "M"}, named="messages.0"),
    FieldFate(A, "messages: a text document",
              _said({"type": "document", "title": "T",
                     "source": _source("text", media_type="text/plain", data="words")}),
              {C: "M", R: "M"}),
    FieldFate(A, "messages: a document to cite from",
              _said({"type": "document", "citations": {"enabled": True},
                     "source": _source("text", media_type="text/plain", data="words")}),
              {C: "W", R: "W"}, named="citations"),
    FieldFate(A, "messages: a search result",
              _said({"type": "search_result", "source": "https://e.org", "title": "T",
                     "content": [{"type": "text", "text": "found"}]}),
              {C: "W", R: "W"}, named="search_result"),
    FieldFate(A, "messages: a container upload",
              _said({"type": "container_upload", "file_id": "f"}), {C: "E", R: "E"},
              named="messages.0"),
    FieldFate(A, "messages: a system message in between",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "system", "content": "Be brief."}]},
              {C: "M", R: "M"}),
    FieldFate(A, "messages: words to go on from",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "assistant", "content": "The answer is"}]},
              {C: "E", R: "E"}, named="messages.1"),
    FieldFate(A, "messages: a provider's tool in the history",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "assistant", "content": [
                                {"type": "server_tool_use", "id": "s", "name": "web_search",
                                 "input": {}},
                                {"type": "web_search_tool_result", "tool_use_id": "s",
                                 "content": []},
                                {"type": "text", "text": "Found."}]},
                            {"role": "user", "content": "Thanks"}]},
              {C: "W", R: "W"}, named="server_tool_use"),
    FieldFate(A, "messages: a provider's tool still running",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "assistant", "content": [
                                {"type": "server_tool_use", "id": "s", "name": "web_search",
                                 "input": {}}]}]},
              {C: "E", R: "E"}, named="messages.1"),
)

_CHAT: Final = (
    FieldFate(C, "max_tokens", {"max_tokens": 300}, {A: "M", R: "M"}),
    FieldFate(C, "max_completion_tokens", {"max_completion_tokens": 300}, {A: "M", R: "M"}),
    FieldFate(C, "max_tokens above the model's", {"max_tokens": 10**6}, {A: "W", R: "W"}),
    FieldFate(C, "temperature", {"temperature": 0.3}, {A: "P", R: "P"}),
    FieldFate(C, "temperature above 1", {"temperature": 1.5}, {A: "W", R: "P"}),
    FieldFate(C, "temperature of 1", {"temperature": 1}, {A: "S", R: "P"}),
    FieldFate(C, "temperature where the model has none", {"temperature": 0.3}, {A: "W", R: "W"},
              {A: "claude-opus-4-8", R: "gpt-5"}),
    FieldFate(C, "top_p", {"top_p": 0.3}, {A: "P", R: "P"}),
    FieldFate(C, "top_p beside temperature", {"temperature": 0.3, "top_p": 0.3},
              {A: "W", R: "P"}),
    FieldFate(C, "top_k", {"top_k": 5}, {A: "P", R: "W"}),
    FieldFate(C, "seed", {"seed": 1}, {A: "S", R: "S"}),
    FieldFate(C, "presence_penalty", {"presence_penalty": 0.5}, {A: "W", R: "W"}),
    FieldFate(C, "frequency_penalty of 0", {"frequency_penalty": 0}, {A: "S", R: "S"}),
    FieldFate(C, "logit_bias", {"logit_bias": {"1": 5}}, {A: "E", R: "E"}),
    FieldFate(C, "logit_bias, empty", {"logit_bias": {}}, {A: "S", R: "S"}),
    FieldFate(C, "logprobs", {"logprobs": True}, {A: "E", R: "E"}),
    FieldFate(C, "logprobs of false", {"logprobs": False}, {A: "S", R: "S"}),
    FieldFate(C, "top_logprobs", {"top_logprobs": 2}, {A: "E", R: "E"}),
    FieldFate(C, "n above 1", {"n": 2}, {A: "E", R: "E"}),
    FieldFate(C, "n of 1", {"n": 1}, {A: "S", R: "S"}),
    FieldFate(C, "stop", {"stop": "END"}, {A: "M", R: "M"}),
    FieldFate(C, "stop, blank", {"stop": ["\n"]}, {A: "W", R: "M"}, named="stop"),
    FieldFate(C, "stop, empty", {"stop": ""}, {A: "W", R: "W"}, named="stop"),
    FieldFate(C, "user", {"user": "jane@example.org"}, {A: "S", R: "S"}),
    FieldFate(C, "safety_identifier", {"safety_identifier": "jane"}, {A: "S", R: "S"}),
    FieldFate(C, "metadata", {"metadata": {"a": "b"}}, {A: "S", R: "S"}),
    FieldFate(C, "store", {"store": True}, {A: "S", R: "S"}),
    FieldFate(C, "service_tier of auto", {"service_tier": "auto"}, {A: "S"}),
    FieldFate(C, "service_tier of priority", {"service_tier": "priority"}, {A: "W", R: "M"}),
    FieldFate(C, "verbosity", {"verbosity": "low"}, {A: "W", R: "M"}),
    FieldFate(C, "modalities with audio", {"modalities": ["text", "audio"]}, {A: "E", R: "E"}),
    FieldFate(C, "audio", {"audio": {"voice": "a", "format": "wav"}}, {A: "E", R: "E"}),
    FieldFate(C, "prediction", {"prediction": {"type": "content", "content": "x"}},
              {A: "W", R: "W"}),
    FieldFate(C, "web_search_options", {"web_search_options": {}}, {A: "E", R: "E"}),
    FieldFate(C, "prompt_cache_key", {"prompt_cache_key": "k"}, {A: "S", R: "M"}),
    FieldFate(C, "prompt_cache_options", {"prompt_cache_options": {"mode": "implicit"}},
              {A: "S", R: "S"}),
    FieldFate(C, "a field nobody knows", {"frobnicate": 1}, {A: "W", R: "W"}, named="frobnicate"),
    FieldFate(C, "reasoning_effort", {"reasoning_effort": "high"}, {A: "M", R: "M"},
              {A: "claude-opus-4-8", **GPT}),
    FieldFate(C, "reasoning_effort of none", {"reasoning_effort": "none"}, {A: "M", R: "M"},
              {A: "claude-sonnet-5", **GPT}),
    FieldFate(C, "reasoning_effort of none where a model always thinks",
              {"reasoning_effort": "none"}, {A: "W", R: "W"},
              {A: "claude-fable-5", R: "gpt-5"}),
    FieldFate(C, "reasoning_effort above the model's", {"reasoning_effort": "xhigh"},
              {A: "W", R: "W"}, {A: "claude-opus-4-6", R: "gpt-5"}),
    FieldFate(C, "response_format of json_object", {"response_format": {"type": "json_object"}},
              {A: "W", R: "M"}),
    FieldFate(C, "response_format with a schema",
              {"response_format": {"type": "json_schema",
                                   "json_schema": {"name": "x", "schema": _CLOSED}}},
              {A: "M", R: "M"}),
    FieldFate(C, "response_format with bounds",
              {"response_format": {"type": "json_schema", "json_schema": {
                  "name": "x", "schema": {"type": "object", "required": ["n"],
                                          "properties": {"n": {"type": "integer",
                                                               "minimum": 1}}}}}},
              {A: "W", R: "M"}),
    FieldFate(C, "response_format with a recursive schema",
              {"response_format": {"type": "json_schema", "json_schema": {
                  "name": "x", "schema": {"type": "object",
                                          "properties": {"next": {"$ref": "#"}}}}}},
              {A: "E", R: "M"}),
    FieldFate(C, "response_format on an older model",
              {"response_format": {"type": "json_schema",
                                   "json_schema": {"name": "x", "schema": _CLOSED}}},
              {A: "E"}, {A: "claude-sonnet-4-20250514"}),
    FieldFate(C, "tools", {"tools": [_C_TOOL]}, {A: "M", R: "M"}),
    FieldFate(C, "tools of free form",
              {"tools": [{"type": "custom", "custom": {"name": "patch"}}]}, {A: "M", R: "M"}),
    FieldFate(C, "tools with a union at the top",
              {"tools": [{"type": "function", "function": {
                  "name": "f", "parameters": {"anyOf": [_WEATHER, {"type": "object"}]}}}]},
              {A: "W", R: "M"}),
    FieldFate(C, "tools, strict and open",
              {"tools": [{"type": "function", "function": {
                  "name": "f", "parameters": _WEATHER, "strict": True}}]},
              {A: "W", R: "M"}),
    FieldFate(C, "tool_choice of one", {"tools": [_C_TOOL], "tool_choice": {
        "type": "function", "function": {"name": "weather"}}}, {A: "M", R: "M"}),
    FieldFate(C, "tool_choice of one on a model that cannot be forced",
              {"tools": [_C_TOOL], "tool_choice": "required"}, {A: "W"},
              {A: "claude-opus-5-5"}),
    FieldFate(C, "tool_choice of some", {"tools": [_C_TOOL], "tool_choice": {
        "type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "weather"}}]}}}, {A: "W", R: "M"}),
    FieldFate(C, "tool_choice of nothing there is", {"tools": [_C_TOOL], "tool_choice": {
        "type": "function", "function": {"name": "absent"}}}, {A: "E", R: "E"}),
    FieldFate(C, "parallel_tool_calls", {"tools": [_C_TOOL], "parallel_tool_calls": False},
              {A: "M", R: "M"}),
    FieldFate(C, "parallel_tool_calls without tools", {"parallel_tool_calls": False},
              {A: "S", R: "S"}),
    FieldFate(C, "messages: an image",
              _said({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    dialect=C), {A: "M", R: "M"}),
    FieldFate(C, "messages: an image Anthropic does not read",
              _said({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,Qk0="}},
                    dialect=C), {A: "E", R: "M"}, named="messages.0"),
    FieldFate(C, "messages: audio",
              _said({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
                    dialect=C), {A: "E", R: "M"}, named="messages.0"),
    FieldFate(C, "messages: a name",
              {"messages": [{"role": "user", "name": "jane", "content": "Say it."}]},
              {A: "W", R: "W"}, named="messages.name"),
    FieldFate(C, "messages: a system message in between, on an older model",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "system", "content": "Be brief."}]},
              {A: "M", R: "M"}),
    FieldFate(C, "messages: an answer at the end",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "assistant", "content": "Hello."}]},
              {A: "W", R: "M"}, named="messages"),
    FieldFate(C, "messages: a call without its result",
              {"messages": [{"role": "user", "content": "Hi"},
                            {"role": "assistant", "tool_calls": [
                                {"id": "c", "type": "function",
                                 "function": {"name": "weather", "arguments": "{}"}}]},
                            {"role": "user", "content": "Well?"}]},
              {A: "W", R: "W"}, named="messages"),
)

_RESPONSES: Final = (
    FieldFate(R, "max_output_tokens", {"max_output_tokens": 300}, {A: "M", C: "M"}),
    FieldFate(R, "max_output_tokens above the model's", {"max_output_tokens": 10**6},
              {A: "W", C: "W"}),
    FieldFate(R, "instructions", {"instructions": "Be brief."}, {A: "M", C: "M"}),
    FieldFate(R, "temperature", {"temperature": 0.3}, {A: "P", C: "P"}),
    FieldFate(R, "top_logprobs", {"top_logprobs": 2}, {A: "E", C: "E"}),
    FieldFate(R, "previous_response_id", {"previous_response_id": "resp_1"}, {A: "E", C: "E"}),
    FieldFate(R, "conversation", {"conversation": "conv_1"}, {A: "E", C: "E"}),
    FieldFate(R, "background", {"background": True}, {A: "E", C: "E"}),
    FieldFate(R, "prompt", {"prompt": {"id": "p"}}, {A: "E", C: "E"}),
    FieldFate(R, "truncation of auto", {"truncation": "auto"}, {A: "W", C: "W"}),
    FieldFate(R, "truncation of disabled", {"truncation": "disabled"}, {A: "S", C: "S"}),
    FieldFate(R, "include", {"include": ["web_search_call.results"]}, {A: "S", C: "S"}),
    FieldFate(R, "context_management", {"context_management": [{"type": "compaction"}]},
              {A: "W", C: "W"}),
    FieldFate(R, "max_tool_calls", {"max_tool_calls": 3}, {A: "W", C: "W"}),
    FieldFate(R, "metadata", {"metadata": {"a": "b"}}, {A: "S", C: "S"}),
    FieldFate(R, "client_metadata", {"client_metadata": {"a": "b"}}, {A: "S", C: "S"}),
    FieldFate(R, "service_tier of flex", {"service_tier": "flex"}, {A: "W", C: "M"}),
    FieldFate(R, "prompt_cache_key", {"prompt_cache_key": "k"}, {A: "S", C: "M"}),
    FieldFate(R, "user", {"user": "jane@example.org"}, {A: "S", C: "S"}),
    FieldFate(R, "text.verbosity", {"text": {"verbosity": "low"}}, {A: "W", C: "M"}),
    FieldFate(R, "text.format of json_object", {"text": {"format": {"type": "json_object"}}},
              {A: "W", C: "M"}),
    FieldFate(R, "text.format with a schema",
              {"text": {"format": {"type": "json_schema", "name": "x", "schema": _CLOSED}}},
              {A: "M", C: "M"}),
    FieldFate(R, "reasoning.effort", {"reasoning": {"effort": "high"}}, {A: "M", C: "M"},
              {A: "claude-opus-4-8", **GPT}),
    FieldFate(R, "reasoning.effort above the model's", {"reasoning": {"effort": "max"}},
              {C: "W"}, GPT),
    FieldFate(R, "reasoning.summary", {"reasoning": {"summary": "auto"}}, {A: "M", C: "S"},
              {A: "claude-opus-4-8", **GPT}),
    FieldFate(R, "reasoning.mode of pro", {"reasoning": {"mode": "pro"}}, {A: "W", C: "W"}),
    FieldFate(R, "tools", {"tools": [_R_TOOL]}, {A: "M", C: "M"}),
    FieldFate(R, "tools of free form", {"tools": [{"type": "custom", "name": "patch"}]},
              {A: "M", C: "M"}),
    FieldFate(R, "tools in a namespace",
              {"tools": [{"type": "namespace", "name": "files", "tools": [_R_TOOL]}]},
              {A: "M", C: "M"}),
    FieldFate(R, "tools run by the provider", {"tools": [_R_TOOL, {"type": "web_search"}]},
              {A: "W", C: "W"}, named="tools.web_search"),
    FieldFate(R, "tools run by the provider, as the only choice",
              {"tools": [{"type": "web_search"}], "tool_choice": "required"},
              {A: "E", C: "E"}),
    FieldFate(R, "tool_choice of a provider's tool",
              {"tools": [_R_TOOL, {"type": "web_search"}], "tool_choice": {"type": "web_search"}},
              {A: "E", C: "E"}),
    FieldFate(R, "tools with defer_loading", {"tools": [{**_R_TOOL, "defer_loading": True}]},
              {A: "W", C: "W"}, named="tools[0].defer_loading"),
    FieldFate(R, "input: a reference to an item",
              {"input": [{"type": "item_reference", "id": "msg_1"}]}, {A: "E", C: "E"},
              named="input[0]"),
    FieldFate(R, "input: a compacted history",
              {"input": [{"type": "compaction", "encrypted_content": "x"}]}, {A: "E", C: "E"},
              named="input[0]"),
    FieldFate(R, "input: a file by address",
              _said({"type": "input_file", "file_url": "https://e.org/a.pdf"}, dialect=R),
              {A: "M", C: "E"}, named="input[0]"),
    FieldFate(R, "input: an image by file id",
              _said({"type": "input_image", "file_id": "file_1"}, dialect=R), {A: "E", C: "E"},
              named="input[0]"),
    FieldFate(R, "input: audio",
              _said({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
                    dialect=R), {A: "E", C: "M"}, named="input[0]"),
    FieldFate(R, "input: reasoning of OpenAI's own",
              {"input": [{"role": "user", "content": "Say it."},
                         {"type": "reasoning", "id": "rs_1", "summary": [],
                          "encrypted_content": "gAAAA"},
                         {"role": "assistant", "content": "It."},
                         {"role": "user", "content": "Again."}]},
              {A: "M", C: "M"}),
    FieldFate(R, "input: a provider's tool in the history",
              {"input": [{"role": "user", "content": "Say it."},
                         {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                         {"role": "assistant", "content": "It."},
                         {"role": "user", "content": "Again."}]},
              {A: "W", C: "W"}, named="web_search_call"),
)

# fmt: on

FATES: Final = (*_MESSAGES, *_CHAT, *_RESPONSES)
