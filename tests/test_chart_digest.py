"""The hash over a chart's files."""

from pathlib import Path

from deployer.chart import digest


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
