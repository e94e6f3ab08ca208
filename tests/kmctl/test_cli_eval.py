"""eval: figures of small sets, what is wrong with a set, and that nothing is left behind."""

import json
import math
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from outcome import Kmctl, Outcome
from process import wait_until

Entry = Mapping[str, object]

CORPUS: list[Entry] = [
    {"id": "oil", "text": "The gearbox of the harbour crane needs 40 litres of oil.", "extra": 1},
    {"id": "crane", "text": "The harbour crane lifts 60 tonnes.", "project_id": "p"},
    {"id": "owl", "text": "Owls hunt mice at night.", "type": "issue", "metadata": {"a": 1}},
    {"id": "owl-2", "text": "Owls hunt voles at dusk.", "supersedes": ["owl"], "agent": "a"},
]
QUERIES: list[Entry] = [
    {"id": "q1", "text": "oil for the gearbox of the harbour crane", "class": "easy"},
    {"id": "q2", "text": "what do owls hunt", "class": "easy", "include_superseded": True},
    {"id": "q3", "text": "the harbour crane", "class": "filtered", "project_id": "p"},
    {"id": "q4", "text": "Which sewing pattern fits the winter coat?", "class": "never"},
    {"id": "q5", "text": "oil for the gearbox of the harbour crane"},
]
LABELS = "query-id\tcorpus-id\tscore\nq1\toil\t1\nq2\towl\t2\nq2\towl-2\t1\nq3\tcrane\t1\n"
FIGURES = [
    *("ndcg_at_10", "recall_at_5", "recall_at_10", "mrr"),
    *("missed", "declined", "p50_ms", "p95_ms"),
]


def lines_of(items: Sequence[Entry]) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(lines_of(CORPUS))
    (folder / "queries.jsonl").write_text(lines_of(QUERIES))
    (folder / "qrels.tsv").write_text(LABELS)
    return folder


@pytest.fixture
def temporary(home: Path) -> Path:
    """Where `evaluating` makes its homes; a short path."""
    folder = home / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def evaluating(home: Path, temporary: Path) -> Kmctl:
    return Kmctl(home, {"TMPDIR": str(temporary)})


def assert_nothing_is_left(temporary: Path) -> None:
    assert list(temporary.iterdir()) == []
    commands = [" ".join(process.info["cmdline"] or ()) for process in all_processes()]
    assert [command for command in commands if str(temporary) in command] == []


def all_processes() -> list[psutil.Process]:
    return list(psutil.process_iter(["cmdline"]))


# Figures


def test_the_figures_of_a_set(
    evaluating: Kmctl, temporary: Path, labelled: Path, tmp_path: Path
) -> None:
    second = shutil.copytree(labelled, tmp_path / "second")
    sets = evaluating.json("eval", str(labelled), f"{second}/")["sets"]
    assert list(sets) == ["small", "second"]
    small = sets["small"]
    assert (small["entries"], small["queries"]) == (4, 5)
    assert list(small["modes"]) == ["hybrid", "vector", "text"]
    for figures in small["modes"].values():
        assert list(figures) == [*FIGURES, "classes"]
        assert list(figures["classes"]) == ["easy", "filtered", "never"]
        assert all(list(of_class) == FIGURES for of_class in figures["classes"].values())
        assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    found = small["modes"]["hybrid"]
    perfect = {"ndcg_at_10": 1, "recall_at_5": 1, "recall_at_10": 1, "mrr": 1, "missed": 0}
    assert {name: found[name] for name in perfect} == perfect
    assert found["declined"] == 0.5  # q5 has no label, and an answer
    never = found["classes"]["never"]
    assert (never["mrr"], never["missed"], never["declined"]) == (None, None, 1)
    assert found["classes"]["easy"]["declined"] is None
    assert_nothing_is_left(temporary)


def test_only_the_modes_that_are_asked_for(evaluating: Kmctl, labelled: Path) -> None:
    modes = ("--mode", "text", "--mode", "vector", "--mode", "text")
    small = evaluating.json("eval", str(labelled), *modes)["sets"]["small"]
    assert list(small["modes"]) == ["text", "vector"]


def test_ranks_count_as_they_are_known_to(evaluating: Kmctl, labelled: Path) -> None:
    """One answer in the second place, of two that there are."""
    (labelled / "queries.jsonl").write_text(
        lines_of([{"id": "q", "text": "the harbour crane", "class": "only"}])
    )
    (labelled / "qrels.tsv").write_text("q\toil\t1\nq\towl\t3\nq\tcrane\t0\n")
    figures = evaluating.json("eval", str(labelled), "--mode", "text")["sets"]["small"]["modes"]
    found = figures["text"]
    assert found["mrr"] == found["recall_at_5"] == found["recall_at_10"] == 0.5
    second = 1 / math.log2(3)
    assert found["ndcg_at_10"] == pytest.approx(second / (1 + second))
    assert found["classes"]["only"] | {"classes": found["classes"]} == found


def test_for_people(evaluating: Kmctl, labelled: Path) -> None:
    outcome = evaluating("eval", str(labelled), "--mode", "hybrid")
    assert (outcome.code, outcome.err) == (0, "")
    head, titles, *rows = outcome.out.splitlines()
    assert head == "small: 4 entries, 5 queries"
    assert titles.split()[:3] == ["Class", "Mode", "nDCG@10"]
    assert [row.split()[:2] for row in rows] == [
        [kind, "hybrid"] for kind in ("(all)", "easy", "filtered", "never")
    ]
    assert rows[0].split()[2:8] == ["1.000", "1.000", "1.000", "1.000", "0.000", "0.500"]
    assert rows[3].split()[2:8] == ["-", "-", "-", "-", "-", "1.000"]


def test_the_set_may_use_what_is_configured(
    evaluating: Kmctl, labelled: Path, tmp_path: Path, model_file: Path
) -> None:
    model = tmp_path / "moved.gguf"
    shutil.copyfile(model_file, model)
    (evaluating.home / "models" / model_file.name).unlink()
    (evaluating.home / "knowledge.toml").write_text(
        f'[knowledge]\nextra_types = ["lesson", "rumour"]\n[model]\nname = "{model}"\n'
    )
    corpus = [{**entry, "type": "rumour"} for entry in CORPUS]
    (labelled / "corpus.jsonl").write_text(lines_of(corpus))
    small = evaluating.json("eval", str(labelled), "--mode", "vector")["sets"]["small"]
    assert small["modes"]["vector"]["mrr"] == 1


# The user's store


def test_the_store_of_the_user_is_not_touched(
    shared_kmctl: Kmctl, project: str, labelled: Path
) -> None:
    status = shared_kmctl.json("status")
    stored = shared_kmctl.json("stats")["total_records"]
    sockets = {"CCO_KNOWLEDGE_SOCKET": status["socket"]}
    outcome = Kmctl(shared_kmctl.home, sockets)("eval", str(labelled), "--mode", "hybrid")
    assert outcome.code == 0
    assert shared_kmctl.json("stats")["total_records"] == stored
    assert shared_kmctl.json("status")["pid"] == status["pid"]


# What goes wrong


def wrong_set(labelled: Path, evaluating: Kmctl, **files: str) -> Outcome:
    names = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "qrels.tsv"}
    for name, text in files.items():
        (labelled / names[name]).write_text(text)
    outcome = evaluating("eval", str(labelled), "--mode", "text")
    assert (outcome.code, outcome.out) == (2, "")
    assert evaluating("eval", str(labelled), "--json").error["reason"] == "invalid_params"
    return outcome


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"corpus": "{}\n"}, "corpus.jsonl, line 1: It needs `id`"),
        ({"corpus": '{"id": "oil", "text": ""}\n'}, "corpus.jsonl, line 1: It needs `text`"),
        ({"corpus": lines_of([*CORPUS, CORPUS[0]])}, "line 5: The id oil was there before."),
        ({"corpus": "not json\n"}, "corpus.jsonl, line 1: Not JSON"),
        ({"corpus": "\n"}, "corpus.jsonl is empty."),
        ({"queries": '{"id": "q1"}\n'}, "queries.jsonl, line 1: It needs `text`"),
        ({"queries": '["q1"]\n'}, "queries.jsonl, line 1: Not a JSON object."),
        ({"qrels": "q1\toil\t1\nq1\tnowhere\t1\n"}, "line 2: No entry has the id nowhere."),
        ({"qrels": "q1\toil\t1\nq9\toil\t1\n"}, "qrels.tsv, line 2: No query has the id q9."),
        ({"qrels": "q1\toil\n"}, "qrels.tsv, line 1: It needs a query, an entry and a grade"),
        ({"qrels": "q1\toil\t1\nq2\towl\tgood\n"}, "qrels.tsv, line 2: good is not a grade."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_set_is_2_and_named_by_file_and_line(
    evaluating: Kmctl, temporary: Path, labelled: Path, files: dict[str, str], told: str
) -> None:
    assert told in wrong_set(labelled, evaluating, **files).err
    assert_nothing_is_left(temporary)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_missing_file_is_2(evaluating: Kmctl, labelled: Path, name: str) -> None:
    (labelled / name).unlink()
    assert f"{labelled / name}: No such file" in wrong_set(labelled, evaluating).err


def test_what_the_daemon_refuses_is_named_by_file_and_line(
    evaluating: Kmctl, temporary: Path, labelled: Path
) -> None:
    corpus = lines_of([*CORPUS, {"id": "x", "text": "x", "type": "patern"}])
    assert "corpus.jsonl, line 5: This type does not exist" in (
        wrong_set(labelled, evaluating, corpus=corpus).err
    )
    queries = lines_of([*QUERIES, {"id": "q6", "text": "x", "since": "yesterday"}])
    told = wrong_set(labelled, evaluating, corpus=lines_of(CORPUS), queries=queries).err
    assert "queries.jsonl, query q6: " in told
    assert_nothing_is_left(temporary)


def test_two_sets_of_one_name_are_2(evaluating: Kmctl, labelled: Path, tmp_path: Path) -> None:
    same = shutil.copytree(labelled, tmp_path / "other" / "small")
    outcome = evaluating("eval", str(labelled), str(same))
    assert (outcome.code, outcome.out) == (2, "")
    assert "called small" in outcome.err


def test_a_daemon_that_does_not_start_says_why(
    evaluating: Kmctl, temporary: Path, labelled: Path, model_file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model_file.read_bytes()[: 1 << 20])
    by_path = Kmctl(evaluating.home, {**evaluating.environment, "CCO_KNOWLEDGE_MODEL": str(broken)})
    outcome = by_path("eval", str(labelled))
    assert (outcome.code, outcome.out) == (1, "")
    assert str(broken) in outcome.err
    (evaluating.home / "models" / model_file.name).unlink()
    outcome = evaluating("eval", str(labelled))
    assert (outcome.code, outcome.out) == (1, "")
    assert "kmctl model pull" in outcome.err
    assert_nothing_is_left(temporary)


def test_a_daemon_that_is_not_ready_in_time_is_75(
    evaluating: Kmctl, temporary: Path, labelled: Path
) -> None:
    outcome = evaluating("eval", str(labelled), "--timeout", "0.001")
    assert (outcome.code, outcome.out) == (75, "")
    assert_nothing_is_left(temporary)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_interrupts_it_leaves_nothing(
    evaluating: Kmctl, temporary: Path, labelled: Path, number: signal.Signals
) -> None:
    queries = [{"id": f"{n}", "text": f"the harbour crane {n}"} for n in range(20_000)]
    (labelled / "queries.jsonl").write_text(lines_of(queries))
    (labelled / "qrels.tsv").write_text("")
    process = evaluating.begin("eval", str(labelled))
    wait_until(lambda: any(temporary.glob("*/knowledge.sock")))
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert (out, b"Traceback" in err) == (b"", False)
    assert_nothing_is_left(temporary)


def test_a_temporary_folder_with_a_long_path_is_not_used(
    evaluating: Kmctl, labelled: Path, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    outcome = Kmctl(evaluating.home, {"TMPDIR": str(deep)})("eval", str(labelled))
    assert outcome.code == 0
    assert list(deep.iterdir()) == []
