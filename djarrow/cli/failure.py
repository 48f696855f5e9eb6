"""How a command fails: an error of djarrow is one red message on standard error and exit code 1, with no traceback."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from djarrow.errors import DjarrowError


class CommandGroup(TyperGroup):
    """A group of commands whose errors are told so. Other exceptions are bugs and keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except DjarrowError as error:
            typer.secho(error.message, fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None
