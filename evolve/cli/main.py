"""The command ``evolve``: finds the file of a command, and turns every error into one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING

import click
import rich_click
from rich_click import RichGroup

from evolve import __version__
from evolve.cli.options import EXIT_CODES, closest
from evolve.errors import EvolveError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTIONS = {
    "Evolve": ("run", "resume"),
    "Look at runs": ("runs", "show", "report", "export", "wisdom"),
    "Does it compound?": ("loop", "verdict"),
    "Kernels and machine": ("kernels", "machine", "doctor", "bench", "compare"),
    "How good is the search?": ("record", "replay"),
    "First steps": ("demo",),
}
"""Commands under their headings, in the order of the help; each is ``command`` in the module of its name."""

_ELSEWHERE = "set EVOLVE_CACHE and EVOLVE_STORE to places that can be written"
_REMEDIES = {
    errno.ENOSPC: "free some space; nothing stored is lost, `evolve resume` goes on",
    errno.EDQUOT: "free some space; nothing stored is lost, `evolve resume` goes on",
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
}


class LazyGroup(RichGroup):
    """Imports a command's module when it is asked for: none of them imports numba or scipy before it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the help."""
        del ctx
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"evolve.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say what may have been meant: click knows only commands that are imported."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            meant = closest(name, self.list_commands(ctx))
            raise click.UsageError(f"no command {name!r}; {meant}" if meant else f"no command {name!r}", ctx)
        return super().resolve_command(ctx, args)


rich_click.rich_click.COMMAND_GROUPS = {
    "evolve": [{"name": title, "commands": list(names)} for title, names in SECTIONS.items()]
}


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    epilog=f"Example: evolve run matmul --size 512 --budget 2m\n\n{EXIT_CODES}",
)
@click.version_option(__version__, prog_name="evolve")
def cli() -> None:
    """Evolve numeric kernels on this CPU, prove them, and see how far the gains can go."""


def main() -> None:
    """The console script."""
    sys.exit(execute())


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, the process' own by default; returns the exit code."""
    # what is printed may hold what the terminal's encoding lacks; a question mark is better than a crash
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(args=arguments, prog_name="evolve", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as end:  # rich-click's own way out, after the help of a bare command
        return end.code if isinstance(end.code, int) else 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort, and it reports
        return reported(error)
    return code if isinstance(code, int) else 0


def reported(error: BaseException) -> int:
    """Say what is the matter in one line on stderr; returns the exit code."""
    if os.environ.get("EVOLVE_DEBUG"):
        traceback.print_exception(error)
    code, line = _told(error)
    click.echo(f"evolve: {line}", err=True)
    return code


def _told(error: BaseException) -> tuple[int, str]:
    """Exit code and line of an error."""
    if isinstance(error, EvolveError):
        return error.exit_code, str(error)
    if isinstance(error, click.ClickException):
        return error.exit_code, _told_by_click(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return 130, "stopped"
    return 1, _told_by_system(error)


def _told_by_click(error: click.ClickException) -> str:
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "evolve"
    return f"{error.format_message().rstrip('.')} (`{path} --help`)"


def _told_by_system(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}: {_REMEDIES[error.errno]}"
    if isinstance(error, MemoryError):
        return "out of memory: take a smaller --size"
    if isinstance(error, OSError) and str(error).startswith("AF_UNIX path"):
        # the kernel allows 107 bytes for a socket's path; the fork server makes one among temporary files
        return (
            f"the folder of temporary files has too long a path ({tempfile.gettempdir()}): set TMPDIR to a shorter one"
        )
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"unexpected {what}: a fault of evolve; EVOLVE_DEBUG=1 shows where"


def _closed_pipe() -> int:
    """The reader went away, as ``head`` does: no complaint, not even from the flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
