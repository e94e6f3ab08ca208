"""Who may have how much."""

from cco_knowledge.shares import Shares


def all_that_fits(shares: Shares, peer: int) -> int:
    while shares.fits(peer, 1):
        shares.take(peer, 1)
    return shares.held(peer)


def test_one_has_half_two_a_third_each_and_none_takes_the_last() -> None:
    assert all_that_fits(Shares(100), 1) == 50
    two = Shares(100)
    while two.fits(1, 1) or two.fits(2, 1):
        for peer in (1, 2):
            if two.fits(peer, 1):
                two.take(peer, 1)
    assert (two.held(1), two.held(2)) == (33, 33)
    assert two.fits(3, 1)


def test_a_crowd_of_peers_leaves_something_for_the_next_one() -> None:
    shares = Shares(100)
    assert [all_that_fits(shares, peer) for peer in range(7)] == [50, 25, 12, 6, 3, 2, 1]
    assert not shares.fits(0, 1)


def test_what_is_given_back_is_there_for_others() -> None:
    shares = Shares(10)
    shares.take(1, 9)  # it was there before it could be refused
    assert not shares.fits(2, 1)
    shares.give_back(1, 9)
    assert all_that_fits(shares, 2) == 5
