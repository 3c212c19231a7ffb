"""The NHS font, for NHS bodies only: they may use it, and this project may not ship it."""

from pathlib import Path

from flask import Flask, Response, abort, send_from_directory

from mpi.config import Config

FONTS = ("FrutigerLTW01-55Roman.woff2", "FrutigerLTW01-65Bold.woff2")
"""Files of the licensed font; they lie in the folder `branding` beside the configuration file."""


def install(web: Flask, config: Config) -> None:
    """Serve the fonts. One that is not there is a 404, and pages show Arial."""
    folder = (config.path.parent if config.path else Path()).resolve() / "branding"

    @web.get("/branding/<name>")
    def font(name: str) -> Response:
        if name not in FONTS:
            abort(404)
        return send_from_directory(folder, name, mimetype="font/woff2", max_age=3600)
