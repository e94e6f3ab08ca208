"""Our hooks in the text of a settings file of Claude Code, and out of it again. Pure."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cco_knowledge_client import InvalidParams
from kmctl import json_text

EVENTS: Final = {"SessionStart": "session-start", "PreCompact": "pre-compact", "Stop": "stop"}
"""What Claude Code calls each event, and what `kmctl.hook` does."""
NO_SETTINGS: Final = "{}\n"
"""What stands for a settings file that does not exist."""

Hook = Mapping[str, Any]
_Place = tuple[str, str, int, str, int]
"""`hooks`, the event, which group, `hooks`, which hook."""

_TIMEOUT_S = 2
_OURS = ["-P", "-m", "kmctl.hook"]


def hooks_for(interpreter: str, options: Sequence[str]) -> dict[str, Hook]:
    """By event. `options` are given to each command."""
    return {
        event: {
            "type": "command",
            "command": shlex.join([interpreter, *_OURS, argument, *options]),
            "timeout": _TIMEOUT_S,
        }
        for event, argument in EVENTS.items()
    }


def installed(text: str) -> dict[str, Hook]:
    """Those of our hooks that are there, by event."""
    settings = parse(text)
    return {
        event: settings["hooks"][event][group]["hooks"][position]
        for _, event, group, _, position in _places_of_ours(settings)
    }


def added(text: str, hooks: Mapping[str, Hook]) -> str:
    """Each as the last group of its event."""
    for event, hook in hooks.items():
        text = _with_group(text, event, {"hooks": [hook]})
    return text


def removed(text: str, original: str) -> str:
    """Without our hooks, and without what is empty then, unless the original has it."""
    kept = parse(original).get("hooks")
    while (place := next(_places_of_ours(settings := parse(text)), None)) is not None:
        text = json_text.remove(text, _emptied(place, settings["hooks"], kept))
    return text


def interpreter_of(hook: Hook) -> str:
    return shlex.split(hook["command"])[0]


def parse(text: str) -> Any:
    """Raises InvalidParams where it is not what Claude Code documents."""
    try:
        settings = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidParams(f"It is not valid JSON: {error}.") from error
    if not isinstance(settings, dict):
        raise InvalidParams("It is not a JSON object.")
    hooks = settings.get("hooks", {})
    if not isinstance(hooks, dict):
        raise InvalidParams("`hooks` in it is not an object.")
    for event in EVENTS:
        if not _are_groups(hooks.get(event, [])):
            raise InvalidParams(f"`hooks.{event}` in it is not a list of groups of hooks.")
    return settings


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _are_groups(groups: object) -> bool:
    return isinstance(groups, list) and all(
        isinstance(group, dict)
        and isinstance(group.get("hooks"), list)
        and all(isinstance(hook, dict) for hook in group["hooks"])
        for group in groups
    )


def _with_group(text: str, event: str, group: Any) -> str:
    settings = parse(text)
    if "hooks" not in settings:
        return json_text.append(text, (), {event: [group]}, key="hooks")
    if event not in settings["hooks"]:
        return json_text.append(text, ("hooks",), [group], key=event)
    return json_text.append(text, ("hooks", event), group)


def _places_of_ours(settings: Mapping[str, Any]) -> Iterator[_Place]:
    for event in EVENTS:
        for at, group in enumerate(settings.get("hooks", {}).get(event, [])):
            for position, hook in enumerate(group["hooks"]):
                if _is_ours(hook):
                    yield "hooks", event, at, "hooks", position


def _is_ours(hook: Hook) -> bool:
    try:
        return shlex.split(str(hook.get("command")))[1:4] == _OURS
    except ValueError:  # quotes that nothing closes
        return False


def _emptied(
    place: _Place, hooks: Mapping[str, Any], kept: Mapping[str, Any] | None
) -> json_text.Place:
    """The largest part of `place` that holds nothing but the hook at its end."""
    _, event, at, *_ = place
    if len(hooks[event][at]["hooks"]) > 1:
        return place
    if len(hooks[event]) > 1 or event in (kept or {}):
        return place[:3]
    return place[:2] if len(hooks) > 1 or kept is not None else place[:1]
