"""A beat as in Celery's manual: `celery -A tests.faults.naive_beat beat`."""

import os

from celery import Celery

app = Celery("plain", broker=os.environ.get("STOCKWIRE_AMQP_URL"))
app.conf.update(
    beat_schedule={"sync": {"task": "producer.sync", "schedule": 1.0}},
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=1,
    task_default_queue="celery.sync",
)
