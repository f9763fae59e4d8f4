"""Content parts of Chat messages ↔ the hub's parts (translation-matrix §1.4)."""

from __future__ import annotations

from typing import Any, Final

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
)
from dialects.dialect import EncodeContext
from dialects.errors import refuse, refuse_feature
from dialects.media import is_data_uri, is_https, parse_data_uri
from dialects.openai_chat.wire import as_dict, as_dicts, as_text
from dialects.surrogate import mend_text

NAME: Final = "openai_chat"


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
    if is_data_uri(url):
        media_type, data = _parse_data_uri(url, param)
        return Image(media_type, data=data, detail=detail, cache=cache)
    if url.lower().startswith(("http://", "https://")):
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
    if not is_data_uri(data):
        data = f"data:application/pdf;base64,{data}"
    media_type, data = _parse_data_uri(data, param)
    return Document(media_type, data=data, title=title, cache=cache)


def _parse_data_uri(uri: str, param: str) -> tuple[str, str]:
    try:
        return parse_data_uri(uri)
    except ValueError as error:
        raise refuse(str(error), param) from None


class PartRenderer:
    """The hub's parts as a user message's, for one upstream; notes what is changed on the way."""

    __slots__ = ("_conversation", "_takes_documents", "_takes_images")

    def __init__(self, conversation: Conversation, context: EncodeContext) -> None:
        self._conversation = conversation
        self._takes_images = context.capabilities.images
        self._takes_documents = context.capabilities.documents

    def render(self, parts: list[Part], param: str) -> str | list[dict[str, Any]]:
        """A message's content: a plain string where it is one text."""
        if len(parts) == 1 and isinstance(parts[0], Text):
            return parts[0].text
        return [self._render_part(part, param) for part in parts]

    def _render_part(self, part: Part, param: str) -> dict[str, Any]:
        match part:
            case Text() | Refusal():
                return {"type": "text", "text": part.text}
            case Image():
                return self._render_image(part, param)
            case Document():
                return self._render_document(part, param)
            case Audio():
                audio = {"data": part.data, "format": part.format}
                return {"type": "input_audio", "input_audio": audio}
            case Opaque() if part.dialect == NAME:
                return part.data
            case Opaque():
                kind = as_text(part.data.get("type")) or "unknown"
                message = f"Content of type {kind} is not available on this model."
                raise refuse_feature(message, param)
            case _:
                raise refuse(f"{type(part).__name__} has no place in a user message.", param)

    def _render_image(self, part: Image, param: str) -> dict[str, Any]:
        if not self._takes_images:
            raise refuse_feature("This model takes no images.", param)
        if part.file_id is not None:
            raise refuse_feature("Images by file id cannot be carried to this model.", param)
        if part.url is not None and not is_https(part.url):
            raise refuse_feature("Only https addresses can be carried.", param)
        url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
        image = {"url": url} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}

    def _render_document(self, part: Document, param: str) -> dict[str, Any]:
        if part.text is not None:
            self._conversation.note_flattened(part)
            heads = [head for head in (part.title, part.context) if head]
            return {"type": "text", "text": "\n\n".join([*heads, part.text])}
        if not self._takes_documents:
            raise refuse_feature("This model takes no documents.", param)
        if part.data is None:
            kind = "address" if part.url else "file id"
            raise refuse_feature(f"Documents by {kind} cannot be carried to this model.", param)
        media_type = part.media_type or "application/pdf"
        file = {
            "filename": part.title or f"document.{media_type.rpartition('/')[2]}",
            "file_data": f"data:{media_type};base64,{part.data}",
        }
        return {"type": "file", "file": file}
