"""`mpi quality`."""

import csv
from dataclasses import asdict, astuple

import click

from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.review import Sample
from mpi.matching.quality import Agreement, Share
from mpi.services.quality.estimates import IndexQuality
from mpi.services.quality.trial import RECORDS, LabelledPair, Trial
from mpi.services.quality.workload import AGES


@click.group()
def quality() -> None:
    """See how good the index is, from reviewers' verdicts on a random sample of its decisions."""


@quality.command(epilog="Example: mpi quality sample --links 20 --non-links 20")
@click.option("--links", type=click.IntRange(0, 1000), default=0, help="Links to draw [0].")
@click.option("--non-links", type=click.IntRange(0, 1000), default=0, help="Pairs that were kept apart to draw [0].")
@click.option("--seed", type=int, help="Draw by this seed; with it the same index gives the same pairs.")
@json_option
@database_options
def sample(
    links: int, non_links: int, seed: int | None, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Put pairs drawn at random into the review queue, where they look like any other question.

    Without --links and --non-links: what the configuration asks for each week, where the last draw is a week old.
    """
    with ready_application(database, config_file) as app:
        if links or non_links:
            wanted = {Sample.LINK: links, Sample.NON_LINK: non_links}
            drawn = [app.sampler.draw(OPERATOR, kind, n, seed) for kind, n in wanted.items() if n]
        elif seed is not None:
            raise click.UsageError("--seed goes with --links or --non-links")
        else:
            drawn = app.sampler.draw_due(OPERATOR)
    if as_json:
        echo_json([asdict(one) for one in drawn])
        return
    if not drawn:
        click.echo("nothing is due; [quality] in the configuration says how many pairs a week")
    for one in drawn:
        there = sum(one.sizes.values())
        click.echo(f"{one.kind.value}: {one.drawn} of about {there:,.0f} pairs put into the queue (seed {one.seed})")


@quality.command(epilog="Example: mpi quality show; mpi quality show --json")
@json_option
@database_options
def show(as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show precision and recall with intervals of 95 %, by band of weight and by site, and how far readers agree."""
    with ready_application(database, config_file) as app:
        found = app.estimates.now(OPERATOR)
    if as_json:
        echo_json(asdict(found))
        return
    for line in _lines(found):
        click.echo(line)


@quality.command(epilog="Example: mpi quality sources --look; mpi quality sources --json")
@click.option("--look", is_flag=True, help="First look at what has changed since the last look.")
@json_option
@database_options
def sources(look: bool, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show what is wrong with the records of each source, as of the last look; `mpi work` looks once a day."""
    with ready_application(database, config_file) as app:
        if look:
            app.source_cards.look(OPERATOR)
        found = app.source_cards.cards(OPERATOR)
    if as_json:
        echo_json(asdict(found))
        return
    if found.at is None:
        click.echo("nobody has looked yet: mpi quality sources --look")
    for card in found.cards:
        click.echo(f"{card.authority} {card.source}: {card.records:,} registrations, {card.fixed:,} faults mended")
        for defect, n in card.faults:
            rate = 1000 * n / card.records if card.records else 0.0
            click.echo(f"  {defect.field} {defect.fault.value}: {n:,} ({rate:.1f} per thousand)")


@quality.command(epilog="Example: mpi quality work; mpi quality work --json")
@json_option
@database_options
def work(as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show what waits in the review queue, for how long, what comes and goes, and how long answers take."""
    with ready_application(database, config_file) as app:
        found = app.workloads.now(OPERATOR)
    if as_json:
        echo_json(asdict(found))
        return
    for one in found.backlog:
        ages = ", ".join(f"{n} {text}" for n, (text, _) in zip(one.by_age, AGES, strict=True))
        click.echo(f"{one.type.value}: {one.total} wait ({ages}), {one.overdue} overdue")
    for week in found.flow:
        click.echo(f"week from {week.monday}: {week.opened} came, {week.closed} closed")
    for slow in found.turnaround:
        click.echo(
            f"{slow.type.value}: {slow.answered} answered, half within {slow.middle:.1f} hours, "
            f"nine in ten within {slow.slow:.1f}"
        )


@quality.command(epilog="Example: mpi quality labels --out labels.csv")
@click.option("--out", required=True, type=click.Path(dir_okay=False, writable=True), help="The CSV file to write.")
@database_options
def labels(out: str, database: str | None, config_file: str | None) -> None:
    """Write reviewers' verdicts as labelled agreement patterns, for training elsewhere: no value of a patient."""
    with ready_application(database, config_file) as app:
        found = app.trials.labels(OPERATOR)
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(LabelledPair.__slots__)
        writer.writerows(astuple(one) for one in found)
    click.echo(f"{len(found)} labelled pairs written to {out}")


@quality.command("try", epilog="Example: mpi quality try --link 12; mpi quality try --model var/trained.json --json")
@click.option("--model", metavar="FILE", help="Try this linkage model.")
@click.option("--link", type=float, help="Try this link threshold, in bits.")
@click.option("--keep", type=float, help="Try this keep threshold, in bits.")
@click.option("--review", type=float, help="Try this review threshold, in bits.")
@click.option("--records", type=click.IntRange(1), default=RECORDS, show_default=True, help="Records to draw.")
@click.option("--seed", type=int, help="Draw by this seed.")
@json_option
@database_options
def try_model(
    model: str | None,
    link: float | None,
    keep: float | None,
    review: float | None,
    records: int,
    seed: int | None,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Try another model or other thresholds on what is stored; nothing is changed.

    Shows links gained and lost with examples, questions and reviewers' hours, and how both models do against the
    verdicts that reviewers gave. Figures are estimates from records drawn at random.
    """
    if model is not None and not (link is keep is review is None):
        raise click.UsageError("--model goes without thresholds: a model has its own")
    with ready_application(database, config_file) as app:
        other = app.trials.from_file(model) if model is not None else app.trials.variant(link, keep, review)
        found = app.trials.run(OPERATOR, other, records=records, seed=seed)
    if as_json:
        echo_json(asdict(found))
        return
    for line in _trial_lines(found):
        click.echo(line)


def _trial_lines(found: Trial) -> list[str]:
    hours = f", {found.hours:,.0f} hours of reviewers" if found.hours is not None else ""
    lines = [
        f"{found.model} ({found.hash[:12]}), tried on {found.records:,} records and their {found.pairs:,} pairs; "
        f"estimates for the whole index (times {found.times:.1f}):",
        f"links gained: {found.links_gained:,.0f}, lost: {found.links_lost:,.0f}; "
        f"of its links it expects {found.false_links:,.1f} to be false",
        f"questions: {found.questions_before:,.0f} before, {found.questions_after:,.0f} after{hours}",
        f"against {found.verdicts:,} verdicts: in use {found.right_before:,} right and {found.wrong_before:,} wrong, "
        f"tried {found.right_after:,} right and {found.wrong_after:,} wrong; the others are asked",
    ]
    lines += [f"  {change}: {n:,.0f} pairs" for change, n in found.changes.items()]
    return lines + [
        f"  for example {one.persons[0]} and {one.persons[1]}: {one.before.value} at {one.weight_before:.1f} bits, "
        f"{one.after.value} at {one.weight_after:.1f}"
        for one in found.examples
    ]


def _lines(found: IndexQuality) -> list[str]:
    q = found.quality
    lines = [
        f"precision of links made without a human: {_share(q.precision)}",
        f"recall among the pairs that were compared: {_share(q.recall)}",
        f"of the pairs kept apart, one person after all: {_share(q.missed)}",
        f"{found.drawn} pairs drawn, {q.unanswered} without a verdict; "
        f"{q.more_links} more verdicts on links would give the precision to 1 point",
    ]
    lines += [f"  {kind.value}, {band}: one person {_share(share)}" for kind, band, share in q.by_band]
    lines += [f"  links of {site}: {_share(share)}" for site, share in q.by_site]
    lines += [
        f"  said {one.low:g} to {one.high:g} ({one.said:.3f} on average): one person {_share(one.found)}"
        for one in q.calibration
    ]
    return lines + [_agreement(one) for one in (found.two_readers, found.three_readers)]


def _share(share: Share) -> str:
    if share.value is None:
        return "not known yet, no verdicts"
    text = f"{share.value:.2%} ({share.low:.2%} to {share.high:.2%}; verdicts: {share.verdicts})"
    return text if share.enough else f"{text}, too few to go by"


def _agreement(one: Agreement) -> str:
    if one.agreed is None:
        return f"no question has had {one.readers} independent readers yet"
    kappa = f"kappa {one.kappa:.2f}" if one.kappa is not None else "kappa undefined, all answers are alike"
    return f"{one.readers} readers agree on {one.agreed:.1%} of {one.questions} questions, {kappa}"
