"""Anthropic's content blocks ↔ the parts of a turn (anthropic-messages §5, matrix §1.4)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from dialects import json_text
from dialects.conversation import (
    Audio,
    Conversation,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from dialects.errors import refuse, refuse_feature
from dialects.media import clean_base64, is_https, sniff

NAME: Final = "anthropic_messages"
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def decode_content(content: object, param: str) -> list[Part]:
    """A message's content: text or a list of blocks."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise refuse("must be a text or a list of blocks", param)
    parts: list[Part] = []
    for place, block in enumerate(content):
        where = f"{param}.{place}"
        if isinstance(block, dict) and block.get("type") == "document":
            parts += _decode_document(block, where)
        else:
            parts.append(_decode_block(block, where))
    return parts


def _decode_block(block: object, param: str) -> Part:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise refuse("must be an object with a type", param)
    match block["type"]:
        case "text":
            return Text(_text_of(block, "text", param), _cache_of(block))
        case "image":
            return _decode_image(block, param)
        case "search_result":
            return _decode_search_result(block, param)
        case "tool_use":
            return _decode_call(block, param)
        case "tool_result":
            return _decode_result(block, param)
        case "thinking":
            signature = block.get("signature")
            text = _text_of(block, "thinking", param)
            if isinstance(signature, str) and signature:
                return Reasoning(text, "anthropic", signature)
            return Reasoning(text)
        case "redacted_thinking":
            return Reasoning("", "anthropic_redacted", _text_of(block, "data", param))
        case _:
            return Opaque(NAME, block)


def _text_of(block: dict[str, Any], name: str, param: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise refuse("must be a text", f"{param}.{name}")
    return value


def _optional_text_of(block: dict[str, Any], name: str, param: str) -> str | None:
    return None if block.get(name) is None else _text_of(block, name, param)


def _cache_of(block: dict[str, Any]) -> dict[str, Any] | None:
    cache = block.get("cache_control")
    return cache if isinstance(cache, dict) else None


def _source_of(block: dict[str, Any], param: str) -> dict[str, Any]:
    source = block.get("source")
    if not isinstance(source, dict):
        raise refuse("must be an object", f"{param}.source")
    return source


def _decode_image(block: dict[str, Any], param: str) -> Part:
    source, cache = _source_of(block, param), _cache_of(block)
    match source.get("type"):
        case "base64":
            data = _text_of(source, "data", f"{param}.source")
            media_type = _text_of(source, "media_type", f"{param}.source")
            return Image(media_type=media_type, data=data, cache=cache)
        case "url":
            return Image(url=_text_of(source, "url", f"{param}.source"), cache=cache)
        case "file":
            return Image(file_id=_text_of(source, "file_id", f"{param}.source"), cache=cache)
        case _:
            raise refuse("must be base64, url or file", f"{param}.source.type")


def _decode_document(block: dict[str, Any], param: str) -> list[Part]:
    """The document; one made of blocks with images among them is its heading and its blocks."""
    source, where = _source_of(block, param), f"{param}.source"
    citations = block.get("citations")
    document = Document(
        title=_optional_text_of(block, "title", param),
        context=_optional_text_of(block, "context", param),
        citations=isinstance(citations, dict) and citations.get("enabled") is True,
        cache=_cache_of(block),
    )
    match source.get("type"):
        case "base64":
            document.media_type = _text_of(source, "media_type", where)
            document.data = _text_of(source, "data", where)
        case "text":
            document.media_type = "text/plain"
            document.text = _text_of(source, "data", where)
        case "url":
            document.url = _text_of(source, "url", where)
        case "file":
            document.file_id = _text_of(source, "file_id", where)
        case "content":
            inner = decode_content(source.get("content"), f"{where}.content")
            if not all(isinstance(part, Text) for part in inner):
                heads = [Text(head) for head in (document.title, document.context) if head]
                return [*heads, *inner]
            document.text = "\n\n".join(part.text for part in inner if isinstance(part, Text))
        case _:
            raise refuse("must be base64, text, url, file or content", f"{where}.type")
    return [document]


def _decode_search_result(block: dict[str, Any], param: str) -> Part:
    inner = decode_content(block.get("content"), f"{param}.content")
    citations = block.get("citations")
    return Document(
        text="\n\n".join(part.text for part in inner if isinstance(part, Text)),
        title=_text_of(block, "title", param),
        context=_text_of(block, "source", param),
        citations=isinstance(citations, dict) and citations.get("enabled") is True,
        is_search_result=True,
        cache=_cache_of(block),
    )


def _decode_call(block: dict[str, Any], param: str) -> Part:
    given = block.get("input")
    if not isinstance(given, dict):
        raise refuse("must be an object", f"{param}.input")
    return ToolCall(
        _text_of(block, "id", param),
        _text_of(block, "name", param),
        json_text.render_arguments(given),
        cache=_cache_of(block),
    )


def _decode_result(block: dict[str, Any], param: str) -> Part:
    content = block.get("content")
    return ToolResult(
        _text_of(block, "tool_use_id", param),
        [] if content is None else decode_content(content, f"{param}.content"),
        is_error=block.get("is_error") is True,
        cache=_cache_of(block),
    )


def encode_part(conversation: Conversation, part: Part, param: str) -> dict[str, Any] | None:
    """One block; None where nothing is left to say. Calls and results are the history's affair."""
    match part:
        case Text():
            return _text_block(part.text, part.cache)
        case Refusal():
            return _text_block(part.text, None)
        case Image():
            return _encode_image(conversation, part, param)
        case Document():
            return _encode_document(conversation, part, param)
        case Reasoning():
            return encode_reasoning(part)
        case Opaque() if part.dialect == NAME:
            return part.data
        case Opaque():
            conversation.warn(str(part.data.get("type") or "content"), "dropped")
            return None
        case Audio():
            raise refuse_feature("audio cannot be carried to this model", param)
        case _:
            return None


def _text_block(text: str, cache: dict[str, Any] | None) -> dict[str, Any] | None:
    if not text.strip():
        return None
    return _with_cache({"type": "text", "text": text}, cache)


def _with_cache(block: dict[str, Any], cache: dict[str, Any] | None) -> dict[str, Any]:
    if cache is not None:
        block["cache_control"] = cache
    return block


def encode_reasoning(part: Reasoning) -> dict[str, Any] | None:
    """Only what Anthropic signed: a foreign or missing signature is refused upstream."""
    if part.carrier == "anthropic" and part.data:
        return {"type": "thinking", "thinking": part.text, "signature": part.data}
    if part.carrier == "anthropic_redacted" and part.data:
        return {"type": "redacted_thinking", "data": part.data}
    return None


def _encode_image(conversation: Conversation, part: Image, param: str) -> dict[str, Any]:
    source: dict[str, Any]
    if part.data is not None:
        data = _clean(part.data, param)
        media_type = sniff(data) or (part.media_type or "").lower()
        if media_type not in IMAGE_TYPES:
            raise refuse_feature("an image must be JPEG, PNG, GIF or WebP", param)
        source = {"type": "base64", "media_type": media_type, "data": data}
    elif part.url is not None:
        source = {"type": "url", "url": _https(part.url, param)}
    elif part.file_id is not None and conversation.source == NAME:
        source = {"type": "file", "file_id": part.file_id}
    else:
        raise refuse_feature("a file id of another provider cannot be carried", param)
    return _with_cache({"type": "image", "source": source}, part.cache)


def _https(url: str, param: str) -> str:
    if not is_https(url):
        raise refuse_feature("only https addresses can be carried", param)
    return url


def _clean(data: str, param: str) -> str:
    try:
        return clean_base64(data)
    except ValueError as error:
        raise refuse(str(error), param) from None


def _encode_document(conversation: Conversation, part: Document, param: str) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "document",
        "source": _document_source(conversation, part, param),
    }
    if part.title:
        block["title"] = part.title
    if part.context:
        block["context"] = part.context
    if part.citations:
        block["citations"] = {"enabled": True}
    return _with_cache(block, part.cache)


def _document_source(conversation: Conversation, part: Document, param: str) -> dict[str, Any]:
    if part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.data is not None:
        data = _clean(part.data, param)
        media_type = sniff(data) or (part.media_type or "application/pdf").lower()
        if media_type == "application/pdf":
            return {"type": "base64", "media_type": media_type, "data": data}
        if media_type.startswith("text/"):
            return {"type": "text", "media_type": "text/plain", "data": _plain(data, param)}
        raise refuse_feature("a document must be a PDF or plain text", param)
    if part.url is not None:
        return {"type": "url", "url": _https(part.url, param)}
    if part.file_id is not None and conversation.source == NAME:
        return {"type": "file", "file_id": part.file_id}
    raise refuse_feature("a file id of another provider cannot be carried", param)


def _plain(data: str, param: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise refuse("must be base64 of UTF-8 text", param) from error
