"""Tools Anthropic defines and the client runs, spelled out for models that were not born with them.

The provider sends no schema for these; another model needs one (translation-matrix §1.5).
"""

from __future__ import annotations

from typing import Any, Final

from dialects.conversation import Tool, ToolKind


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_RANGE: Final = {"type": "array", "items": _WHOLE}


def _commands(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


_BASH: Final = _object(
    [],
    command={"type": "string", "description": "The command to run."},
    restart={"type": "boolean", "description": "Restart the shell instead of running a command."},
)
_TEXT_EDITOR: Final = _object(
    ["command", "path"],
    command=_commands("view", "create", "str_replace", "insert", "undo_edit"),
    path={"type": "string", "description": "Absolute path of a file or folder."},
    file_text={"type": "string", "description": "For create: the file's content."},
    old_str={"type": "string", "description": "For str_replace: the text to replace, once."},
    new_str={"type": "string", "description": "For str_replace: the text to put in its place."},
    insert_line={"type": "integer", "description": "For insert: the line to insert after."},
    insert_text={"type": "string", "description": "For insert: the text to insert."},
    view_range={**_RANGE, "description": "For view: first and last line, from 1; -1 is the end."},
)
_MEMORY: Final = _object(
    ["command"],
    command=_commands("view", "create", "str_replace", "insert", "delete", "rename"),
    path={"type": "string", "description": "A path below /memories."},
    file_text=_TEXT,
    old_str=_TEXT,
    new_str=_TEXT,
    insert_line=_WHOLE,
    insert_text=_TEXT,
    old_path=_TEXT,
    new_path=_TEXT,
    view_range=_RANGE,
)

# By the beginning of the tool's type; what follows it is a date.
_DEFINED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "bash_": ("Run commands in a bash shell that keeps its state.", _BASH),
    "text_editor_": ("View, create and edit text files.", _TEXT_EDITOR),
    "memory_": ("Keep notes in files that outlive this conversation.", _MEMORY),
}


def spell_out(type_name: str, name: str) -> Tool | None:
    """The tool as an ordinary function; None for one that cannot be had elsewhere."""
    for beginning, (description, schema) in _DEFINED.items():
        if type_name.startswith(beginning):
            return Tool(ToolKind.FUNCTION, name, description=description, schema=schema)
    return None
