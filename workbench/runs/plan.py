"""The plan of a command: stages, parameters and paths, settled before anything runs.

A plan is a list of stages in running order, each with its checked parameters and with the paths it
reads and produces. Only `{run}`, the run's own folder, is still open: its name follows from the
key, which is made from all the rest. Making a plan starts nothing and writes nothing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import PipelineError
from workbench.labels import DATABASE_VARIABLE
from workbench.runs.parameters import Parameter, check_known, did_you_mean, read_parameters
from workbench.runs.pipeline import PLACEHOLDERS, Pipeline, Profile, Stage, expand, placeholders

Schema = Mapping[str, Parameter]  # the parameters of a notebook, by name
Source = Literal["default", "stage", "profile", "command"]
_TEMPLATED = ("stage", "profile")  # in whose values placeholders are replaced


@dataclass(frozen=True)
class PlannedStage:
    """A stage with its parameters and paths settled, but for `{run}`."""

    stage: Stage
    parameters: Schema
    values: Mapping[str, Any]  # of all parameters; those of the pipeline file may hold `{run}`
    sources: Mapping[str, Source]  # where each value comes from
    needs: tuple[str, ...]  # the planned stages that must be done before
    reads: tuple[Path, ...]
    products: tuple[str, ...]  # absolute, but for `{run}`
    optional: frozenset[str] = frozenset()  # reads and products that may be absent
    reads_label_server: bool = False

    def missing(self) -> list[Path]:
        """Return what it reads that is not there and should be."""
        return [read for read in self.reads if str(read) not in self.optional and not read.exists()]

    def values_in(self, run_dir: Path) -> dict[str, Any]:
        """Return the parameters for a run that keeps its files in `run_dir`."""
        names = {"run": str(run_dir)}
        return {
            name: expand(value, names) if self.sources[name] in _TEMPLATED else value
            for name, value in self.values.items()
        }

    def products_in(self, run_dir: Path) -> list[Path]:
        """Return the files and folders that a run in `run_dir` must leave."""
        return [Path(expand(product, {"run": str(run_dir)})) for product in self.products]


@dataclass(frozen=True)
class Plan:
    """The stages to look at, in an order in which they can run."""

    pipeline: Pipeline
    profile: Profile
    stages: Mapping[str, PlannedStage]
    named: frozenset[str]  # the stages asked for; the others are here because those need them
    left_out: Mapping[str, str]  # stages that cannot run yet, and why
    data: Path  # what `{data}` stands for


def make_plan(
    pipeline: Pipeline,
    names: Sequence[str] = (),
    profile: str | None = None,
    given: Iterable[str] = (),
    data: Path | None = None,
    footage: Path | None = None,
) -> Plan:
    """Settle which stages are asked for, and with what.

    Args:
        pipeline: The pipeline file, read.
        names: Stages to bring up to date, with all they need; none means all of the profile.
        profile: A profile's name; None for the default one.
        given: `name=value` for every named stage that has it, `stage.name=value` for one.
        data: What `{data}` stands for, instead of what the pipeline file says.
        footage: A folder of videos, given to the parameter that the pipeline file names for it.

    Raises:
        PipelineError: If anything is unknown or of the wrong type.
    """
    if footage is not None and profile is None and pipeline.footage is not None:
        profile = pipeline.footage.profile
    chosen = pipeline.profile(profile)
    stages = pipeline.select(names, chosen)
    places = _places(pipeline, chosen, data)

    schemas = {stage.name: read_parameters(stage.notebook) for stage in stages}
    named = [stage.name for stage in stages if not names or stage.name in names]
    if footage is not None:
        given = [*given, _footage_as_given(pipeline, schemas, footage)]
    overrides = _parse_given(given, schemas, named)

    planned: dict[str, PlannedStage] = {}
    for stage in stages:
        values, sources = _values(pipeline, stage, schemas[stage.name], chosen, places)
        values |= overrides[stage.name]
        sources |= dict.fromkeys(overrides[stage.name], "command")
        _make_absolute(values, sources, stage, pipeline.root)
        planned[stage.name] = _settle(stage, schemas[stage.name], values, sources, places, planned)
    left_out = {} if names else _without_inputs(planned)
    staying = {name: one for name, one in planned.items() if name not in left_out}
    asked = frozenset(named) & staying.keys()
    return Plan(pipeline, chosen, staying, asked, left_out, Path(places["data"]))


def _places(pipeline: Pipeline, profile: Profile, data: Path | None) -> dict[str, str]:
    places = {"root": str(pipeline.root), "profile": profile.name}
    data_dir = (data or pipeline.root / expand(pipeline.data, places)).absolute()
    labels = os.environ.get(DATABASE_VARIABLE, "").removeprefix("sqlite:///")
    if "://" not in labels:
        labels = str(Path(labels).absolute() if labels else pipeline.root / "data/labels.sqlite")
    return {**places, "data": str(data_dir), "labels": labels}


def _parse_given(
    given: Iterable[str], schemas: Mapping[str, Schema], named: Sequence[str]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {name: {} for name in schemas}
    for text in given:
        target, equals, value = text.partition("=")
        if not equals:
            raise PipelineError(f"-p {text} has no value", "write it as -p name=value")
        stage_name, dot, name = target.rpartition(".")
        if dot:
            check_known([stage_name], schemas, f"-p {text}: this run has no stage")
            check_known([name], schemas[stage_name], f"-p {text}: {stage_name} has no parameter")
        takers = [stage_name] if dot else [stage for stage in named if name in schemas[stage]]
        if not takers:
            raise _nobody_has(name, text, schemas, named)
        for taker in takers:
            found[taker][name] = schemas[taker][name].parse(value, f"-p {text}")
    return found


def _nobody_has(
    name: str, text: str, schemas: Mapping[str, Schema], named: Sequence[str]
) -> PipelineError:
    elsewhere = [stage for stage in schemas if name in schemas[stage]]
    if elsewhere:
        remedy = f"did you mean {elsewhere[0]}.{name}?"
    else:
        remedy = did_you_mean(name, [known for stage in named for known in schemas[stage]])
    return PipelineError(f"-p {text}: no chosen stage has the parameter {name!r}", remedy)


def _footage_as_given(pipeline: Pipeline, stages: Iterable[str], footage: Path) -> str:
    """Return `stage.name=value` for the parameter that takes footage."""
    if pipeline.footage is None:
        raise PipelineError(
            f"{pipeline.path.name} does not say which parameter takes footage",
            "add `footage: {profile: NAME, param: STAGE.PARAMETER}` to it",
        )
    if not footage.is_dir():
        problem = "is not a folder" if footage.exists() else "does not exist"
        raise PipelineError(f"--footage {footage} {problem}", "give a folder of videos")
    stage, _ = pipeline.footage.target
    if stage not in stages:
        raise PipelineError(
            f"--footage goes to the stage {stage}, which is not part of this run",
            f"add {stage} to the stages",
        )
    return f"{pipeline.footage.param}={footage.resolve()}"


def _values(
    pipeline: Pipeline, stage: Stage, schema: Schema, profile: Profile, places: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Source]]:
    """Return the notebook's defaults overlaid by the stage's and the profile's values.

    Beside them, where each comes from.
    """
    values = {name: parameter.default for name, parameter in schema.items()}
    sources: dict[str, Source] = dict.fromkeys(schema, "default")
    own, file = profile.params.get(stage.name, {}), pipeline.path.name
    layers: tuple[tuple[Source, Mapping[str, Any], str], ...] = (
        ("stage", stage.params, f"{file}, stage {stage.name}"),
        ("profile", own, f"{file}, profile {profile.name}, {stage.name}"),
    )
    for source, layer, where in layers:
        check_known(layer, schema, f"{where} has no parameter")
        for name, value in layer.items():
            if isinstance(value, str) and value.startswith("$"):
                values[name] = os.environ.get(value[1:]) or None
            elif value == "{labels}" and "://" in places["labels"]:
                values[name] = None
            else:
                values[name] = expand(schema[name].check(value, where), places)
            sources[name] = source
    return values, sources


def _settle(
    stage: Stage,
    schema: Schema,
    values: Mapping[str, Any],
    sources: Mapping[str, Source],
    places: Mapping[str, str],
    before: Mapping[str, PlannedStage],
) -> PlannedStage:
    needs = tuple(need for need in stage.needs if need in before)
    products = _paths(stage, "products", stage.products, values, places)
    if stage.reads is None:
        upstream = (before[need] for need in needs)
        reads = {
            product: product in one.optional
            for one in upstream
            for product in one.products
            if "run" not in placeholders(product)
        }
    else:
        reads = _paths(stage, "reads", stage.reads, values, places)
    optional = frozenset(path for path, may in [*reads.items(), *products.items()] if may)
    paths = tuple(map(Path, reads)), tuple(products), optional
    asks = "://" in places["labels"] and any(
        values[name] is None and stage.params.get(name) == "{labels}"
        for template in stage.reads or ()
        for name in placeholders(template) & values.keys()
    )
    return PlannedStage(stage, schema, values, sources, needs, *paths, reads_label_server=asks)


def _make_absolute(
    values: dict[str, Any], sources: Mapping[str, Source], stage: Stage, root: Path
) -> None:
    """Make paths absolute, in place: a notebook runs elsewhere than where they count from.

    A path that may be absent and is absent stays as it is: it can be a word, such as `pretrained`.
    """
    bases = {"command": Path.cwd(), "default": stage.notebook.parent}
    templates = (*(stage.reads or ()), *stage.products)
    for template in templates:
        for name in placeholders(template) & values.keys():
            value = values[name]
            if not isinstance(value, str) or not value or "://" in value or "{run}" in value:
                continue
            path = bases.get(sources[name], root) / value
            if path.exists() or not template.endswith("}?"):
                values[name] = os.path.normpath(path)


def _paths(
    stage: Stage,
    key: str,
    templates: Iterable[str],
    values: Mapping[str, Any],
    places: Mapping[str, str],
) -> dict[str, bool]:
    """Return the paths that templates stand for, and whether each may be absent."""
    found: dict[str, bool] = {}
    for template in templates:
        used = placeholders(template)
        for name in sorted(used):
            if name not in values and name not in PLACEHOLDERS:
                remedy = did_you_mean(name, [*PLACEHOLDERS, *values])
                raise PipelineError(f"stage {stage.name}, {key}: unknown {{{name}}}", remedy)
        parameters = {name: values[name] for name in used if name not in PLACEHOLDERS}
        if any(value in (None, "") or "://" in str(value) for value in parameters.values()):
            continue
        names = {**{name: str(v) for name, v in parameters.items()}, **places}
        path = expand(template.removesuffix("?"), names)
        if key == "reads" and "run" in placeholders(path):
            remedy = "read only what lies there before the run"
            raise PipelineError(f"stage {stage.name}, reads: {{run}} is the run's own", remedy)
        # Joining keeps an absolute path as it is; `{run}` will be absolute.
        path = path if path.startswith("{run}") else str(Path(places["root"]) / path)
        found[path] = found.get(path, True) and template.endswith("?")
    return found


def _without_inputs(planned: Mapping[str, PlannedStage]) -> dict[str, str]:
    """Return the stages that say what it means that something they read is absent."""
    return {
        name: one.stage.absent
        for name, one in planned.items()
        if one.stage.absent and _unmade(one, planned)
    }


def _unmade(planned: PlannedStage, stages: Mapping[str, PlannedStage]) -> list[Path]:
    """Return what a stage reads that is absent and that no stage makes."""
    made = [Path(p) for one in stages.values() for p in one.products if "{run}" not in p]
    return [
        read
        for read in planned.missing()
        if not any(p == read or read in p.parents or p in read.parents for p in made)
    ]


def check_reads(plan: Plan) -> None:
    """Refuse a plan in which a stage reads something that is absent and that no stage makes.

    Raises:
        PipelineError: Naming the stage and the path.
    """
    for name, planned in plan.stages.items():
        for read in _unmade(planned, plan.stages):
            raise PipelineError(
                f"the stage {name} reads {read}, which does not exist",
                planned.stage.absent or "give an existing path, or add the stage that makes it",
            )
