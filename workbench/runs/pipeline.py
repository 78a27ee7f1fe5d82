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
        products: ["{data}/footage/clips.json", "{run}/metrics.json"]
      label_clips:
        notebook: 20_label_clips.ipynb
        needs: [make_footage]
        products: ["{data}/labels"]
    profiles:
      demo: {}
      ci:  {about: small, params: {make_footage: {sessions: 6}}}
      own: {stages: [make_footage, label_clips], params: {label_clips: {truth: false}}}

Placeholders become absolute paths: `{data}`, `{run}` (the run's own folder), `{root}`; `{profile}`
is the profile's name. In `reads` and `products` a stage's parameter may be used as well; an entry
whose parameter is None or empty is dropped. `reads` are files or folders whose content is part of
the stage's key; without it, a stage reads what the stages it needs produce outside `{run}`. A
profile without `stages` has them all. A profile's value for a parameter goes before the stage's.

A pipeline knows nothing about which stage must run again: `provenance` and `runner` do.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from workbench.errors import PipelineError
from workbench.runs.parameters import did_you_mean

PLACEHOLDERS = ("data", "run", "root", "profile")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Stage:
    """A notebook with its place in the pipeline. Paths are templates, as written."""

    name: str
    notebook: Path
    title: str = ""
    needs: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] | None = None  # None: what the stages it needs produce
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """A size or kind of run: which stages, with which parameters."""

    name: str
    about: str = ""
    stages: tuple[str, ...] | None = None  # None: all
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class FootageInput:
    """What `--footage DIR` stands for: a profile, and the parameter that takes the folder."""

    profile: str
    stage: str
    parameter: str


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline file."""

    path: Path
    root: Path
    data: str
    default_profile: str
    stages: Mapping[str, Stage]  # in an order in which they can run
    profiles: Mapping[str, Profile]
    footage: FootageInput | None = None

    def profile(self, name: str | None) -> Profile:
        """Return a profile by name, the default one for None.

        Raises:
            PipelineError: If there is none of that name.
        """
        name = name or self.default_profile
        if name not in self.profiles:
            remedy = did_you_mean(name, self.profiles)
            raise PipelineError(f"{self.path.name} has no profile {name!r}", remedy)
        return self.profiles[name]

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
        chosen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name not in self.stages:
                remedy = did_you_mean(name, self.stages)
                raise PipelineError(f"{self.path.name} has no stage {name!r}", remedy)
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
    beside_package = Path(__file__).resolve().parents[2]
    for base in (folder, beside_package):
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
    reader = _Reader(path.name)
    content = reader.mapping(_load_yaml(path), "the file")
    known = ("root", "data", "default_profile", "footage", "stages", "profiles")
    reader.only(content, known, "the file")
    for key in ("stages", "profiles"):
        if not content.get(key):
            raise PipelineError(f"{path.name} has no {key}", f"add at least one under `{key}:`")

    stages = {
        name: _read_stage(reader, name, entry, path.parent)
        for name, entry in reader.mapping(content["stages"], "stages").items()
    }
    for stage in stages.values():
        for need in stage.needs:
            reader.one_of(need, stages, f"stage {stage.name}: needs the unknown stage")
    profiles = {
        name: _read_profile(reader, name, entry, stages)
        for name, entry in reader.mapping(content["profiles"], "profiles").items()
    }
    default = reader.text(content.get("default_profile", next(iter(profiles))), "default_profile")
    reader.one_of(default, profiles, "default_profile is the unknown profile")
    data = reader.text(content.get("data", "data/{profile}"), "data")
    reader.placeholders([data], ("root", "profile"), "data")
    return Pipeline(
        path=path,
        root=_find_root(path, reader, content.get("root")),
        data=data,
        default_profile=default,
        stages=_in_order(stages, path.name),
        profiles=profiles,
        footage=_read_footage(reader, content.get("footage"), stages, profiles),
    )


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


@dataclass(frozen=True)
class _Reader:
    """Typed look-ups whose errors name the file and the place in it."""

    file: str

    def wrong(self, place: str, problem: str, remedy: str) -> PipelineError:
        return PipelineError(f"{self.file}, {place}: {problem}", remedy)

    def mapping(self, value: Any, place: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(place, "is not a mapping", "write it as `key: value` lines")
        for key in value:
            if not isinstance(key, str):
                raise self.wrong(place, f"the key {key!r} is not text", "put it in quotes")
        return value

    def only(self, value: Mapping[str, Any], known: Iterable[str], place: str) -> None:
        names = list(known)
        for key in value:
            if key not in names:
                raise self.wrong(place, f"unknown key {key!r}", did_you_mean(key, names))

    def text(self, value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(place, f"{value!r} is not text", "put it in quotes")
        return value

    def texts(self, value: Any, place: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong(place, f"{value!r} is not a list", "write it as [a, b]")
        return tuple(self.text(item, place) for item in value)

    def name(self, value: str, place: str) -> str:
        # Names become folder names and parts of command lines.
        if not _NAME.fullmatch(value):
            remedy = "use letters, digits, - and _, beginning with a letter"
            raise self.wrong(place, f"{value!r} cannot be a name", remedy)
        return value

    def one_of(self, name: str, known: Iterable[str], problem: str) -> None:
        names = list(known)
        if name not in names:
            raise PipelineError(f"{self.file}, {problem} {name!r}", did_you_mean(name, names))

    def placeholders(self, value: Any, known: Iterable[str], place: str) -> None:
        names = list(known)
        for name in sorted(placeholders(value)):
            if name not in names:
                raise self.wrong(
                    place, f"unknown placeholder {{{name}}}", did_you_mean(name, names)
                )


def _read_stage(reader: _Reader, name: str, entry: Any, folder: Path) -> Stage:
    place = f"stage {reader.name(name, 'stages')}"
    entry = reader.mapping(entry, place)
    reader.only(entry, ("notebook", "title", "needs", "params", "reads", "products"), place)
    if "notebook" not in entry:
        raise reader.wrong(place, "has no notebook", "add `notebook: FILE.ipynb`")
    notebook = folder / reader.text(entry["notebook"], f"{place}, notebook")
    if not notebook.is_file():
        siblings = [file.name for file in folder.glob("*.ipynb")]
        remedy = did_you_mean(notebook.name, siblings)
        raise reader.wrong(place, f"notebook {entry['notebook']} does not exist", remedy)
    params = reader.mapping(entry.get("params"), f"{place}, params")
    reader.placeholders(list(params.values()), PLACEHOLDERS, f"{place}, params")
    reads = entry.get("reads")
    return Stage(
        name=name,
        notebook=notebook,
        title=reader.text(entry.get("title", ""), f"{place}, title"),
        needs=reader.texts(entry.get("needs", []), f"{place}, needs"),
        params=params,
        reads=None if reads is None else reader.texts(reads, f"{place}, reads"),
        products=reader.texts(entry.get("products", []), f"{place}, products"),
    )


def _read_profile(reader: _Reader, name: str, entry: Any, stages: Mapping[str, Stage]) -> Profile:
    place = f"profile {reader.name(name, 'profiles')}"
    entry = reader.mapping(entry, place)
    reader.only(entry, ("about", "stages", "params"), place)
    listed = None
    if entry.get("stages") is not None:
        listed = reader.texts(entry["stages"], f"{place}, stages")
    params = reader.mapping(entry.get("params"), f"{place}, params")
    for stage in (*(listed or ()), *params):
        reader.one_of(stage, stages, f"{place}: unknown stage")
    for stage, values in params.items():
        inner = f"{place}, params of {stage}"
        reader.placeholders(list(reader.mapping(values, inner).values()), PLACEHOLDERS, inner)
    return Profile(
        name=name,
        about=reader.text(entry.get("about", ""), f"{place}, about"),
        stages=listed,
        params={stage: values or {} for stage, values in params.items()},
    )


def _read_footage(
    reader: _Reader, entry: Any, stages: Mapping[str, Stage], profiles: Mapping[str, Profile]
) -> FootageInput | None:
    if entry is None:
        return None
    entry = reader.mapping(entry, "footage")
    reader.only(entry, ("profile", "param"), "footage")
    profile = reader.text(entry.get("profile"), "footage, profile")
    reader.one_of(profile, profiles, "footage: unknown profile")
    stage, _, parameter = reader.text(entry.get("param"), "footage, param").partition(".")
    reader.one_of(stage, stages, "footage, param: unknown stage")
    if not parameter:
        raise reader.wrong("footage, param", "has no parameter", "write it as STAGE.PARAMETER")
    return FootageInput(profile, stage, parameter)


def _in_order(stages: Mapping[str, Stage], file: str) -> dict[str, Stage]:
    """Sort so that every stage comes after what it needs, else in the order of the file."""
    sorter = TopologicalSorter({name: stage.needs for name, stage in stages.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise PipelineError(f"{file}: the stages need each other ({circle})", "cut one") from None
    order = list(stages)
    ready: list[str] = []
    found: dict[str, Stage] = {}
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=order.index)
        name = ready.pop(0)
        found[name] = stages[name]
        sorter.done(name)
    return found


def _find_root(path: Path, reader: _Reader, given: Any) -> Path:
    if given is not None:
        root = (path.parent / reader.text(given, "root")).resolve()
        if not root.is_dir():
            raise reader.wrong("root", f"{given} is not a folder", "give one relative to the file")
        return root
    for folder in path.parents:
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return path.parent


class _StrictLoader(yaml.SafeLoader):
    """YAML with the scalars people expect: `1e-3` is a number, `no` is a word, keys are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} is there twice")
            seen.add(key)
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
