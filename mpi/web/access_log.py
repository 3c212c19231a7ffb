"""One log line for each request: method, route, status and time; never a query, a body or a path as it was sent."""

import logging
import time

from flask import Flask, Response, g, request

_log = logging.getLogger(__name__)


def install_access_log(app: Flask) -> None:
    """Let `app` log each request under the name of this module."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def note(response: Response) -> Response:
        # The rule (`/persons/<enterprise_id>`), not the path: what does not match a rule may hold anything.
        facts = {
            "method": request.method if request.url_rule else "-",
            "route": request.url_rule.rule if request.url_rule else "-",
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
            "peer": request.remote_addr,
        }
        _log.info("request", extra={"facts": facts})
        return response
