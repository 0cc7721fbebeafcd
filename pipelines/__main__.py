"""The command line: `python -m pipelines COMMAND`."""

import logging
import shlex
import signal
import sys
from pathlib import Path

import click

from pipelines.quiet import start_tensorflow


class Kind(click.Group):
    """A group whose commands end a mistake in one line on standard error, without a traceback."""

    def invoke(self, context):
        """Runs a command; 1 is the exit code of a mistake, 130 that of Ctrl-C and 143 that of SIGTERM."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as stopped:  # a run that was asked to stop says where it is
            click.echo(f"{stopped}; the same command goes on from there", err=True)
            context.exit(128 + getattr(stopped, "signal", signal.SIGINT))
        except (ValueError, TypeError, OSError) as error:
            if context.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=Kind)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug):
    """Train, evaluate, register, export and serve vision models."""
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING, format="%(message)s", stream=sys.stderr)
    if "--help" not in sys.argv:
        start_tensorflow()


@main.command()
def demo():
    """The whole path once: handwritten digits from builder to endpoint."""
    from pipelines.demo import demo as run

    run()


@main.command("list")
@click.argument("pattern", default="*")
def list_(pattern):
    """Names of the models that match a pattern, and all recipes."""
    import cvapps
    from pipelines import recipe as recipes

    click.echo("models:  " + "  ".join(cvapps.list_models(pattern)))
    click.echo("recipes: " + "  ".join(recipes.names()))


def recipe_options(command):
    """RECIPE, --set and --quick, and the recipe that they make."""
    command = click.option("--quick", is_flag=True, help="The same path in about a minute.")(command)
    command = click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change one field.")(command)
    return click.argument("recipe")(command)


def changed_recipe(name, changes, quick):
    """The recipe by name with the command line's changes; --set wins over --quick."""
    from pipelines import recipe as recipes

    recipe = recipes.load(name)
    recipe = recipes.quick(recipe) if quick else recipe
    for change in changes:
        recipe = recipes.override(recipe, *recipes.assignment(change))
    return recipe


@main.command()
@recipe_options
def show(recipe, changes, quick):
    """The recipe as it will run."""
    from pipelines import recipe as recipes

    for name, value in recipes.flatten(changed_recipe(recipe, changes, quick)).items():
        click.echo(f"{name} = {value!r}")


@main.command()
@recipe_options
def train(recipe, changes, quick):
    """Train RECIPE, or go on where it stopped."""
    chosen = changed_recipe(recipe, changes, quick)
    from pipelines.train import train as run

    folder = run(recipe, chosen)
    if folder:
        click.echo(f"finished: {folder.path}; register it: python -m pipelines register {recipe}")
    else:
        click.echo("finished; the first worker has the run")


@main.command()
@recipe_options
@click.option("--vary", multiple=True, metavar="FIELD=RANGE", help="choice(A, B), uniform(0, 1), log(1e-3, 1), ...")
@click.option("--method", default="random", show_default=True, help="random, grid, evolution or tpe.")
@click.option("--trials", default=20, show_default=True, type=click.IntRange(1), help="Of a grid at most its points.")
@click.option("--objective", default="lowest val_loss", show_default=True, metavar="lowest|highest METRIC")
@click.option("--early-stop", default="median", show_default=True, help="median, halving or none.")
def sweep(recipe, changes, quick, vary, method, trials, objective, early_stop):
    """Search RECIPE's fields for the best values, or go on where the search stopped."""
    chosen = changed_recipe(recipe, changes, quick)
    from pipelines.sweep import read_sweep, run_sweep

    wanted = read_sweep(recipe, chosen, vary, method=method, objective=objective, early_stop=early_stop)
    best = run_sweep(wanted, trials)
    click.echo(f"{objective} {best.value:.6g}: trial {best.number} of {wanted.name}")
    found = [f"{field}={value}" for field, value in best.params.items()]
    words = [word for change in (*changes, *found) for word in ("--set", change)]
    click.echo(f"train it whole: {shlex.join(['python', '-m', 'pipelines', 'train', recipe, *words])}")


@main.command()
@recipe_options
@click.option("--begin", type=click.IntRange(1, 4), default=1, help="The step to begin with, where a try stopped.")
def alternate(recipe, changes, quick, begin):
    """Train RECIPE's Faster R-CNN in its paper's four steps."""
    chosen = changed_recipe(recipe, changes, quick)
    from pipelines.alternating import alternate as run

    folder = run(recipe, chosen, begin)
    click.echo(f"finished: {folder.path}; score it: python -m pipelines evaluate {folder.path.parent.name}")


@main.command()
@click.argument("recipe")
def evaluate(recipe):
    """Measure the newest finished run of RECIPE on its held-out pictures."""
    from pipelines.evaluate import evaluate as measure
    from pipelines.runs import latest_finished

    for name, value in measure(latest_finished(recipe)).items():
        click.echo(f"{name} {value:.4f}")


@main.command()
@click.argument("recipe")
@click.option("--alias", default="champion", show_default=True, help="The registry's name for this version.")
def register(recipe, alias):
    """Enter the newest finished run of RECIPE into the registry."""
    from pipelines.register import register as enter

    version = enter(recipe, alias)
    click.echo(f"models:/{recipe}@{alias} is version {version}")


@main.command()
@click.argument("uri")
@click.option("--base", type=click.Path(path_type=Path), help="Where versions lie.  [default: var/serving, var/onnx]")
@click.option("--format", "form", type=click.Choice(["saved_model", "onnx"]), default="saved_model", show_default=True)
def export(uri, base, form):
    """Write a registered model, like models:/NAME@champion, where the server finds it."""
    from pipelines.export import export, export_onnx
    from pipelines.home import home

    if form == "onnx":
        click.echo(export_onnx(uri, base or home("onnx")))
    else:
        click.echo(export(uri, base or home("serving")))


@main.command()
@click.option("--base", type=click.Path(path_type=Path), help="Where served versions lie.  [default: var/serving]")
@click.option("--rest-port", default=8501, show_default=True)
@click.option("--grpc-port", default=8500, show_default=True)
@click.option("--batching", is_flag=True, help="Join requests that come at the same time into one run.")
def serve(base, rest_port, grpc_port, batching):
    """Serve every exported model on loopback: a development server with TensorFlow Serving's interface."""
    from pipelines.home import home
    from pipelines.serving.batching import Batching
    from pipelines.serving.server import serve as run

    joined = Batching() if batching else None
    run(base or home("serving"), rest_port=rest_port, grpc_port=grpc_port, batching=joined)


@main.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--endpoint", default="http://127.0.0.1:8501", show_default=True, help="http:// or grpc:// address.")
@click.option("--out", type=click.Path(path_type=Path), help="Where answers that are pictures go.  [default: var/maps]")
def predict(model, images, endpoint, out):
    """Ask the endpoint what MODEL sees on IMAGES."""
    from pipelines.home import home
    from pipelines.predict import predict as ask

    sys.exit(ask(endpoint, model, images, out or home("maps", model)))


@main.command()
@click.argument("method")
@click.argument("model")
@click.option(
    "--photo",
    "photos",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture; several may be given.  [default: of a recipe's held-out pictures the first]",
)
@click.option("--class", "chosen_class", metavar="NAME_OR_NUMBER", help="The class that is meant.")
@click.option("--layer", help="The layer that is looked at.")
@click.option("--channel", type=int, help="The channel of that layer.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change one setting of the method.")
@click.option(
    "--count", default=4, show_default=True, type=click.IntRange(1), help="Held-out pictures without --photo."
)
def visualize(method, model, photos, chosen_class, layer, channel, changes, count):
    """See what MODEL, a recipe's newest finished run or a .keras file, sees by METHOD of cvapps.visualization."""
    from pipelines.visualize import visualize as draw

    click.echo(draw(method, model, photos, chosen_class, layer, channel, changes, count))


@main.group()
def data():
    """Look at data sets, and make batches of them for others."""


@data.command("show")
@recipe_options
def show_data(recipe, changes, quick):
    """Statistics and a contact sheet of a batch of RECIPE's data."""
    from pipelines.data.report import show
    from pipelines.home import home

    chosen = changed_recipe(recipe, changes, quick)
    show(chosen, home("data", recipe))


@data.command("serve")
@click.option("--port", default=5050, show_default=True, help="The dispatcher's; the workers take those after it.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0), help="On this machine.")
def serve_data(port, workers):
    """Make the batches of trainings with --set data.service=grpc://127.0.0.1:PORT in processes of their own."""
    from pipelines.data.service_processes import serve as run

    run(port, workers)


@data.command("work")
@click.argument("dispatcher", metavar="grpc://HOST:PORT")
@click.option("--host", default="127.0.0.1", show_default=True, help="The name by which others find this machine.")
@click.option("--port", default=5051, show_default=True)
def work_on_data(dispatcher, host, port):
    """Make batches for the dispatcher of `data serve`."""
    from pipelines.data.service_processes import work

    work(dispatcher, host, port)


@main.group()
def track():
    """The tracking server."""


@track.command()
def sync():
    """Send what could not be sent while the server was away."""
    from pipelines import sync

    click.echo(sync.sync())


if __name__ == "__main__":
    main(prog_name="python -m pipelines")
