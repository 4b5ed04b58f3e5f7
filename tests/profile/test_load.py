"""Profiles as files on disk: what loads, and how every mistake is told."""

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.errors import UsageError
from deployer.profile import Profile, environments, load, read

ROOT = Path(__file__).parents[2]

BASE = """\
registry:
  url: registry.lab:5443
image:
  repository: web
release:
  name: web
"""
DEV = """\
target:
  context: dev
  namespace: dev
"""


def project(folder: Path, **files: str | bytes) -> Path:
    """A folder with these files under environments/."""
    (folder / "environments").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "environments" / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def loaded(folder: Path, dev: str = "", base: str = "", variables: Mapping[str, str] | None = None) -> Profile:
    """The dev profile, with more lines at the end of each file."""
    return load(project(folder, base=BASE + base, dev=DEV + dev), "dev", variables or {})


def refused(folder: Path, dev: str | bytes = DEV, base: str = BASE, **variables: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        load(project(folder, base=base, dev=dev), "dev", variables)
    return error.value


def test_an_environment_lies_over_the_base(tmp_path: Path) -> None:
    profile = loaded(
        tmp_path,
        dev="values:\n  replicas: 2\n  env: {LEVEL: debug}\n  args: [c]\n  gone: null\n",
        base="values:\n  env: {LEVEL: info, MODE: plain}\n  args: [a, b]\n  gone: here\n",
    )
    assert profile.target.namespace == "dev"
    assert profile.release.name == "web"
    assert profile.values == {"replicas": 2, "env": {"LEVEL": "debug", "MODE": "plain"}, "args": ["c"], "gone": None}


def test_null_brings_a_setting_back_to_its_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, dev="tools: null\n", base="tools:\n  helm: helm3\n").tools.helm == "helm"


def test_no_base_is_needed(tmp_path: Path) -> None:
    assert load(project(tmp_path, solo=BASE + DEV), "solo", {}).target.context == "dev"


def test_keys_of_a_teams_own_are_left_out(tmp_path: Path) -> None:
    assert loaded(tmp_path, dev="x-notes: anything\nx-more: [1]\n").target.context == "dev"


def test_anchors_can_be_kept_under_a_key_of_ones_own(tmp_path: Path) -> None:
    profile = loaded(tmp_path, dev="x-small: &small {memory: 1Gi}\nvalues:\n  limits: *small\n")
    assert profile.values == {"limits": {"memory": "1Gi"}}


def test_variables_fill_in(tmp_path: Path) -> None:
    text = "values:\n  n: ${N:3}\n  text: '${N:3}'\n  zone: ${ZONE}\n"
    profile = loaded(tmp_path, dev=text, variables={"ZONE": "a"})
    assert profile.values == {"n": 3, "text": "3", "zone": "a"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param("imag: {}\n", "dev.yaml:4: unknown key `imag`; did you mean `image`?", id="unknown key"),
        pytest.param(
            "image:\n  tagg: branch\n",
            "dev.yaml:5: unknown key `tagg` in image; did you mean `tag`?",
            id="unknown key in a section",
        ),
        pytest.param(
            "registry:\n  pull_secret: x\n",
            "dev.yaml:5: unknown key `pull_secret` in registry; did you mean `pullSecret`?",
            id="snake case",
        ),
        pytest.param(
            "image:\n  qqqqq: 1\n", "dev.yaml:5: unknown key `qqqqq` in image", id="unknown key, nothing near"
        ),
        pytest.param(
            "health:\n  crashExit: 3\n",
            "dev.yaml:5: unknown key `crashExit` in health; did you mean `crashExits`?",
            id="unknown key in health",
        ),
        pytest.param(
            "health:\n  imagePulTransient: 3\n",
            "dev.yaml:5: unknown key `imagePulTransient` in health; did you mean `imagePullTransient`?",
            id="camel case in health",
        ),
        pytest.param(
            "image:\n  tag: brunch\n",
            "dev.yaml:5: image.tag is `brunch`; it must be one of branch, commit, version; did you mean `branch`?",
            id="wrong word",
        ),
        pytest.param(
            "rollback:\n  automatic: sometimes\n",
            "dev.yaml:5: rollback.automatic is `sometimes`: should be a valid boolean, unable to interpret input",
            id="wrong type",
        ),
        pytest.param("tools: helm\n", "dev.yaml:4: tools is `helm`: should be a valid dictionary", id="no mapping"),
        pytest.param(
            "release:\n  historyMax: 1\n",
            "dev.yaml:5: release.historyMax is `1`: should be greater than or equal to 2",
            id="too small",
        ),
        pytest.param(
            "release:\n  timeout: 5 minutes\n",
            "dev.yaml:5: release.timeout: `5 minutes` is not a duration; write it as 90s, 5m or 1h30m",
            id="duration",
        ),
        pytest.param(
            "release:\n  timeout: true\n",
            "dev.yaml:5: release.timeout: a duration is expected, such as 90s, 5m or 1h30m",
            id="no duration",
        ),
        pytest.param(
            "release:\n  timeout: 0s\n",
            "dev.yaml:5: release.timeout is `0s`: should be greater than 0",
            id="no time at all",
        ),
        pytest.param(
            "health:\n  soak: soon\n",
            "dev.yaml:5: health.soak: `soon` is not a duration; write it as 90s, 5m or 1h30m",
            id="duration in health",
        ),
        pytest.param(
            "registry:\n  pullSecret: My_Secret\n",
            "dev.yaml:5: registry.pullSecret is `My_Secret`, which is not a DNS label: "
            "small letters, digits and hyphens, a letter or digit at both ends",
            id="DNS label",
        ),
        pytest.param("release:\n  name: " + "x" * 54 + "\n", "at most 53 characters", id="long name"),
        pytest.param("secrets:\n  a.b: 9-LIVES\n", "dev.yaml:5: secrets.a.b is `9-LIVES`", id="no variable name"),
        pytest.param("registry:\n  url: https://r.lab\n", "dev.yaml:5: registry.url is `https://r.lab`", id="scheme"),
        pytest.param(
            "argocd:\n  repository: https://[::1/x\n",
            "dev.yaml:5: argocd.repository: `https://[::1/x` is no URL of a git repository",
            id="git",
        ),
        pytest.param(
            "argocd:\n  repository: ssh://h:99999/x\n", "dev.yaml:5: argocd.repository: `ssh", id="git's port"
        ),
        pytest.param("metrics:\n  url: https://[::1/x\n", "dev.yaml:5: metrics.url: a URL is expected", id="url"),
        pytest.param("metrics:\n  url: https://p:99999\n", "dev.yaml:5: metrics.url: a URL is expected", id="port"),
        pytest.param(
            "telemetry:\n  otlp: https://[::1/x\n", "dev.yaml:5: telemetry.otlp: a URL is expected", id="otlp"
        ),
        pytest.param("registry:\n  url: r.lab:99999\n", "dev.yaml:5: registry.url: 99999 is no port", id="its port"),
        pytest.param(
            "registry:\n  url: harbor/team\n",
            "dev.yaml:5: registry.url is `harbor/team`, which docker takes for a name at Docker Hub; give `harbor` its "
            "port or its whole name, `harbor:443/team`; at Docker Hub it is docker.io/harbor/team",
            id="no host to docker",
        ),
        pytest.param("values: [1]\n", "dev.yaml:4: values: should be a valid dictionary", id="values are a map"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(tmp_path: Path, more: str, said: str) -> None:
    error = refused(tmp_path, dev=DEV + more)
    assert said in error.message
    assert error.message.startswith("environments/")
    assert error.detail == ()


def test_the_layer_that_is_wrong_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, base=BASE + "image2: {}\n").message.startswith(
        "environments/base.yaml:7: unknown key `image2`"
    )


def test_a_missing_section(tmp_path: Path) -> None:
    assert "`target` is required and missing" in refused(tmp_path, dev="").message


def test_a_missing_key_points_at_its_section(tmp_path: Path) -> None:
    error = refused(tmp_path, dev="# note\ntarget:\n  namespace: dev\n")
    assert error.message == "environments/dev.yaml:2: `target.context` is required and missing"


def test_all_problems_at_once(tmp_path: Path) -> None:
    error = refused(tmp_path, dev="target:\n  contxt: dev\n  namespace: No_Label\nimage:\n  tag: brunch\n")
    told = [error.message, *error.detail]
    assert error.message.endswith("(and 3 more)")
    assert [re.sub(r" .*", "", line) for line in told] == [
        "environments/dev.yaml:1:",
        "environments/dev.yaml:3:",
        "environments/dev.yaml:2:",
        "environments/dev.yaml:5:",
    ]


def test_missing_variables_are_listed_with_every_place(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        dev="target:\n  context: ${CONTEXT}\n  namespace: ${SPACE}\nvalues:\n  list: [a, '${SPACE}']\n",
        base=BASE + "values:\n  n: ${NUMBER}\n",
        NUMBER="1",
    )
    assert error.message == "variables not set: CONTEXT, SPACE"
    assert sorted(error.detail) == [
        "environments/dev.yaml:2: target.context needs ${CONTEXT}",
        "environments/dev.yaml:3: target.namespace needs ${SPACE}",
        "environments/dev.yaml:5: values.list.1 needs ${SPACE}",
    ]
    assert "${NAME:default}" in (error.hint or "")


def test_one_missing_variable(tmp_path: Path) -> None:
    assert refused(tmp_path, dev=DEV + "values:\n  a: ${A}\n").message == "variable not set: A"


def test_a_variable_that_a_stronger_layer_hides_is_not_missed(tmp_path: Path) -> None:
    profile = loaded(tmp_path, dev="values: {n: 1, l: [a]}\n", base="values: {n: '${N}', l: ['${A}', '${B}']}\n")
    assert profile.values == {"n": 1, "l": ["a"]}


def test_a_message_of_a_variable_is_told(tmp_path: Path) -> None:
    error = refused(tmp_path, dev=DEV + "values:\n  n: ${N:?ask the platform team}\n")
    assert error.message == "variable not set: N"
    assert error.detail == ("environments/dev.yaml:5: values.n needs ${N}: ask the platform team",)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("registry:\n  pullSecret: ${A}\n", "registry.pullSecret is `${A}`, which is not a DNS label"),
        ("image: ${A}\n", "image is `${A}`: should be a valid dictionary"),
        ("image:\n  tag: ${A}\n", "image.tag is `${A}`; it must be one of"),
        ("release:\n  timeout: ${A:x}\n", "release.timeout: `${A:x}` is not a duration"),
        ("valueFiles: [a.yaml, '${A}']\n", "there is no value file ${A}"),
        ("secrets: ${A}\n", "secrets is `${A}`"),
    ],
)
def test_what_a_variable_holds_is_not_quoted(tmp_path: Path, more: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    error = refused(tmp_path, dev=DEV + more, A="S3cret_value")
    assert said in error.message
    assert "S3cret" not in error.message


def test_value_files_lie_over_the_values(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text("n: 2\nzone: ${ZONE:a}\n")
    (tmp_path / "own.yaml").write_text("zone: b\n")
    profile = loaded(tmp_path, dev="valueFiles: [shared.yaml, own.yaml]\nvalues: {n: 1, m: 1}\n")
    assert profile.values == {"n": 2, "m": 1, "zone": "b"}


def test_value_files_lack_variables_too(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text("a:\n- ${ZONE}\n")
    error = refused(tmp_path, dev=DEV + "valueFiles: [shared.yaml, '${MORE}']\nvalues: {n: '${N}'}\n")
    assert error.message == "variables not set: MORE, N, ZONE"
    assert "shared.yaml:2: values.a.0 needs ${ZONE}" in error.detail


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("valueFiles: [nowhere.yaml]\n", "environments/dev.yaml:4: there is no value file nowhere.yaml"),
        (
            "valueFiles: nowhere.yaml\n",
            "environments/dev.yaml:4: valueFiles is `nowhere.yaml`: should be a valid tuple",
        ),
        ("valueFiles: [3]\n", "environments/dev.yaml:4: valueFiles.0 is `3`: should be a valid string"),
    ],
)
def test_value_files_that_are_none(tmp_path: Path, more: str, said: str) -> None:
    assert refused(tmp_path, dev=DEV + more).message == said


PINNED = "  identity: {uid: u}\n"


@pytest.mark.parametrize(
    ("environment", "text", "said"),
    [
        ("prod", DEV, "prod.yaml:1: `prod` is protected, so target.identity must pin its cluster by uid or caSha256"),
        ("prod", DEV + "  identity: {server: https://a}\n", "prod.yaml:4: `prod` is protected"),
        ("prod", DEV + "  identity: {uid: '${UID_}'}\n", "prod.yaml:4: `prod` is protected"),
        ("prod", DEV + PINNED + "protected: false\n", "prod.yaml:5: `prod` is always protected"),
        ("edge", DEV + "protected: true\n", "edge.yaml:1: `edge` is protected"),
        (
            "dev",
            DEV.replace("namespace: dev", "namespace: kube-system"),
            "dev.yaml:3: target.namespace is `kube-system`",
        ),
        ("dev", DEV.replace("namespace: dev", "namespace: kube-flannel"), "is Kubernetes' own"),
        ("dev", DEV.replace("namespace: dev", "namespace: default"), "set target.allowDefaultNamespace: true"),
    ],
)
def test_where_a_profile_may_not_lead(tmp_path: Path, environment: str, text: str, said: str) -> None:
    project(tmp_path, base=BASE, **{environment: text})
    with pytest.raises(UsageError) as error:
        load(tmp_path, environment, {"UID_": ""})
    assert said in "\n".join((error.value.message, *error.value.detail))


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ("prod", DEV + PINNED),
        ("prod", DEV + "  identity: {caSha256: 'sha256:" + "AB:" * 31 + "AB'}\nprotected: true\n"),
        ("production", DEV),
        ("dev", DEV.replace("namespace: dev", "namespace: default\n  allowDefaultNamespace: true")),
    ],
)
def test_where_a_profile_may_lead(tmp_path: Path, environment: str, text: str) -> None:
    assert load(project(tmp_path, base=BASE, **{environment: text}), environment, {}).target.context == "dev"


def test_as_much_as_can_be_read_is_read(tmp_path: Path) -> None:
    text = "target: {context: '${CONTEXT}', namespace: dev}\nregistry: {url: '${URL}', pullSecret: My_Own}\n"
    found = read(project(tmp_path, base=BASE, dev=text), "dev", {})
    assert [lack.name for lack in found.lacks] == ["CONTEXT", "URL"]
    assert found.profile is None
    assert len(found.problems) == 1
    assert "pullSecret is `My_Own`" in found.problems[0]
    better = read(project(tmp_path, dev=text.replace("My_Own", "own")), "dev", {})
    assert (better.problems, better.refusals) == ((), ())
    assert better.profile
    assert better.profile.registry.pull_secret == "own"


def test_an_unknown_environment(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        load(project(tmp_path, base=BASE, dev=DEV, staging=DEV), "stagging", {})
    assert error.value.message == "unknown environment `stagging`; did you mean `staging`?"
    assert error.value.hint == "environments here: dev, staging"


@pytest.mark.parametrize("name", ["base", "../environments/dev", "", "dev.yaml", "\x00"])
def test_no_name_of_an_environment(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="unknown environment"):
        load(project(tmp_path, base=BASE, dev=DEV), name, {})


def test_no_environments_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        load(tmp_path, "dev", {})
    assert f"there is no environments/<name>.yaml in {tmp_path}" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"target: caf\xe9\n", "environments/dev.yaml: not UTF-8 text"),
        (b"target: [1\nb: 2\n", "environments/dev.yaml:2: not valid YAML"),
        (
            b"values:\n  a: !!binary aGk=\n",
            "environments/dev.yaml:2: not valid YAML: values are what JSON knows, not `!!binary`",
        ),
        (b"values:\n  a: !!set {b}\n", "environments/dev.yaml:2: not valid YAML"),
        (b"- a\n", "environments/dev.yaml:1: a mapping is expected here"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, text: bytes, said: str) -> None:
    assert said in refused(tmp_path, dev=text).message


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (project(tmp_path, base=BASE) / "environments" / "dev.yaml").mkdir()
    with pytest.raises(UsageError, match=r"environments/dev\.yaml: Is a directory"):
        load(tmp_path, "dev", {})


SHIPPED = {"REGISTRY_URL": "registry.lab:5443"}
UID = {"PROD_CLUSTER_UID": "11111111-2222-3333-4444-555555555555"}


@pytest.mark.parametrize(
    ("environment", "variables", "replicas", "memory", "automatic", "clean", "tag", "timeout"),
    [
        ("dev", SHIPPED, 1, "256Mi", False, False, "branch", 300),
        ("test", SHIPPED, 2, "512Mi", True, False, "commit", 300),
        ("prod", SHIPPED | UID, 5, "2Gi", True, True, "version", 600),
    ],
)
def test_the_profiles_that_are_shipped(
    environment: str,
    variables: dict[str, str],
    replicas: int,
    memory: str,
    automatic: bool,
    clean: bool,
    tag: str,
    timeout: float,
) -> None:
    profile = load(ROOT, environment, variables)
    assert profile.values["replicaCount"] == replicas
    assert profile.values["resources"]["limits"]["memory"] == memory
    assert profile.values["env"]["ENVIRONMENT"] == environment
    assert profile.rollback.automatic is automatic
    assert profile.guards.clean_tree is clean
    assert profile.image.tag == tag
    assert profile.release.timeout == timeout
    assert (profile.target.context, profile.target.namespace) == (environment, environment)


@pytest.mark.parametrize(("environment", "lack"), [("dev", "REGISTRY_URL"), ("prod", "PROD_CLUSTER_UID")])
def test_what_the_shipped_profiles_need(environment: str, lack: str) -> None:
    with pytest.raises(UsageError, match=lack):
        load(ROOT, environment, {name: value for name, value in (SHIPPED | UID).items() if name != lack})


def test_prod_says_which_cluster_it_is() -> None:
    assert load(ROOT, "prod", SHIPPED | UID).target.identity.uid == UID["PROD_CLUSTER_UID"]


def test_a_fourth_environment_is_one_new_file(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    project(tmp_path, staging="target: {context: staging, namespace: staging}\nvalues: {replicaCount: 3}\n")
    assert environments(tmp_path) == ("dev", "prod", "staging", "test")
    profile = load(tmp_path, "staging", SHIPPED)
    assert profile.values == {"env": {"LOG_LEVEL": "info"}, "replicaCount": 3}


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["dev", "${A}", "${A:3}", "$${A}", "5m", "true", "-1", "x-y", "target", "url", "tag", "soak", "name", "helm"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
TREES = st.recursive(LEAVES, lambda one: st.lists(one, max_size=2) | st.dictionaries(WORDS, one, max_size=3))
JUNK = st.text("\n :-[]{}&*!|>'\"%@`#,", max_size=4)
PLACES = [
    (*section, *more)
    for section in (("target",), ("registry",), ("image",), ("release",), ("health",), ("values",), ("secrets",))
    for more in ((), ("namespace",), ("url",), ("tag",), ("timeout",), ("soak",), ("context",), ("what",))
] + [
    ("guards", *more)
    for more in (
        (),
        ("tag",),
        ("healthyIn",),
        ("window",),
        ("window", "open"),
        ("window", "not"),
        ("maxReplicasChange",),
    )
]


def mutated(tree: Any, place: tuple[str, ...], value: Any) -> Any:
    """The tree with another value at a place."""
    if not place:
        return value
    inner = tree if isinstance(tree, dict) else {}
    return {**inner, place[0]: mutated(inner.get(place[0]), place[1:], value)}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(PLACES), TREES, st.sampled_from([None, 0, 20, 60]), st.text("\n :-[]{}&*!|>'\"%@`#,", max_size=4)
)
def test_no_profile_brings_more_than_a_usage_error(
    tmp_path: Path, place: tuple[str, ...], value: Any, at: int | None, junk: str
) -> None:
    text = yaml.safe_dump(mutated(yaml.safe_load(BASE + DEV), place, value), allow_unicode=True)
    if at is not None:
        text = text[:at] + junk + text[at:]
    with suppress(UsageError):
        assert load(project(tmp_path, dev=text), "dev", {"A": "a"}).release.name


@pytest.mark.parametrize("value", ["-1", ".nan", ".inf", "soon"])
def test_a_limit_that_cannot_be(tmp_path: Path, value: str) -> None:
    error = refused(tmp_path, dev=DEV + f"health:\n  soak: {value}\n")
    assert "health.soak" in error.message


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        ("branch: ^main$", "guards.branch: `^main$` is a regular expression; patterns are globs, such as release/*"),
        ("branch: '(main|next)'", "is a regular expression"),
        ("branch: release/.*", "is a regular expression"),
        ("tag: ['v[0-9']", "guards.tag.0: `v[0-9` has a [ that no ] closes"),
        ("tag: ['']", "a pattern is empty"),
        ("signed: both", "guards.signed is `both`; it must be one of commit, tag"),
        ("healthyIn: tset", "there is no other environment `tset`; did you mean `test`?"),
        ("healthyIn: [dev]", "there is no other environment `dev`"),
        ("window: {timezone: Europe/Berln}", "there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?"),
        ("window: {timezone: Mars}", "guards.window.timezone: there is no time zone `Mars`"),
        ("window: {open: [{from: 9:00}]}", "`9:00` is no time of day"),
        ("window: {open: [{from: 9}]}", "`9` is no time of day"),
        ("window: {open: [{to: '25:00'}]}", "`25:00` is no time of day"),
        (
            "window: {open: [{from: '16:00', to: '09:00'}]}",
            "from 16:00 is not before to 09:00; over midnight there are two",
        ),
        ("window: {open: [{from: '09:00', to: '09:00'}]}", "from 09:00 is not before to 09:00"),
        ("window: {open: [{days: [monday]}]}", "must be one of mon, tue, wed"),
        ("window: {open: [{days: []}]}", "guards.window.open.0.days"),
        ("window: {open: [{form: '09:00'}]}", "unknown key `form` in guards.window.open.0; did you mean `from`?"),
        ("window: {not: [2026-13-01]}", "`2026-13-01` is no date; write 2026-12-24, or 2026-12-24..2027-01-01"),
        ("window: {not: [2026-12-24..2026-12-01]}", "`2026-12-24..2026-12-01` ends before it begins"),
        ("maxReplicasChange: 30", "guards.maxReplicasChange: a share is expected: 30% or 0.3"),
        ("maxResourcesChange: true", "a share is expected"),
        ("overridable: [windw]", "guards.overridable.0 is `windw`; it must be one of"),
        ("cleanTre: true", "unknown key `cleanTre` in guards; did you mean `cleanTree`?"),
    ],
)
def test_a_guard_that_cannot_be(tmp_path: Path, guards: str, said: str) -> None:
    project(tmp_path, test=DEV)
    error = refused(tmp_path, dev=DEV + f"guards:\n  {guards}\n")
    assert error.message.startswith("environments/dev.yaml:5: ")
    assert said in error.message


def test_guards_in_full(tmp_path: Path) -> None:
    project(tmp_path, test=DEV)
    guards = loaded(
        tmp_path,
        dev="guards:\n  branch: main\n  tag: [v*]\n  healthyIn: test\n  maxReplicasChange: 30%\n  freeze: ../FREEZE\n"
        "  window:\n    timezone: Europe/Berlin\n    open: [{days: [fri], from: '09:00', to: '24:00'}]\n"
        "    not: [2026-12-24..2027-01-01, 2026-11-26]\n  overridable: [window]\n",
    ).guards
    assert (guards.branch, guards.tag, guards.healthy_in) == (("main",), ("v*",), ("test",))
    assert (guards.max_replicas_change, guards.freeze) == (0.3, Path("../FREEZE"))
    assert (guards.window.open[0].start, guards.window.open[0].end) == ("09:00", "24:00")
    assert guards.window.closed == ("2026-12-24..2027-01-01", "2026-11-26")


ARGOCD = "delivery: argocd\nargocd:\n  repository: https://git.lab/config.git\n"


def test_a_delivery_by_argo_cd(tmp_path: Path) -> None:
    made = loaded(tmp_path, dev=ARGOCD)
    assert (made.delivery, made.argocd.branch, made.argocd.push) == ("argocd", "main", "branch")
    assert loaded(tmp_path, base="argocd:\n  repository: https://git.lab/config.git\n").delivery == "helm"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("delivery: argo\n", "dev.yaml:4: delivery is `argo`; it must be one of helm, argocd; did you mean `argocd`?"),
        ("delivery: argocd\n", "dev.yaml:4: delivery is argocd, and argocd.repository is missing"),
        ("argocd:\n  repository: x\n", "dev.yaml:4: argocd is only for `delivery: argocd`"),
        (
            f"{ARGOCD}  usernameVariable: GIT_USER\n",
            "dev.yaml:7: argocd.usernameVariable goes with argocd.passwordVariable, which is missing",
        ),
        (f"{ARGOCD}  push: merge\n", "dev.yaml:7: argocd.push is `merge`; it must be one of branch, mergeRequest"),
        (f"{ARGOCD}  pth: x\n", "dev.yaml:7: unknown key `pth` in argocd; did you mean `path`?"),
        (f"{ARGOCD}secrets:\n  a.b: TOKEN\n", "dev.yaml:8: the secret a.b is a variable's, and would stand in git"),
    ],
)
def test_what_does_not_go_with_the_delivery(tmp_path: Path, more: str, said: str) -> None:
    assert said in refused(tmp_path, dev=DEV + more).message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("guards: {branch: '${V}'}", "guards.branch: `${V}` has a [ that no ] closes"),
        ("image: {sbom: '${V}', platforms: '${V}'}", "image.platforms"),
        ("targets: [{name: a, context: c, namespace: '${V}'}]", "targets.0.namespace is `${V}`, which is not a DNS"),
    ],
)
def test_what_a_variable_holds_is_not_told(tmp_path: Path, more: str, said: str) -> None:
    dev = "x-note: 1\n" if "targets" in more else DEV
    error = refused(tmp_path, dev=f"{dev}{more}\n", V="[s3cret")
    assert said in error.message
    assert error.detail == ()
    assert "s3cret" not in error.message


def test_a_kind_of_many_is_no_part_of_the_key(tmp_path: Path) -> None:
    error = refused(tmp_path, dev=f"{DEV}image: {{sbom: '${{V}}'}}\n", V="")
    assert error.message.startswith("environments/dev.yaml:4: image.sbom is `${V}`: should be a valid boolean")
