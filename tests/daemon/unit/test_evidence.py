"""Does a hit answer, or is it only the best of what there is?"""

import pytest

from cco_knowledge.search.evidence import ENOUGH, evidence
from cco_knowledge.terms import terms, units

CHANCE = 0.3


def answers(similarity: float, query: str, text: str) -> bool:
    return evidence(similarity, CHANCE, units(query), set(terms(text))) >= ENOUGH


def test_near_in_meaning_answers_without_a_common_word() -> None:
    assert answers(0.6, "how do people sign in", "Users authenticate with a password.")


def test_no_nearer_than_chance_does_not_answer() -> None:
    assert not answers(0.3, "which cat food do we buy", "The build runs on two machines.")


def test_a_few_common_words_are_not_enough() -> None:
    assert not answers(0.3, "which database holds the invoices", "The database is slow today.")


def test_a_name_answers_word_for_word() -> None:
    assert answers(0.15, "E0502", "The borrow checker says E0502 in the loop.")
    assert answers(0.1, "v2.4.1", "Fixed in v2.4.1 by the reviewer.")


def test_the_parts_of_a_name_do_not_answer_for_it() -> None:
    assert not answers(0.35, "src/auth/saml.py", "The key is read in src/auth/token.py.")
    assert not answers(0.35, "ORA-00060", "ORA-01555 came from a long query.")


def test_more_similar_is_more_evidence() -> None:
    query, held = units("retry of webhooks"), set(terms("webhooks"))
    assert evidence(0.5, CHANCE, query, held) > evidence(0.4, CHANCE, query, held)


def test_a_query_of_function_words_counts_by_meaning_alone() -> None:
    assert evidence(0.65, CHANCE, [], set()) == pytest.approx(0.5)
