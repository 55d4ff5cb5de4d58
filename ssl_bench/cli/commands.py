"""All commands, and what is said of their errors."""

import re

import click
from click.core import ParameterSource

from ssl_bench import __version__
from ssl_bench.cli.advise import advise
from ssl_bench.cli.check import check
from ssl_bench.cli.compare import compare
from ssl_bench.cli.data.group import data
from ssl_bench.cli.export import export
from ssl_bench.cli.help import SectionedGroup, spelled
from ssl_bench.cli.leaderboard import leaderboard
from ssl_bench.cli.list import list_
from ssl_bench.cli.meant import MEANT
from ssl_bench.cli.merge import collect, merge
from ssl_bench.cli.new import new
from ssl_bench.cli.plan import plan
from ssl_bench.cli.predict import predict
from ssl_bench.cli.report import report
from ssl_bench.cli.run import run
from ssl_bench.cli.show import show
from ssl_bench.cli.start import INTERRUPTED
from ssl_bench.cli.status import status_
from ssl_bench.cli.tune import tune
from ssl_bench.errors import SslBenchError


@click.group(
    cls=SectionedGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "token_normalize_func": spelled,
    },
)
@click.version_option(__version__, prog_name="ssl-bench", message="%(prog)s %(version)s")
def cli() -> None:
    """Benchmark semi-supervised learning on pixel-wise tasks.

    \b
    ssl-bench run --tasks all --methods supervised,mt
    """


for command in (
    run,
    plan,
    tune,
    advise,
    status_,
    collect,
    merge,
    list_,
    leaderboard,
    report,
    show,
    compare,
    predict,
    export,
    data,
    check,
    new,
):
    cli.add_command(command)


def run_command() -> int:
    """Run what `sys.argv` asks for; its exit status, after one line for an error that a user can mend."""
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.NoSuchOption as error:
        return complain(_meant(error) or _as_ours(error.format_message()), error.exit_code)
    except click.ClickException as error:
        return complain(_where(error) + _as_ours(error.format_message()), error.exit_code)
    except SslBenchError as error:
        return complain(str(error), error.exit_status)
    except click.exceptions.Abort as error:
        # Click takes the end of a file for Ctrl-C.
        if isinstance(error.__cause__, EOFError):
            raise error.__cause__ from None
        return complain(INTERRUPTED, 130)
    except KeyboardInterrupt:
        return complain(INTERRUPTED, 130)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return complain(f"{place}{error.strerror or error}", 1)
    return status if isinstance(status, int) else 0


def _meant(error: click.NoSuchOption) -> str:
    """What other tools call by the name that was given, where the command has it; else nothing."""
    meant = MEANT.get(error.option_name.replace("_", "-"), "")
    known = [name for parameter in error.ctx.command.params for name in parameter.opts] if error.ctx else []
    if meant.partition(" ")[0] not in known:
        return ""
    return f"no such option: {error.option_name}; did you mean '{meant}'?"


def _where(error: click.ClickException) -> str:
    """`suite FILE: ` where that is what gives an option the value at fault."""
    if isinstance(error, click.BadParameter) and error.ctx and error.param:
        source = error.ctx.get_parameter_source(error.param.name or "")
        if source is ParameterSource.DEFAULT_MAP:
            return f"suite {error.ctx.params.get('suite')}: "
    return ""


def _as_ours(message: str) -> str:
    """Click's sentences in the form of our own messages."""
    message = re.sub(
        r"\. \(?Did you mean(?: one of:)? ([^)]*)\)?$", r"; did you mean \1", message
    ).removesuffix(".")
    return message[:1].lower() + message[1:]


def complain(message: str, status: int) -> int:
    """Say what is wrong, in one line; the exit status."""
    click.echo(f"ssl-bench: {' '.join(message.split())}", err=True)
    return status
