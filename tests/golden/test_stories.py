"""Messages in their order: the acknowledgement of each and what the index holds in the end, on both databases."""

import pytest

from tests.golden.stories import Story, stories, told_to
from tests.index import open_index
from tests.invariants import check_index

STORIES = stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_ends_as_it_is_written_down(migrated_url: str, story: Story) -> None:
    app = open_index(migrated_url)
    assert told_to(app, story) == story.expected
    check_index(app.store)
    app.close()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 30
