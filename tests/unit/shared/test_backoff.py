from shared.backoff import Backoff, backoff_delay


def test_delays_double_up_to_the_cap_with_jitter_below_it() -> None:
    for _ in range(50):
        backoff = Backoff(first=1, cap=10)
        for bound in (1, 2, 4, 8, 10, 10, 10):
            assert bound / 2 <= backoff.next_delay() <= bound


def test_the_delay_before_a_numbered_retry_has_the_same_bounds() -> None:
    for retries, bound in enumerate((1, 2, 4, 8, 10, 10)):
        delays = {backoff_delay(retries, first=1, cap=10) for _ in range(50)}
        assert bound / 2 <= min(delays) <= max(delays) <= bound


def test_two_clients_that_fail_together_do_not_retry_together() -> None:
    assert len({Backoff(first=1, cap=1).next_delay() for _ in range(100)}) > 90


def test_delays_start_again_after_a_success() -> None:
    backoff = Backoff(first=1, cap=64)
    for _ in range(10):
        backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() <= 1


def test_any_number_of_retries_has_a_delay() -> None:
    backoff = Backoff(cap=5)
    assert all(0 < backoff.next_delay() <= 5 for _ in range(5000))
