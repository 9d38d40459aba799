"""Variables of another project that uses Celery."""

from producer.celery_environment import remove_celery, without_celery

FOREIGN = {
    "CELERY_BROKER_URL": "amqp://elsewhere/",
    "CELERY_WORKER_CONCURRENCY": "9",
    "CELERYD_POOL": "solo",
}
UNPREFIXED = {"WORKDIR": "/nowhere", "APP": "theirs", "LOADER": "theirs:Loader", "BROKER_URL": "amqp://elsewhere/"}
OURS = {"PATH": "/bin", "STOCKWIRE_SYMBOLS": "IBM", "NO_COLOR": "1", "C_FORCE_ROOT": "1"}


def test_a_program_of_celery_gets_no_variable_of_another_project() -> None:
    assert without_celery({**FOREIGN, **UNPREFIXED, **OURS}) == OURS


def test_the_app_removes_what_celery_has_not_read_yet() -> None:
    environ = {**FOREIGN, **UNPREFIXED, **OURS}
    remove_celery(environ)
    assert environ == {**UNPREFIXED, **OURS}
