"""The queue's housekeeping: places by what happens to the people, and questions about numbers nobody has verified."""

from mpi.config import Config
from mpi.domain.audit import SYSTEM, Action, AuditEvent
from mpi.domain.review import TaskType
from mpi.services import identity
from mpi.services.identity import Cause
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import Store

MOST = 100
"""So many questions about unverified numbers are opened or closed at a time, so that they never flood the queue."""
_REASON = "Nobody has traced this NHS number yet."


class QueueUpkeep:
    """Runs now and then, beside everything else."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def run(self) -> tuple[int, int, int]:
        """Put tasks in their places, ask about unverified numbers where that is configured, and close what is verified.

        How many moved, were opened and were closed.
        """
        cause = Cause(SYSTEM)
        with self._store.writing(identities=False) as unit:
            moved = unit.upkeep.put_in_place(event=AuditEvent(SYSTEM, Action.QUEUE_ORDERED))
            closed = 0
            for task_id in unit.upkeep.verified(MOST):
                task = unit.tasks.get(task_id)
                if task is not None:
                    event = cause.event(Action.TASK_DECIDED, reason="the number was verified or taken away")
                    unit.tasks.settle(task, event=event)
                    closed += 1
            opened = 0
            if self._config.unverified_days:
                for record_id in unit.upkeep.unverified(self._config.unverified_days, MOST):
                    task_id_ = identity.open_task(
                        unit, NewTask(TaskType.UNVERIFIED_NUMBER, record_id, None, _REASON), cause
                    )
                    opened += task_id_ is not None
        return moved, opened, closed
