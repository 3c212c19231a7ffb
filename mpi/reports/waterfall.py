"""How the weight of one pair comes about, as SVG text written by hand: a hundred times as quick as drawing it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from mpi.reports.charts import BLUE, COLOURS, INK, RED

_WIDTH, _ROW, _TOP, _FOOT = 648.0, 18.0, 16.0, 40.0
_LETTER = 5.4
"""Width of a letter of a label, in pixels, as far as one can say without measuring."""
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Bits to pixels."""

    least: float
    most: float
    left: float

    def at(self, bits: float) -> float:
        return self.left + (bits - self.least) / (self.most - self.least) * (_WIDTH - self.left - 12)

    def ticks(self) -> Iterator[float]:
        """Five or so round figures on the scale."""
        size = 1
        while (step := next((s * size for s in _STEPS if (self.most - self.least) / (s * size) <= 8), None)) is None:
            size *= 10
        tick = -(-self.least // step) * step
        while tick <= self.most:
            yield tick
            tick += step


def waterfall(parts: Sequence[tuple[str, float]], thresholds: Mapping[str, float]) -> str:
    """From the prior, part by part, to the sum; `parts` are labels and bits, `thresholds` those of the model.

    The same figures stand in its title, for whoever hears the page instead of seeing it.
    """
    sums = list(accumulate((bits for _, bits in parts), initial=0.0))
    limits = {name: thresholds[name] for name in ("link", "review")}
    least, most = min(*sums, *limits.values()), max(*sums, *limits.values())
    room = 0.14 * (most - least)
    left = 24 + _LETTER * max(len(label) for label in (*(label for label, _ in parts), "weight"))
    scale = _Scale(least - room, most + room, min(left, _WIDTH / 2))
    foot = _TOP + _ROW * len(sums)
    told = "; ".join([*(f"{label} {bits:+.1f}" for label, bits in parts), f"weight {sums[-1]:.1f} bits"])
    body = [f"<title>{escape(told)}</title>", *_axis(scale, foot), *_limits(scale, limits, foot)]
    for place, ((label, bits), start) in enumerate(zip(parts, sums, strict=False)):
        body += _row(scale, place, label, (start, start + bits), f"{bits:+.1f}", BLUE if bits >= 0 else RED)
    body += _row(scale, len(parts), "weight", (0.0, sums[-1]), f"{sums[-1]:.1f}", INK)
    size = f'width="{_WIDTH:.0f}" height="{foot + _FOOT:.0f}" viewBox="0 0 {_WIDTH:.0f} {foot + _FOOT:.0f}"'
    font = f'font-family="sans-serif" font-size="11" fill="{INK}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {font}>\n' + "\n".join(body) + "\n</svg>"


def _text(x: float, y: float, anchor: str, words: str, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _line(x: float, top: float, foot: float, colour: str, more: str = "") -> str:
    return f'<path d="M{x:.1f} {top:.1f}V{foot:.1f}" stroke="{colour}"{more}/>'


def _axis(scale: _Scale, foot: float) -> Iterator[str]:
    yield _line(scale.at(0.0), _TOP, foot, INK)
    yield f'<path d="M{scale.left:.1f} {foot:.1f}H{_WIDTH - 12:.1f}" stroke="{INK}"/>'
    for tick in scale.ticks():
        yield _line(scale.at(tick), foot, foot + 4, INK)
        yield _text(scale.at(tick), foot + 16, "middle", f"{tick:g}")
    yield _text((scale.left + _WIDTH) / 2, foot + 32, "middle", "bits")


def _limits(scale: _Scale, limits: Mapping[str, float], foot: float) -> Iterator[str]:
    for name, bits in limits.items():
        yield _line(scale.at(bits), _TOP, foot, COLOURS[name], ' stroke-dasharray="4 3"')
    # The lower one's name ends at its line and the higher one's begins there: they never meet.
    yield _text(scale.at(limits["review"]) - 2, _TOP - 4, "end", "review", COLOURS["review"])
    yield _text(scale.at(limits["link"]) + 2, _TOP - 4, "start", "link", COLOURS["link"])


def _row(scale: _Scale, place: int, label: str, ends: tuple[float, float], figure: str, colour: str) -> Iterator[str]:
    """A bar between two sums of bits, its label on the left and its figure behind its end."""
    top, middle = _TOP + _ROW * place + 3, _TOP + _ROW * place + 13
    start, end = scale.at(ends[0]), scale.at(ends[1])
    yield _text(scale.left - 6, middle, "end", label)
    yield (
        f'<rect x="{min(start, end):.1f}" y="{top:.1f}" width="{abs(end - start):.1f}" height="{_ROW - 5:.1f}" '
        f'fill="{colour}"/>'
    )
    more = ends[1] >= ends[0]
    yield _text(end + (3 if more else -3), middle, "start" if more else "end", figure)
