"""The hash over a chart's files."""

from pathlib import Path

from deployer.chart import digest, files


def made(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_names_and_contents_count_and_nothing_else(tmp_path: Path) -> None:
    one = made(tmp_path / "one", Chart="a", templates__b="c", charts__lib="tgz")
    other = made(tmp_path / "other", charts__lib="tgz", templates__b="c", Chart="a")
    (other / "Chart").chmod(0o600)
    assert digest(one) == digest(other)
    assert len(digest(one)) == 64


def test_every_change_is_seen(tmp_path: Path) -> None:
    hashes = {
        digest(made(tmp_path / str(number), **files))
        for number, files in enumerate(
            [{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "bc", "d": ""}, {"x__a": "bc"}, {"charts__a": "bc"}]
        )
    }
    assert len(hashes) == 6


def test_a_chart_that_is_not_there(tmp_path: Path) -> None:
    assert digest(tmp_path / "nowhere") == ""


def test_a_linked_chart_is_a_part_and_what_is_gits_is_not(tmp_path: Path) -> None:
    shared = made(tmp_path / "shared", Chart="s", templates__b="c")
    chart = made(tmp_path / "chart", **{"Chart": "a", ".git": "gitdir: x", "sub__.git__HEAD": "x"})
    (chart / "charts").mkdir()
    (chart / "charts/common").symlink_to(shared)
    assert [name for name, _ in files(chart)] == ["Chart", "charts/common/Chart", "charts/common/templates/b"]
