"""Which plugins are found, and what is said of those that cannot be run: file, line and what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.errors import ConfigurationError
from framecast.plugins.host.description import executable_suffix
from framecast.plugins.host.discovery import Discovery, discover
from framecast.plugins.host.manifest import Signature
from framecast.plugins.host.plugin_files import PluginFileError, parse_object
from framecast.settings import Plugins
from plugins.installed import TEST_ID, install, sign, write_manifest


def look(root: Path, *allowed: str, **settings: Any) -> Discovery:
    return discover(Plugins(path=str(root), allow_loading_unsigned_plugins=allowed, **settings))


def only_problem(root: Path, *allowed: str) -> str:
    """The one thing that is said, while a bystander is found all the same."""
    install(root, "bystander-datasource")
    found = look(root, "bystander-datasource", *allowed)
    assert [package.id for package in found.packages] == ["bystander-datasource"]
    [problem] = found.problems
    return problem


def test_a_plugin_that_the_settings_allow_is_found_with_all_that_is_needed_to_run_it(tmp_path: Path) -> None:
    place = install(tmp_path)
    [package] = look(tmp_path, TEST_ID).packages
    assert (package.id, package.type, package.name, package.version) == (
        TEST_ID,
        "datasource",
        f"The {TEST_ID}",
        "1.2.3",
    )
    assert package.folder == place
    assert package.executable == place / f"gpx_test{executable_suffix()}"
    assert package.signature is Signature.UNSIGNED


def test_an_unsigned_plugin_is_told_and_not_run(tmp_path: Path) -> None:
    place = install(tmp_path)
    problem = only_problem(tmp_path)
    assert problem.startswith(f"{place / 'plugin.json'}: {TEST_ID} is unsigned")
    assert "plugins.allow_loading_unsigned_plugins" in problem


def test_a_signed_plugin_needs_no_permission(tmp_path: Path) -> None:
    sign(install(tmp_path))
    found = look(tmp_path)
    assert ([package.signature for package in found.packages], found.problems) == ([Signature.SIGNED_UNVERIFIED], ())


@pytest.mark.parametrize("changed", ["plugin.json", f"gpx_test{executable_suffix()}"])
def test_a_plugin_that_was_changed_after_it_was_signed_is_not_run_though_it_is_allowed(
    tmp_path: Path, changed: str
) -> None:
    place = install(tmp_path)
    manifest = sign(place)
    with (place / changed).open("a") as file:
        file.write("\n")
    problem = only_problem(tmp_path, TEST_ID)
    assert problem.startswith(f"{manifest}:11: files: {changed} is not the file that was signed: its SHA-256 is ")


def test_a_file_that_was_added_after_the_signing_is_not_run(tmp_path: Path) -> None:
    manifest = sign(install(tmp_path), files={"plugin.json": "0"})
    assert only_problem(tmp_path, TEST_ID).startswith(f"{manifest}:11: files: plugin.json is not the file")


@pytest.mark.parametrize(
    ("changes", "line", "words"),
    [
        ({"plugin": "other-datasource"}, 9, "plugin: is 'other-datasource', and the plugin's is 'test-datasource'"),
        ({"version": "1.2.4"}, 10, "version: is '1.2.4', and the plugin's is '1.2.3'"),
        ({"plugin": None}, 9, "plugin: is missing"),
        ({"files": []}, 11, "files: must be an object, and is []"),
        ({"files": {}}, 11, "files: plugin.json is not among them"),
    ],
)
def test_a_manifest_of_something_else_is_told_with_its_line(
    tmp_path: Path, changes: dict[str, Any], line: int, words: str
) -> None:
    place = install(tmp_path)
    manifest = sign(place, **changes)
    assert only_problem(tmp_path, TEST_ID).startswith(f"{manifest}:{line}: {words}")


@pytest.mark.parametrize(
    ("body", "words"),
    [("{]", ":5: is not JSON: expecting property name enclosed in double quotes (column 2)"), ("[]", ":5: must be a")],
)
def test_a_manifest_without_a_manifest_in_it_is_told_with_its_line(tmp_path: Path, body: str, words: str) -> None:
    manifest = write_manifest(install(tmp_path), body)
    assert only_problem(tmp_path, TEST_ID).startswith(f"{manifest}{words}")


def test_a_manifest_that_is_not_signed_is_no_manifest(tmp_path: Path) -> None:
    path = install(tmp_path) / "MANIFEST.txt"
    path.write_text('{"plugin": "test-datasource"}')
    assert only_problem(tmp_path, TEST_ID) == f"{path}:1: is no clear-signed OpenPGP message around a manifest"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n "id": "a",\n "type" "datasource"\n}', ":3: is not JSON: expecting ':' delimiter (column 9)"),
        ("", ":1: is not JSON: expecting value (column 1)"),
        ('["id"]', ':1: must be a JSON object, and is ["id"]'),
        ("[" * 100_000, ":1: is nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", ":1: is nested too deeply, or has a number that is too long"),
        ('{\n "type": "datasource"\n}', ": id: is missing"),
        ('{\n "id": "",\n "type": "datasource"}', ":2: id: is empty"),
        ('{\n\n "id": 5,\n "type": "datasource"}', ":3: id: must be text, and is 5"),
        ('{\n "id": "../up",\n "type": "datasource"}', ":2: id: must be letters"),
        ('{"id": "a",\n "type": ["datasource"]}', ":2: type: must be text"),
        ('{"id": "a", "type": "datasource",\n "backend": "yes"}', ':2: backend: must be true or false, and is "yes"'),
        ('{"id": "a", "type": "datasource",\n "backend": true}', ": executable: is missing"),
        ('{"id": "a", "type": "datasource",\n "info": "1.0"}', ":2: info: must be an object"),
        ('{"id": "a", "type": "datasource",\n "info": {"version": 1}}', ":2: info: its version must be text"),
    ],
)
def test_a_mistake_in_a_plugin_json_is_told_with_file_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = install(tmp_path) / "plugin.json"
    path.write_text(text)
    assert only_problem(tmp_path, TEST_ID).startswith(f"{path}{words}")


def test_a_plugin_json_that_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    path = install(tmp_path) / "plugin.json"
    path.write_bytes(b'{\n"id": "\xff"}')
    assert only_problem(tmp_path, TEST_ID) == f"{path}:2: is not UTF-8"


def test_a_plugin_json_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = install(tmp_path) / "plugin.json"
    path.write_text("{" + " " * 1_000 + "}")
    [problem] = look(tmp_path, TEST_ID, metadata_bytes=1_000).problems
    assert problem == f"{path}: has more than 1,000 bytes (plugins.metadata_bytes)"


@pytest.mark.parametrize("name", ["../other/gpx_test", "/bin/true", "sub/../../other/gpx_test", "link"])
def test_an_executable_outside_of_the_plugin_s_folder_is_refused(tmp_path: Path, name: str) -> None:
    place = install(tmp_path, executable=name)
    other = tmp_path / ".other"
    other.mkdir()
    outside = other / f"gpx_test{executable_suffix()}"
    outside.write_text("#!/bin/sh\n")
    (place / f"link{executable_suffix()}").symlink_to(outside)
    problem = only_problem(tmp_path, TEST_ID)
    assert problem.startswith(f"{place / 'plugin.json'}:6: executable: {name!r} leads out of the plugin's folder, to ")


def test_an_executable_may_lie_in_a_folder_of_the_plugin(tmp_path: Path) -> None:
    place = install(tmp_path, executable="bin/gpx_test")
    (place / "bin").mkdir()
    (place / f"gpx_test{executable_suffix()}").rename(place / "bin" / f"gpx_test{executable_suffix()}")
    assert [package.executable.parent.name for package in look(tmp_path, TEST_ID).packages] == ["bin"]


def test_a_plugin_for_other_machines_is_told(tmp_path: Path) -> None:
    place = install(tmp_path, executable="gpx_windows")
    problem = only_problem(tmp_path, TEST_ID)
    assert f"there is no {place / ('gpx_windows' + executable_suffix())}" in problem


def test_an_executable_that_is_not_one_is_told(tmp_path: Path) -> None:
    place = install(tmp_path)
    (place / f"gpx_test{executable_suffix()}").unlink()
    (place / f"gpx_test{executable_suffix()}").mkdir()
    assert "there is no " in only_problem(tmp_path, TEST_ID)


def test_an_executable_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    install(tmp_path, executable="gpx\0test")
    assert "executable: has a NUL in it" in only_problem(tmp_path, TEST_ID)


def test_plugins_without_a_backend_of_our_kind_are_nothing_to_tell(tmp_path: Path) -> None:
    install(tmp_path, "a-panel", type="panel", backend=None, executable=None)
    install(tmp_path, "b-datasource", backend=False)
    install(tmp_path, "c-renderer", type="renderer")
    (tmp_path / "no-plugin").mkdir()
    (tmp_path / "a-file").write_text("nothing")
    assert look(tmp_path) == Discovery((), ())


def test_what_is_built_counts_and_not_the_sources_above_it(tmp_path: Path) -> None:
    top = install(tmp_path, folder="mine", info={"version": "%VERSION%"})
    install(top, folder="dist")
    install(top / "dist", "inner-app", folder="inner", type="app")
    install(top / "src", folder="again")
    install(top / "dist" / "node_modules", "module-datasource")
    found = look(tmp_path, TEST_ID, "inner-app", "module-datasource")
    assert [(package.id, package.folder) for package in found.packages] == [
        (TEST_ID, top / "dist"),
        ("inner-app", top / "dist" / "inner"),
    ]
    assert found.problems == ()


def test_a_plugin_within_a_signed_one_is_signed_with_it(tmp_path: Path) -> None:
    top = install(tmp_path, "outer-app", type="app")
    inner = install(top, folder="inner")
    sign(top, "outer-app")
    found = look(tmp_path)
    assert [(package.id, package.signature) for package in found.packages] == [
        ("outer-app", Signature.SIGNED_UNVERIFIED),
        (TEST_ID, Signature.SIGNED_UNVERIFIED),
    ]
    (inner / f"gpx_test{executable_suffix()}").write_text("#!/bin/sh\nrm -rf /\n")
    [problem] = look(tmp_path).problems
    assert f"inner/gpx_test{executable_suffix()} is not the file that was signed" in problem


def test_a_linked_plugin_folder_is_followed_and_links_within_one_are_not(tmp_path: Path) -> None:
    elsewhere = install(tmp_path / "elsewhere")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(elsewhere)
    found = look(root, TEST_ID)
    assert ([package.folder for package in found.packages], found.problems) == ([elsewhere], ())


def test_the_second_plugin_of_an_id_is_told_with_the_first(tmp_path: Path) -> None:
    first = install(tmp_path, folder="a")
    second = install(tmp_path, folder="b")
    found = look(tmp_path, TEST_ID)
    assert [package.folder for package in found.packages] == [first]
    assert found.problems == (f"{second / 'plugin.json'}: id: {TEST_ID} is the id of the plugin in {first}, too",)


def test_plugins_beyond_the_limit_are_told(tmp_path: Path) -> None:
    ids = [f"p{number}-datasource" for number in range(4)]
    for plugin_id in ids:
        install(tmp_path, plugin_id)
    found = look(tmp_path, *ids, max_plugins=2)
    assert [package.id for package in found.packages] == ids[:2]
    assert ["plugins.max_plugins = 2" in problem for problem in found.problems] == [True, True]


def test_a_plugin_of_endless_folders_is_looked_into_for_a_while_only(tmp_path: Path) -> None:
    place = install(tmp_path)
    for number in range(20):
        (place / f"a{number:02}").mkdir()
    install(place, "hidden-app", folder="z")
    ids = (TEST_ID, "hidden-app")
    assert [package.id for package in look(tmp_path, *ids, max_folders=10).packages] == [TEST_ID]
    assert [package.id for package in look(tmp_path, *ids).packages] == list(ids)


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_folder_that_is_none_keeps_the_server_from_starting(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"plugins\.path = .* cannot be used: "):
        look(tmp_path / what)


NAMES = st.text(max_size=10)


@given(
    members=st.dictionaries(NAMES, st.recursive(st.none() | NAMES, st.lists, max_leaves=5)), indent=st.integers(0, 3)
)
def test_every_key_of_an_object_is_found_in_its_line(members: dict[str, Any], indent: int) -> None:
    text = "\n" * indent + json.dumps(members, indent=indent or None)
    found = parse_object(text, Path("x"), first_line=10)
    assert found.members == members
    lines = text.split("\n")
    for key, line in found.lines.items():
        assert json.dumps(key) in lines[line - 10]
    assert found.lines.keys() == members.keys()


@given(st.text(alphabet='{}[]",:1 \n\\ue', max_size=30))
def test_any_text_is_an_object_or_refused(text: str) -> None:
    try:
        assert parse_object(text, Path("x")).lines.keys() == parse_object(text, Path("x")).members.keys()
    except PluginFileError as error:
        assert str(error).startswith("x:")
