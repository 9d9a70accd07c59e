"""The command line: its commands, and how each of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from dse.process import interrupt
from hw.isa.errors import BAD_INPUT, FAILURE
from polymap.api.refusals import describe
from polymap.commands import NAME, options
from polymap.commands.build_bitstream import build
from polymap.commands.check import check
from polymap.commands.compile import compile
from polymap.commands.disasm import disasm
from polymap.commands.doctor import doctor
from polymap.commands.elaborate import elaborate
from polymap.commands.explore import explore
from polymap.commands.package import package
from polymap.commands.pipeline import pipeline
from polymap.commands.run_program import run
from polymap.commands.simulate import simulate

INTERRUPTED = 130
_UsageError = cast(type[Exception], typer.BadParameter.__base__)  # typer gives it no public name


class Commands(TyperGroup):
    """Commands whose every error is one line on stderr and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except _UsageError as error:
            code = _refuse(error)
        except typer.Abort:
            code = INTERRUPTED
        except OSError as error:  # of help and the like, on a disk that is full
            typer.echo(f"{NAME}: {error.strerror or error}", err=True)
            code = FAILURE
        if standalone_mode:
            sys.exit(code)
        return code

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().make_context(*arguments, **options)
        except KeyboardInterrupt:  # of which typer would tell in words of its own
            raise typer.Exit(INTERRUPTED) from None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, _UsageError):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever reads the output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if interrupt.came():
                raise typer.Exit(INTERRUPTED) from None
            if ctx.params["debug"]:
                raise
            line, code = describe(error, ctx.invoked_subcommand)
            typer.echo(f"{ctx.info_name} {ctx.invoked_subcommand}: {line}", err=True)
            raise typer.Exit(code) from None


class OneCommand(TyperCommand):
    """A command whose help names the boards; importing them takes a while."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from boards.board import BOARDS

        for option in self.params:
            if isinstance(option, TyperOption) and option.help:
                option.help = option.help.replace(options.BOARDS, ", ".join(BOARDS))
        super().format_help(ctx, formatter)


app = typer.Typer(
    name=NAME,
    cls=Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {metadata.version(NAME)}")
        raise typer.Exit()


@app.callback()
def polymap(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print it and stop")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """A CNN overlay for FPGAs, and the exploration that maps networks onto it."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _command in (
    check,
    compile,
    elaborate,
    package,
    build,
    simulate,
    run,
    disasm,
    explore,
    pipeline,
    doctor,
):
    app.command(cls=OneCommand)(_command)


def _refuse(error: Any) -> int:
    """Tell of a usage error; ``error`` knows the command that it arose in, if any."""
    command = NAME if error.ctx is None else error.ctx.command_path
    text = " ".join(error.format_message().split()).rstrip(".")
    typer.echo(f"{command}: {text}; see `{command} --help`", err=True)
    return BAD_INPUT
