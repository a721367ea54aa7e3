"""probing.learning.schedule: rates and steps by hand, and what a task's schedule is."""

import numpy as np

from probing.learning.schedule import Schedule
from probing.tasks import TASKS


def test_linear_schedule_by_hand():
    schedule = Schedule(warmup=1 / 3)
    rates = [schedule.relative_rate(step, 12) for step in range(14)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0])
    for warmup, expected in ((0.0, [1, 0.75, 0.5, 0.25, 0]), (1.0, [0.25, 0.5, 0.75, 1, 0])):
        assert [Schedule(warmup=warmup).relative_rate(step, 4) for step in range(5)] == expected


def test_every_pass_has_all_records_once_in_an_order_of_its_own():
    batches = [[order(number).tolist() for number in range(6)] for order in map(order_of, (0, 1))]
    for first in (0, 3):
        here = batches[0][first : first + 3]
        assert [len(batch) for batch in here] == [32, 32, 6] and here == [sorted(batch) for batch in here]
        assert sorted(sum(here, [])) == list(range(70))
    assert batches[0][0] != batches[0][3] and batches[0][0] != batches[1][0]


def order_of(seed):
    return Schedule(batch_records=32, order_seed=seed).order(70)


def test_few_records_are_passed_over_more_often_and_validated_no_more():
    schedule = Schedule(epochs=20, batch_records=32, least_steps=400)
    assert (schedule.total(60), schedule.validate_every(60)) == (400, 20)  # 2 steps a pass, 200 passes
    assert (schedule.total(70), schedule.validate_every(70)) == (
        402,
        21,
    )  # 3 steps a pass, 134 passes, every seventh validated
    assert (schedule.total(32 * 100), schedule.validate_every(32 * 100)) == (2000, 100)


def test_a_tasks_own_schedule():
    linear = Schedule.for_task(TASKS["pos"])
    assert (linear.kind, linear.learning_rate, linear.batch_records) == ("linear", 4e-3, 128)
    plateau = Schedule.for_task(TASKS["spr1"], kind="plateau", dev_records=5000)
    assert (plateau.kind, plateau.learning_rate, plateau.batch_records) == ("plateau", 1e-4, 32)
    assert plateau.dev_records == 5000
    assert (plateau.steps, plateau.interval) == (10_000, 100)
    chosen = Schedule.for_task(TASKS["spr1"], kind="plateau", learning_rate=1e-3, steps=7, interval=3)
    assert (chosen.learning_rate, chosen.steps, chosen.interval) == (1e-3, 7, 3)
