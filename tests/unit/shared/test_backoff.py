from shared.backoff import Backoff


def test_waits_double_up_to_the_cap_and_are_jittered_below_it() -> None:
    for _ in range(50):
        backoff = Backoff(first=1, cap=10)
        for longest in (1, 2, 4, 8, 10, 10, 10):
            assert longest / 2 <= backoff.next() <= longest


def test_two_that_fail_together_do_not_come_back_together() -> None:
    assert len({Backoff(first=1, cap=1).next() for _ in range(100)}) > 90


def test_it_starts_again_after_a_success() -> None:
    backoff = Backoff(first=1, cap=64)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1


def test_it_goes_on_for_ever() -> None:
    backoff = Backoff(cap=5)
    assert all(0 < backoff.next() <= 5 for _ in range(5000))
