"""model: the embedding models that can be had, and those that are here."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmctl.options import Group, Invocation
from kmctl.output import print_facts, print_line, print_table, progress, show
from kmctl.reach import home_of, load_settings

if TYPE_CHECKING:
    from cco_knowledge.models import KnownModel


@click.group(cls=Group)
def model() -> None:
    """List, pull and describe embedding models."""


@model.command("list")
@click.pass_obj
def list_models(invocation: Invocation, /) -> None:
    """List the models that can be pulled by name."""
    from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS

    models = [
        {**_describe(invocation, known), "default": known.name == DEFAULT_MODEL}
        for known in KNOWN_MODELS.values()
    ]
    show(invocation, {"models": models}, _print_models)


@model.command()
@click.argument("name", required=False)
@click.option(
    "--from",
    "source_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that was downloaded elsewhere, for a machine without a network.",
)
@click.pass_obj
def pull(invocation: Invocation, /, name: str | None, source_file: Path | None) -> None:
    """Get the model NAME (default: the default model), checked against its sha256."""
    from cco_knowledge.models import DEFAULT_MODEL, pull_model

    known = _known(name or DEFAULT_MODEL)
    fetched: list[int] = []
    with progress(known.name, in_bytes=True) as draw:

        def on_progress(done_bytes: int, total_bytes: int) -> None:
            fetched[:] = [done_bytes]
            draw(done_bytes, total_bytes)

        path = pull_model(known, home_of(invocation).models, on_progress, source_file)
    result = {
        "name": known.name,
        "path": str(path),
        "sha256": known.sha256,
        "dim": known.dim,
        "downloaded": bool(fetched),
    }
    show(invocation, result, _print_pulled)


@model.command()
@click.argument("name_or_path", required=False)
@click.pass_obj
def info(invocation: Invocation, /, name_or_path: str | None) -> None:
    """Describe a known model by its name, or a GGUF file; default: the configured model."""
    from cco_knowledge.models import KNOWN_MODELS, describe_gguf

    wanted = name_or_path or load_settings(invocation).config.model.name
    if wanted in KNOWN_MODELS:
        known = KNOWN_MODELS[wanted]
        show(invocation, {**asdict(known), **_describe(invocation, known)}, print_facts)
    elif Path(wanted).expanduser().is_file():
        path = Path(wanted).expanduser().absolute()
        show(invocation, {"path": str(path), **asdict(describe_gguf(path))}, print_facts)
    else:
        raise _unknown_model(wanted)


def _known(name: str) -> "KnownModel":
    from cco_knowledge.models import KNOWN_MODELS

    if name not in KNOWN_MODELS:
        raise _unknown_model(name)
    return KNOWN_MODELS[name]


def _unknown_model(name: str) -> click.UsageError:
    from cco_knowledge.models import KNOWN_MODELS

    return click.UsageError(
        f"{name} is neither a known model nor a file. Known are: {', '.join(KNOWN_MODELS)}."
    )


def _describe(invocation: Invocation, known: "KnownModel") -> dict[str, Any]:
    from cco_knowledge.models import model_path

    path = model_path(known, home_of(invocation).models)
    return {
        "name": known.name,
        "dim": known.dim,
        "bytes": known.bytes,
        "license": known.license,
        "path": str(path),
        "present": path.is_file(),
    }


def _print_models(result: Any) -> None:
    rows = [
        (row["name"], row["dim"], f"{row['bytes'] / 1e6:.0f} MB", row["present"], row["license"])
        for row in result["models"]
    ]
    print_table(("Name", "Dim", "Size", "Here", "License"), rows)


def _print_pulled(result: Any) -> None:
    how = "is here now" if result["downloaded"] else "was here already"
    print_line(f"{result['name']} {how}: {result['path']}")
