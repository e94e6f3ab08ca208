"""When small files become one, and when new rows go into the indexes."""

from cco_knowledge.store.backlog import Backlog


def stored_singly(n: int, backlog: Backlog) -> Backlog:
    for _ in range(n):
        backlog.add(n_rows=1)
    return backlog


def test_a_client_that_stores_without_a_pause_has_its_files_gathered() -> None:
    backlog = stored_singly(47, Backlog())
    assert backlog.due() is None
    assert stored_singly(1, backlog).due() == "gather"
    backlog.gathered(backlog.before())
    assert (backlog.due(), backlog.n_rows) == (None, 48)


def test_a_moment_without_a_store_is_used_earlier() -> None:
    assert stored_singly(7, Backlog()).due_when_quiet() is None
    assert stored_singly(8, Backlog()).due_when_quiet() == ("gather", 0.25)


def test_what_was_gathered_is_folded_when_nobody_writes_any_more() -> None:
    backlog = stored_singly(16, Backlog())
    backlog.gathered(backlog.before())
    assert backlog.due_when_quiet() == ("fold", 1.0)
    backlog.folded(backlog.before())
    assert (backlog.due_when_quiet(), backlog.n_rows, backlog.n_versions) == (None, 0, 0)


def test_many_rows_are_folded_at_once() -> None:
    backlog = Backlog(n_stored=100_000)
    backlog.add(n_rows=20_000)
    assert backlog.due() is None
    backlog.add(n_rows=20_000)
    assert backlog.due() == "fold"


def test_a_large_table_waits_for_more() -> None:
    backlog = stored_singly(63, Backlog(n_stored=100_000, is_large=True))
    assert backlog.due() is None
    assert backlog.due_when_quiet() == ("gather", 1.0)
    assert stored_singly(1, backlog).due() == "gather"
    backlog.add(n_rows=4096)
    assert (backlog.due(), backlog.due_when_quiet()) == ("gather", ("fold", 1.0))
    backlog.add(n_rows=12_500)
    assert backlog.due() == "fold"


def test_the_larger_a_table_the_later_bulk_is_folded_but_not_for_ever() -> None:
    due = [
        next(
            n
            for n in range(0, 40_000, 64)
            if Backlog(n_stored=stored, n_rows=n, is_large=True).due()
        )
        for stored in (20_000, 100_000, 1_000_000)
    ]
    assert due == [4096, 12_544, 16_384]


def test_what_comes_while_a_step_runs_still_counts_after_it() -> None:
    backlog = stored_singly(48, Backlog())
    before = backlog.before()
    stored_singly(3, backlog).gathered(before)
    assert backlog.n_files == 3


def test_what_an_earlier_process_has_gathered_and_not_folded_is_folded() -> None:
    backlog = Backlog()
    backlog.take_over(n_rows=30, n_unindexed=30, n_files=3)
    assert backlog.due_when_quiet() == ("fold", 1.0)
