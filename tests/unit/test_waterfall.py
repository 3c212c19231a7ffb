"""The chart of one pair's weight: its bars follow from one another, whatever the bits."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from mpi.reports.waterfall import waterfall

_SVG = "{http://www.w3.org/2000/svg}"
_LIMITS = {"link": 6.6, "review": -1.7}


def _bars(svg: str) -> list[tuple[float, float]]:
    rows = ET.fromstring(svg).iter(f"{_SVG}rect")  # noqa: S314 - made a line above
    return [(float(row.attrib["x"]), float(row.attrib["x"]) + float(row.attrib["width"])) for row in rows]


@pytest.mark.parametrize(
    "bits",
    [
        pytest.param([-20.0, 10.0, 14.0, -6.0, 20.0], id="a link with one thing against it"),
        pytest.param([-20.0, -5.0, -5.0], id="everything against"),
        pytest.param([0.0], id="nothing but even odds"),
        pytest.param([3.0, 4000.0], id="weights of thousands of bits"),
    ],
)
def test_each_bar_begins_where_the_one_before_ended(bits: list[float]) -> None:
    bars = _bars(waterfall([(f"part {n}", value) for n, value in enumerate(bits)], _LIMITS))
    assert len(bars) == len(bits) + 1
    ends = [bar[::-1] if value < 0 else bar for bar, value in zip(bars, [*bits, sum(bits)], strict=True)]
    for (_, end), (start, _) in pairwise(ends[:-1]):
        assert start == pytest.approx(end, abs=0.11)
    assert ends[-1][0] == pytest.approx(ends[0][0], abs=0.11), "the sum begins at 0, as the first bar does"
    assert ends[-1][1] == pytest.approx(ends[-2][1], abs=0.11)


def test_all_of_it_lies_within_the_picture() -> None:
    svg = waterfall([("a comparison with a long name: and a level with a long name too", 30.0)], _LIMITS)
    width = float(re.findall(r'width="(\d+)"', svg)[0])
    assert all(0 <= left <= right <= width for left, right in _bars(svg))


def test_who_hears_the_page_is_told_the_figures() -> None:
    title = ET.fromstring(waterfall([("sex: same", 1.0), ("a < b", -2.5)], _LIMITS)).find(f"{_SVG}title")  # noqa: S314
    assert title is not None
    assert title.text == "sex: same +1.0; a < b -2.5; weight -1.5 bits"
