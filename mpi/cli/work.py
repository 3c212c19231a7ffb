"""`mpi work`."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from mpi import logs
from mpi.bootstrap import App
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.errors import MpiError
from mpi.hl7.notify import connector
from mpi.services.courier import Courier
from mpi.services.outbox import Delivery
from mpi.store.outbox import StoredNotification

_log = logging.getLogger(__name__)

LEFT_OVER_EXIT_CODE = 10
_HOUSEKEEPING_SECONDS = 6 * 3600.0
_BREATH_SECONDS = 0.2
"""Pause after each handful of records that are looked at, since a feed may run in the same process."""
_STUDY_SECONDS = 1.0


@click.command(
    epilog="Example: mpi work; mpi work --once; mpi work --list; mpi work --retry 1234; mpi work --again PACS"
)
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--once", is_flag=True, help="Send what can be sent now, then end; 10 when something is left.")
@click.option(
    "--list", "only_list", is_flag=True, help="Show how it stands with each subscriber, and what was given up."
)
@click.option("--retry", is_flag=True, help="Let what was given up be sent again: these IDs, or all.")
@click.option("--give-up", is_flag=True, help="Send these waiting IDs no more.")
@click.option("--again", metavar="NAME", help="Look at everybody once more and tell a subscriber what differs.")
@click.option("--anew", metavar="NAME", help="The same, as if the subscriber had never been told anything.")
@click.option("--subscriber", metavar="NAME", help="Only what goes to this subscriber.")
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@json_option
@database_options
def work(
    ids: tuple[int, ...],
    once: bool,
    only_list: bool,
    retry: bool,
    give_up: bool,
    again: str | None,
    anew: str | None,
    subscriber: str | None,
    log_level: str,
    as_json: bool,
    database: str | None,
    config_file: str | None,
) -> None:
    """Tell subscribers of changes until stopped (Ctrl-C or SIGTERM); what is being sent is finished first.

    Attached studies are looked at again when the index changes, and overrides end when their time is over.

    `mpi listen` does the same beside taking messages in. Several may run: one at a time sends to a subscriber.
    """
    if sum((once, only_list, retry, give_up, again is not None, anew is not None)) > 1:
        raise click.UsageError("--once, --list, --retry, --give-up, --again and --anew are asked one at a time")
    if bool(ids) != give_up and not (ids and retry):
        raise click.UsageError("IDs go with --retry, and --give-up needs them")
    with ready_application(database, config_file) as app:
        if only_list:
            _list(app, subscriber, as_json)
        elif retry:
            _retry(app, ids, subscriber, as_json)
        elif give_up:
            for one in ids:
                app.outbox.give_up(OPERATOR, one)
            click.echo(f"{len(ids)} given up")
        elif again is not None:
            app.outbox.again(OPERATOR, again)
            click.echo(f"{again} will be told whatever differs from what it was told last")
        elif anew is not None:
            app.outbox.again(OPERATOR, anew, anew=True)
            click.echo(f"{anew} will be told of everybody")
        elif once:
            _once(app, subscriber, as_json)
        else:
            logs.configure(log_level)
            _work(app, subscriber)


@contextmanager
def sending(app: App, only: str | None = None) -> Iterator[int]:
    """Tell the subscribers while the block runs, one thread for each; how many there are."""
    app.outbox.enrol()
    stop = threading.Event()
    threads = [
        threading.Thread(target=courier.run, args=(stop,), name=f"outbox {courier.subscriber.name}", daemon=True)
        for courier in _couriers(app, only)
    ]
    count = len(threads)
    threads.append(threading.Thread(target=_watch_studies, args=(app, stop), name="gate", daemon=True))
    threads.append(threading.Thread(target=_keep_house, args=(app, stop), name="housekeeping", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _couriers(app: App, only: str | None) -> list[Courier]:
    connect = connector(app.config)
    chosen = [one for one in app.config.subscribers if only in (None, one.name)]
    if only is not None and not chosen:
        raise click.UsageError(f"no subscriber is called {only} in the configuration")
    return [Courier(app.store, app.outbox, one, connect) for one in chosen]


def _work(app: App, only: str | None) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with sending(app, only) as count:
        click.echo(f"telling {count} subscriber{'' if count == 1 else 's'}")
        stop.wait()
        click.echo("stopping: finishing what is being sent")


def _keep_house(app: App, stop: threading.Event) -> None:
    """The daily work, while whoever sends runs."""
    while not stop.is_set():
        try:
            app.outbox.forget()
            app.sampler.draw_due(OPERATOR)
            # A feed may run beside it: between handfuls of records others come to their turn.
            app.source_cards.look_due(OPERATOR, lambda: not stop.wait(_BREATH_SECONDS))
            app.upkeep.run()
        except MpiError as error:
            _log.warning("housekeeping comes later", extra={"facts": {"reason": str(error)}})
        stop.wait(_HOUSEKEEPING_SECONDS)


def _watch_studies(app: App, stop: threading.Event) -> None:
    """Look at attached studies again right after the index has changed, and end the overrides whose time is over."""
    while not stop.is_set():
        try:
            _look_at_studies(app, stop)
        except MpiError as error:
            _log.warning("studies are looked at again later", extra={"facts": {"reason": str(error)}})
        except Exception:
            _log.exception("studies could not be looked at again")
        stop.wait(_STUDY_SECONDS)


def _look_at_studies(app: App, stop: threading.Event) -> None:
    while app.rechecks.step() and not stop.is_set():
        pass
    while app.overrides.expire() and not stop.is_set():
        pass


def _once(app: App, only: str | None, as_json: bool) -> None:
    """Each subscriber in turn until nothing moves. What waits for a pause or for another worker is left over."""
    _look_at_studies(app, threading.Event())
    app.outbox.enrol()
    for courier in _couriers(app, only):
        while courier.step():
            time.sleep(0)
        courier.release()
    _list(app, only, as_json)
    if any(one.waiting or one.behind for one in _chosen(app, only) if one.configured):
        sys.exit(LEFT_OVER_EXIT_CODE)


def _chosen(app: App, only: str | None) -> list[Delivery]:
    return [one for one in app.outbox.deliveries() if only in (None, one.name)]


def _list(app: App, only: str | None, as_json: bool) -> None:
    found = _chosen(app, only)
    given_up = app.outbox.given_up(only)
    if as_json:
        echo_json({"subscribers": [asdict(one) for one in found], "given_up": [_facts(one) for one in given_up]})
        return
    if not found:
        click.echo("no subscribers are configured")
    for one in found:
        click.echo(_line(one))
    for facts in (_facts(one) for one in given_up):
        click.echo(
            f"{facts['id']:>8}  {facts['created_at'][:19]}  {facts['subscriber']:<16} person {facts['person']} "
            f" {facts['control_id']}  given up: {facts['problem']} (attempts: {facts['attempts']})"
        )
    if given_up:
        click.echo(f"{len(given_up)} given up; send one again by its number: mpi work --retry {given_up[0].id}")


def _line(one: Delivery) -> str:
    behind = f", {one.behind} changes not looked at" if one.behind else ""
    oldest = f", oldest {one.oldest_seconds:.0f} s" if one.waiting or one.behind else ""
    problem = f"; {one.problem} ({one.failures} times)" if one.problem else ""
    configured = "" if one.configured else " (not configured any more)"
    return (
        f"{one.name}{configured}: {one.waiting} waiting{behind}{oldest}, {one.given_up} given up, "
        f"sent by {one.sent_by or 'nobody'}{problem}"
    )


def _facts(one: StoredNotification) -> dict[str, Any]:
    """A notification without what it says."""
    shown = ("id", "subscriber", "control_id", "attempts", "problem", "created_at")
    return {**{name: getattr(one, name) for name in shown}, "person": one.person_id}


def _retry(app: App, ids: tuple[int, ...], only: str | None, as_json: bool) -> None:
    chosen = list(ids) or [one.id for one in app.outbox.given_up(only)]
    again = [one for one in chosen if app.outbox.retry(OPERATOR, one)]
    if as_json:
        echo_json({"again": again, "overtaken": [one for one in chosen if one not in again]})
        return
    click.echo(f"{len(again)} will be sent again, {len(chosen) - len(again)} are overtaken by later ones")
