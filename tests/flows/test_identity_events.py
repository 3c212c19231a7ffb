"""The golden stories told through a real socket: what is answered there is what is written down of them."""

import re

import pytest

from mpi.bootstrap import App
from tests.flows.mllp_client import listening
from tests.golden.stories import Story, stories

TOLD = {"overlay", "deleted", "change-of-number-onto-anothers", "unlink", "merge-swapped", "older-update"}


@pytest.mark.parametrize("story", [s for s in stories() if s.name in TOLD], ids=lambda story: story.name)
def test_a_story_is_answered_as_it_is_written_down(app: App, story: Story) -> None:
    with listening(app.inbox.process, config=app.config) as running, running.sender() as sender:
        codes = [sender.send(raw).code for raw in story.messages]

    assert codes == re.findall(r"^= \d+ \w+: (\w\w)", story.expected, re.MULTILINE)
