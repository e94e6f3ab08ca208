"""What a text is found by, word for word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.terms import terms, units


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("ECONNREFUSED when the pool is exhausted", "econnrefused"),
        ("set retry_backoff_ms to 200", "retry_backoff_ms"),
        ("set retry_backoff_ms to 200", "retryBackoffMs"),
        ("set retry_backoff_ms to 200", "retry backoff"),
        ("call parseGeoJson first", "geo json"),
        ("call parseGeoJson first", "parse_geo_json"),
        ("the HTTPServer class", "http server"),
        ("see src/auth/token.py:42.", "src/auth/token.py"),
        ("see src/auth/token.py:42.", "token.py"),
        (r"C:\Users\me\notes.txt", "notes.txt"),
        ("released as v1.2.3,", "1.2.3"),
        ("released as 1.2.3", "1.2.3"),
        ("git commit --no-verify", "--no-verify"),
        ("java -Xmx4g", "Xmx4g"),
        ("failed with E0502", "error[E0502]"),
        ("SQLSTATE 40001", "40001"),
        ("sha256 of the file", "SHA-256"),
        ("std::vector<int>", "vector"),
        ("run `kubectl get pods`", "kubectl"),
        ("written in C++, not in C#", "c++"),
        ("we deployed it twice", "deployments"),
        ("the café is naïve", "cafe naive"),
        ("Grundsätze der Buchführung", "grundsatze"),
        ("ошибки подключения", "ошибка подключений"),
        ("ёлка", "елка"),
        ("网关断电以后会丢数据", "数据"),
        ("接続エラー", "エラー"),
        ("PostgreSQL数据库", "postgresql"),
        ("데이터베이스 연결", "연결"),
    ],
)
def test_what_is_asked_meets_what_is_stored(stored: str, asked: str) -> None:
    assert set(terms(asked)) & set(terms(stored))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v1.2", "v12"),
        ("E0502", "E0505"),
        ("src/auth/token.py", "lib/mail/send.rb"),
        ("c++", "go"),
        ("数据", "时间"),
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert not set(terms(one)) & set(terms(other))


def test_function_words_leave_nothing() -> None:
    assert terms("what is it that we do, and why?") == []
    assert terms(" ... -- !? _") == []


def test_a_name_keeps_its_parts_together_and_prose_is_no_name() -> None:
    (path,) = units("src/auth/token.py")
    assert path.is_name
    assert path.terms[0] == "src/auth/token.py"
    assert {"src", "auth", "token", "token.py"} <= set(path.terms)
    names = ["E0502", "snake_case", "camelCase", "HTTPServer", "1.5", "a.b", "x@y.z"]
    assert all(unit.is_name for name in names for unit in units(name))
    assert not any(unit.is_name for unit in units("Real-time updates of the API, naïvely"))


def test_each_pair_of_an_unspaced_script_is_a_unit() -> None:
    assert [unit.terms for unit in units("数据库")] == [("数据",), ("据库",)]
    assert not any(unit.is_name for unit in units("数据库"))


@given(st.text())
def test_any_text_gives_terms_that_a_space_can_part(text: str) -> None:
    found = terms(text)
    assert " ".join(found).split() == found
    assert all(len(term) <= 128 for term in found)
    assert terms(text) == found


def test_a_very_long_word_is_left_out_and_its_neighbours_are_not() -> None:
    assert terms("key " + "a" * 10_000 + " lock") == ["key", "lock"]
