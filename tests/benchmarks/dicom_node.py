"""Objects of 512 KiB a second through a real node, from storescu to storescp, beside the two without it (dcmtk)."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mpi.domain.quarantine import ObjectState
from mpi.store import schema
from tests.benchmarks.machine import load_average, peak_memory_mib
from tests.dicom_objects import STUDY, an_object, write
from tests.flows.dicom_peers import Listening, configuration, free_port, run, serving
from tests.gate_world import MARIA, World

BYTES = 512 * 1024
WAIT_SECONDS = 600
QUIET_SECONDS = 0.2
"""How long the node waits for more of a study before it is judged; in the figures."""


def measure(objects: int, folder: Path) -> dict[str, Any]:
    """Seconds and rates for one study of so many objects, and the node's peak memory."""
    files = write(folder / "sent", *(an_object(number, pixels=bytes(BYTES)) for number in range(1, objects + 1)))
    alone = _directly(files, folder)
    url = f"sqlite:///{folder / 'mpi.db'}"
    schema.migrate(url)
    world = World(url)
    world.record(world.maria, "RYY", "L77", MARIA)
    port, archive = free_port(), free_port()
    (folder / "archive").mkdir()
    config = configuration(folder, url, archive)
    with serving("storescp", "-aet", "PACS", "-od", folder / "archive", archive, port=archive):
        node = Listening(config, port)
        start = time.monotonic()
        sent = run("storescu", "-aet", "REMOTE", "-aec", "MPI", "127.0.0.1", port, *files)
        received = time.monotonic() - start
        if sent.returncode:
            raise RuntimeError(sent.stderr)
        _wait(world, objects)
        seconds = time.monotonic() - start
        peak = peak_memory_mib(node.process.pid)
        node.stop()
    world.close()
    return {
        "objects": objects,
        "objects_per_second": round(objects / seconds, 1),
        "received_per_second": round(objects / received, 1),
        "directly_per_second": round(objects / alone, 1),
        "peak_memory_mib": peak,
        "load_average": load_average(),
    }


def _directly(files: list[Path], folder: Path) -> float:
    """Seconds that the sender takes to the archive without a node."""
    archive, place = free_port(), folder / "directly"
    place.mkdir()
    with serving("storescp", "-aet", "PACS", "-od", place, archive, port=archive):
        start = time.monotonic()
        run("storescu", "-aec", "PACS", "127.0.0.1", archive, *files)
        seconds = time.monotonic() - start
    shutil.rmtree(place)
    return seconds


def _wait(world: World, objects: int) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with world.store.reading() as unit:
            if unit.quarantine.counts().get(ObjectState.FORWARDED, (0, ""))[0] == objects:
                return
        time.sleep(0.1)
    raise TimeoutError(STUDY)


def measured(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row for each size of study."""
    found = []
    for objects in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(objects, Path(folder)))
    return found


if __name__ == "__main__":
    json.dump(measured(tuple(int(size) for size in sys.argv[1:]) or (100, 1000)), sys.stdout, indent=2)
