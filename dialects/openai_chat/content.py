"""Content parts of Chat messages ↔ the hub's parts (translation-matrix §1.4)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from dialects.conversation import Audio, Document, Image, Opaque, Part, Reasoning, Refusal, Text
from dialects.errors import refuse, refuse_feature
from dialects.openai_chat.wire import as_dict, as_dicts, as_text, mend_text

NAME: Final = "openai_chat"

_DATA_URI: Final = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def parse_content(content: object, param: str) -> list[Part]:
    """A message's content: null, a string or a list of parts. Empty texts vanish."""
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(mend_text(content))] if content else []
    if not isinstance(content, list):
        raise refuse("Message content must be a string or a list of parts.", param)
    parts: list[Part] = []
    for position, entry in enumerate(content):
        part = _parse_part(entry, f"{param}.{position}")
        if not (isinstance(part, Text) and not part.text):
            parts.append(part)
    return parts


def _parse_part(entry: object, param: str) -> Part:
    if isinstance(entry, str):
        return Text(mend_text(entry))
    if not isinstance(entry, dict):
        raise refuse("A content part must be an object.", param)
    cache = _parse_cache(entry)
    match entry.get("type"):
        case "text" | "input_text" | "output_text":
            return Text(mend_text(as_text(entry.get("text"))), cache)
        case "image_url" | "input_image":
            return _parse_image(entry, cache, f"{param}.image_url")
        case "file" | "input_file":
            return _parse_file(entry, cache, f"{param}.file")
        case "input_audio":
            audio = as_dict(entry.get("input_audio"))
            return Audio(as_text(audio.get("data")), as_text(audio.get("format")))
        case "refusal":
            return Refusal(mend_text(as_text(entry.get("refusal"))))
        case "thinking":
            thinking = entry.get("thinking")
            texts = [as_text(one.get("text")) for one in as_dicts(thinking)]
            return Reasoning(mend_text("".join(texts) or as_text(thinking)))
        case str():
            return Opaque(NAME, entry)
        case _:
            raise refuse("A content part needs a type.", param)


def _parse_cache(entry: dict[str, Any]) -> dict[str, Any] | None:
    if isinstance(control := entry.get("cache_control"), dict):
        return control
    return {"type": "ephemeral"} if as_dict(entry.get("prompt_cache_breakpoint")) else None


def _parse_image(entry: dict[str, Any], cache: dict[str, Any] | None, param: str) -> Image:
    image = entry.get("image_url")
    url = (as_text(image) or as_text(as_dict(image).get("url"))).strip()
    detail = as_text(as_dict(image).get("detail")) or as_text(entry.get("detail")) or None
    if url[:5].lower() == "data:":
        media_type, data = parse_data_uri(url, param)
        return Image(media_type, data=data, detail=detail, cache=cache)
    if url[:8].lower().startswith(("http://", "https://")):
        return Image(url=url, detail=detail, cache=cache)
    if file_id := as_text(entry.get("file_id")):
        return Image(file_id=file_id, detail=detail, cache=cache)
    raise refuse("An image needs an http(s) address or a data URI.", param)


def _parse_file(entry: dict[str, Any], cache: dict[str, Any] | None, param: str) -> Document:
    file = as_dict(entry.get("file")) or entry
    title = as_text(file.get("filename")) or None
    if file_id := as_text(file.get("file_id")):
        return Document(file_id=file_id, title=title, cache=cache)
    if url := as_text(file.get("file_url")):
        return Document(url=url, title=title, cache=cache)
    data = as_text(file.get("file_data"))
    if not data:
        raise refuse("A file needs file_data or file_id.", param)
    if data[:5].lower() != "data:":
        data = f"data:application/pdf;base64,{data}"
    media_type, data = parse_data_uri(data, param)
    return Document(media_type, data=data, title=title, cache=cache)


def parse_data_uri(uri: str, param: str) -> tuple[str, str]:
    """Media type and base64 text of a data URI; the bytes' own signature overrules the label."""
    head = _DATA_URI.match(uri)
    if head is None or ";base64" not in head[2].lower():
        raise refuse("A data URI must be base64.", param)
    data = "".join(uri[head.end() :].split())
    if not _BASE64.fullmatch(data):
        raise refuse("A data URI holds bytes that are not base64.", param)
    return _sniff(data) or head[1].strip().lower() or "application/octet-stream", data


def _sniff(data: str) -> str | None:
    try:
        begin = base64.b64decode(data[:24])
    except binascii.Error:
        return None
    if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if begin.startswith(magic)), None)


def render_parts(parts: list[Part], param: str) -> str | list[dict[str, Any]]:
    """A user message's content: a plain string where it is one text."""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_render_part(part, param) for part in parts]


def _render_part(part: Part, param: str) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Image():
            return _render_image(part, param)
        case Document():
            return _render_document(part, param)
        case Audio():
            audio = {"data": part.data, "format": part.format}
            return {"type": "input_audio", "input_audio": audio}
        case Opaque() if part.dialect == NAME:
            return part.data
        case Opaque():
            kind = as_text(part.data.get("type")) or "unknown"
            raise refuse_feature(f"Content of type {kind} is not available on this model.", param)
        case _:
            raise refuse(f"{type(part).__name__} has no place in a user message.", param)


def _render_image(part: Image, param: str) -> dict[str, Any]:
    if part.file_id is not None:
        raise refuse_feature("Images by file id cannot be carried to this model.", param)
    url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
    image = {"url": url} | ({"detail": part.detail} if part.detail else {})
    return {"type": "image_url", "image_url": image}


def _render_document(part: Document, param: str) -> dict[str, Any]:
    if part.text is not None:
        heads = [head for head in (part.title, part.context) if head]
        return {"type": "text", "text": "\n\n".join([*heads, part.text])}
    if part.data is None:
        kind = "address" if part.url else "file id"
        raise refuse_feature(f"Documents by {kind} cannot be carried to this model.", param)
    media_type = part.media_type or "application/pdf"
    file = {
        "filename": part.title or f"document.{media_type.rpartition('/')[2]}",
        "file_data": f"data:{media_type};base64,{part.data}",
    }
    return {"type": "file", "file": file}
