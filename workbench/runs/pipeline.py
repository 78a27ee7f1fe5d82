"""The pipeline file: which notebooks there are, in what order, and at what sizes.

    root: ..                      # the project; without it the nearest folder above this file that
                                  # holds pyproject.toml or .git, else this file's own folder
    data: data/{profile}          # where the stages keep their products, relative to the root
    default_profile: demo
    footage: {profile: own, param: make_footage.source_dir}    # what `--footage DIR` means
    stages:
      make_footage:
        notebook: 00_make_footage.ipynb                        # relative to this file
        title: What footage do we have?
        params: {footage_dir: "{data}/footage"}
        reads: ["{source_dir}"]
        products: ["{footage_dir}", "{run}/metrics.json"]
      label_clips:
        notebook: 20_label_clips.ipynb
        needs: [make_footage]
        params: {footage_dir: "{data}/footage", labels_dir: "{data}/labels"}
        reads: ["{footage_dir}", "{corrections_file}"]
        products: ["{labels_dir}", "{dataset_dir}?"]
    profiles:
      demo: {}
      ci:  {about: small, params: {make_footage: {sessions: 6}}}
      own: {stages: [make_footage, label_clips], params: {label_clips: {truth: false}}}

Placeholders become absolute paths: `{data}`, `{run}` (the run's own folder), `{root}`, `{labels}`
(the label database; None where WORKBENCH_DB names a server, whose address may hold a password and
stays in the environment); `{profile}` is the profile's name. A value `$NAME` is the environment's
NAME, or None. `reads` are files or folders whose content is part of the stage's key, `products`
those that a run must leave. Both name them by the stage's parameters, `{footage_dir}`: every path a
stage takes stands in one of them. An entry whose parameter is None, empty or the address of a
server is dropped; one that ends in `?` may be absent. Without `reads`, a stage reads what the
stages it needs produce outside `{run}`. A stage that says what it means (`absent`) is left out of a
run of the whole profile while something it reads is absent; where another stage may make that, the
answer waits until that one has run. Relative paths count from the root, on
the command line from where one stands. A profile without `stages` has them all; its value for a
parameter goes before the stage's.

A pipeline knows nothing about which stage must run again: `provenance` and `runner` do.
"""

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from workbench.errors import PipelineError
from workbench.runs.parameters import check_known, did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

BESIDE_PACKAGE = Path(__file__).resolve().parents[2]
PLACEHOLDERS = ("data", "run", "root", "profile", "labels")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
# Names become folder names and parts of command lines.
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
_Params = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
_NOT_IN_FILE = "(set when the file is read)"  # alias of a field that is no key of the file
_FAULTS = {  # pydantic's type of error → problem, remedy
    "string_type": ("{!r} is not text", "put it in quotes"),
    "path_type": ("{!r} is not text", "put it in quotes"),
    "invalid_key": ("{!r} is not text", "put it in quotes"),
    "tuple_type": ("{!r} is not a list", "write it as [a, b]"),
    "dict_type": ("is not a mapping", "write it as `key: value` lines"),
    "model_type": ("is not a mapping", "write it as `key: value` lines"),
    "string_pattern_mismatch": (
        "{!r} cannot be a name",
        "use letters, digits, - and _, beginning with a letter",
    ),
}


class _Entry(BaseModel):
    """A mapping of the file; a key without a value counts as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, content: Any) -> Any:
        if isinstance(content, dict):
            return {key: value for key, value in content.items() if value is not None}
        return {} if content is None else content


class Stage(_Entry):
    """A notebook with its place in the pipeline. Paths are templates, as written."""

    name: str = Field("", validation_alias=_NOT_IN_FILE)
    notebook: Path
    title: str = ""
    needs: tuple[str, ...] = ()
    params: _Params = {}
    reads: tuple[str, ...] | None = None  # None: what the stages it needs produce
    products: tuple[str, ...] = ()
    gpus: float = Field(0, ge=0)  # what it takes of a cluster that has some
    absent: str = ""  # why it is left out where a thing it reads is absent that no stage makes


class Profile(_Entry):
    """A size or kind of run: which stages, with which parameters."""

    name: str = Field("", validation_alias=_NOT_IN_FILE)
    about: str = ""
    stages: tuple[str, ...] | None = None  # None: all
    params: dict[str, _Params] = {}


class FootageInput(_Entry):
    """What `--footage DIR` stands for: a profile, and the parameter that takes the folder."""

    profile: str
    param: str

    @property
    def target(self) -> tuple[str, str]:
        """The stage and its parameter."""
        stage, _, parameter = self.param.partition(".")
        return stage, parameter


class Pipeline(_Entry):
    """A checked pipeline file."""

    path: Path = Field(Path(), validation_alias=_NOT_IN_FILE)
    root: Path = Path()
    data: str = "data/{profile}"
    default_profile: str = ""
    stages: dict[_Name, Stage]  # in an order in which they can run
    profiles: dict[_Name, Profile]
    footage: FootageInput | None = None

    def profile(self, name: str | None) -> Profile:
        """Return a profile by name, the default one for None.

        Raises:
            PipelineError: If there is none of that name.
        """
        name = name or self.default_profile
        check_known([name], self.profiles, f"{self.path.name} has no profile")
        return self.profiles[name]

    def profile_with(self, stage: str) -> Profile:
        """Return the default profile, or the first with the stage where that one lacks it."""
        every = [self.profile(None), *self.profiles.values()]
        having = (one for one in every if one.stages is None or stage in one.stages)
        return next(having, every[0])

    def stages_of(self, profile: Profile) -> list[Stage]:
        """Return the stages of a profile, in an order in which they can run."""
        names = self.stages if profile.stages is None else profile.stages
        return [stage for stage in self.stages.values() if stage.name in names]

    def select(self, names: Iterable[str], profile: Profile) -> list[Stage]:
        """Return the named stages and all that they need; every stage of the profile for none.

        Raises:
            PipelineError: If a name is unknown or its stage is not part of the profile.
        """
        available = {stage.name: stage for stage in self.stages_of(profile)}
        wanted = list(names) or list(available)
        check_known(wanted, self.stages, f"{self.path.name} has no stage")
        chosen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name not in available:
                raise PipelineError(
                    f"profile {profile.name!r} does not include the stage {name!r}",
                    f"its stages are {', '.join(available)}",
                )
            chosen.add(name)
            # A profile may leave out a stage that others need: its products are then taken as
            # they are.
            needs = available[name].needs
            wanted += [need for need in needs if need in available and need not in chosen]
        return [stage for name, stage in available.items() if name in chosen]


def find_pipeline(folder: Path) -> Path:
    """Return `notebooks/pipeline.yaml` below `folder`, else the one beside the package.

    Raises:
        PipelineError: If there is neither.
    """
    for base in (folder, BESIDE_PACKAGE):
        path = base / "notebooks" / "pipeline.yaml"
        if path.is_file():
            return path
    raise PipelineError("there is no notebooks/pipeline.yaml here", "name a file with --pipeline")


def load_pipeline(path: Path) -> Pipeline:
    """Read and check a pipeline file.

    Raises:
        PipelineError: Naming the file, the stage or profile, and the key that is wrong.
    """
    path = path.resolve()
    try:
        read = Pipeline.model_validate(_load_yaml(path))
    except ValidationError as error:
        raise _explain(error.errors()[0], path.name) from None
    for key in ("stages", "profiles"):
        if not getattr(read, key):
            raise PipelineError(f"{path.name} has no {key}", f"add at least one under `{key}:`")
    stages = {
        name: stage.model_copy(update={"name": name, "notebook": path.parent / stage.notebook})
        for name, stage in read.stages.items()
    }
    found = {
        "path": path,
        "root": _find_root(path, read.root if "root" in read.model_fields_set else None),
        "default_profile": read.default_profile or next(iter(read.profiles)),
        "stages": stages,
        "profiles": {
            name: profile.model_copy(update={"name": name})
            for name, profile in read.profiles.items()
        },
    }
    pipeline = read.model_copy(update=found)
    _check_stages(pipeline)
    _check_profiles(pipeline)
    return pipeline.model_copy(update={"stages": _in_order(stages, path.name)})


def expand(value: Any, names: Mapping[str, str]) -> Any:
    """Replace `{name}` in every string of a value; names that are not given stay as they are.

    Example:
        >>> expand(["{data}/clips", 3], {"data": "/work/data"})
        ['/work/data/clips', 3]
    """
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [expand(item, names) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, names) for key, item in value.items()}
    return value


def placeholders(value: Any) -> set[str]:
    """Return the names in braces in all strings of a value."""
    if isinstance(value, str):
        return set(_PLACEHOLDER.findall(value))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for item in items for name in placeholders(item)}


def _check_placeholders(value: Any, known: Iterable[str], place: str) -> None:
    check_known(sorted(placeholders(value)), known, f"{place}: unknown placeholder")


def _explain(fault: "ErrorDetails", file: str) -> PipelineError:
    """Return the error for what pydantic found: file, place in it, problem, remedy."""
    kind, place = fault["type"], [part for part in fault["loc"] if part != "[key]"]
    key = place.pop() if kind in ("extra_forbidden", "missing") else None
    if kind == "missing":
        problem, remedy = f"has no {key}", f"add `{key}:`"
    elif kind == "extra_forbidden":
        entries: dict[str, type[_Entry]] = {
            "stages": Stage,
            "profiles": Profile,
            "footage": FootageInput,
        }
        fields = (entries[str(place[0])] if place else Pipeline).model_fields
        known = [name for name, field in fields.items() if field.validation_alias is None]
        problem, remedy = f"unknown key {key!r}", did_you_mean(str(key), known)
    elif kind in _FAULTS:
        problem, remedy = _FAULTS[kind]
        problem = problem.format(fault["input"])
    else:
        problem, remedy = fault["msg"], "correct it"
    if len(place) > 1 and place[0] in ("stages", "profiles"):
        place[:2] = [f"{str(place[0])[:-1]} {place[1]}"]
    where = ", ".join(map(str, place)) or "the file"
    return PipelineError(f"{file}, {where}: {problem}", remedy)


def _check_stages(pipeline: Pipeline) -> None:
    for stage in pipeline.stages.values():
        place = f"{pipeline.path.name}, stage {stage.name}"
        if not stage.notebook.is_file():
            siblings = [file.name for file in stage.notebook.parent.glob("*.ipynb")]
            remedy = did_you_mean(stage.notebook.name, siblings)
            raise PipelineError(f"{place}: notebook {stage.notebook.name} does not exist", remedy)
        _check_placeholders(stage.params, PLACEHOLDERS, f"{place}, params")
        check_known(stage.needs, pipeline.stages, f"{place}: needs the unknown stage")


def _check_profiles(pipeline: Pipeline) -> None:
    """Check what the file says outside its stages."""
    file, stages, profiles = pipeline.path.name, pipeline.stages, pipeline.profiles
    for profile in profiles.values():
        place = f"{file}, profile {profile.name}"
        check_known([*(profile.stages or ()), *profile.params], stages, f"{place}: unknown stage")
        for stage, params in profile.params.items():
            _check_placeholders(params, PLACEHOLDERS, f"{place}, params of {stage}")
    default = pipeline.default_profile
    check_known([default], profiles, f"{file}, default_profile is the unknown profile")
    _check_placeholders(pipeline.data, ("root", "profile"), f"{file}, data")
    if pipeline.footage is not None:
        place = f"{file}, footage"
        check_known([pipeline.footage.profile], profiles, f"{place}: unknown profile")
        stage, parameter = pipeline.footage.target
        check_known([stage], stages, f"{place}, param: unknown stage")
        if not parameter:
            problem = f"{place}, param: has no parameter"
            raise PipelineError(problem, "write it as STAGE.PARAMETER")


def _in_order(stages: Mapping[str, Stage], file: str) -> dict[str, Stage]:
    """Sort so that every stage comes after what it needs, else in the order of the file."""
    try:
        TopologicalSorter({name: stage.needs for name, stage in stages.items()}).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise PipelineError(f"{file}: the stages need each other ({circle})", "cut one") from None
    found: dict[str, Stage] = {}

    def add(name: str) -> None:
        if name not in found:
            for need in stages[name].needs:
                add(need)
            found[name] = stages[name]

    for name in stages:
        add(name)
    return found


def _find_root(path: Path, given: Path | None) -> Path:
    if given is not None:
        root = (path.parent / given).resolve()
        if not root.is_dir():
            problem = f"{path.name}, root: {given} is not a folder"
            raise PipelineError(problem, "give one relative to the file")
        return root
    for folder in path.parents:
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return path.parent


class _StrictLoader(yaml.SafeLoader):
    """YAML with the scalars people expect: `1e-3` is a number, `no` is a word, keys are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} is there twice")
            seen.append(key)
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML reads, takes `no` and `on` for booleans and `1e-3` for text; 1.2 does not.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$"),
    list("-+0123456789."),
)


def _load_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except FileNotFoundError:
        raise PipelineError(f"{path} does not exist", "check --pipeline") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        reason = " ".join(str(error).split())
        raise PipelineError(f"{path.name} is not YAML ({reason})", "correct that line") from None
    except RecursionError:
        raise PipelineError(f"{path.name} is nested too deep", "write it flatter") from None
