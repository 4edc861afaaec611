"""Files say which data sources there are: made so once, told of with file, line and key where they cannot be."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from datasource_desk import RING, DataSourceDesk, datasource_desk, order
from framecast.datasources.provisioning.plan import read_plan
from framecast.datasources.provisioning.provision import provision, uid_of_name
from framecast.datasources.saving import by_name, by_uid
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import DataSources, Provisioning, Settings
from framecast.store.datasources import DataSource
from framecast.store.orgs import insert_org

HEAD = "apiVersion: 1\n"
ONE = """\
apiVersion: 1
datasources:
  - name: Plant
    type: testdata
    url: http://localhost:$PORT
    user: ${USER}
    basicAuth: true
    basicAuthUser: $__env{USER}
    database: 7
    isDefault: true
    withCredentials: "true"
    jsonData:
      httpMethod: POST
      nested: [{deep: "$USER", price: "5$$"}]
      timeout: 30
    secureJsonData:
      password: $PASSWORD
      regex: 'a$'
"""
ENVIRONMENT = {"PORT": "9000", "USER": "ann", "PASSWORD": "ses$USER"}


@dataclass
class Desk:
    rooms: DataSourceDesk
    folder: Path
    settings: Settings

    def write(self, text: str, name: str = "one.yaml") -> None:
        (self.folder / "datasources" / name).write_text(text)

    async def start(self) -> dict[str, int]:
        """What a start does; how many of what."""
        with structlog.testing.capture_logs() as logged:
            await provision(self.rooms.database, RING, self.settings, lambda: self.rooms.now)
        assert "ses$" not in repr(logged)
        [told] = logged
        return {what: told[what] for what in ("created", "changed", "unchanged", "deleted")}

    async def sources(self, org_id: int = 1) -> dict[str, DataSource]:
        return {source.traits.name: source for source in await self.rooms.registry.list(org_id)}

    async def refused(self) -> tuple[str, ...]:
        before = await self.sources(), await self.sources(2)
        with pytest.raises(ConfigurationError) as caught:
            await provision(self.rooms.database, RING, self.settings, lambda: self.rooms.now)
        assert before == (await self.sources(), await self.sources(2))
        return caught.value.mistakes


@asynccontextmanager
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str] = ENVIRONMENT, **limits: Any
) -> AsyncIterator[Desk]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "provisioning"
    await trio.Path(folder / "datasources").mkdir(parents=True)
    settings = Settings(provisioning=Provisioning(path=str(folder), **limits))
    async with datasource_desk(tmp_path) as rooms:
        yield Desk(rooms, folder, settings)


def counts(created: int = 0, changed: int = 0, unchanged: int = 0, deleted: int = 0) -> dict[str, int]:
    return {"created": created, "changed": changed, "unchanged": unchanged, "deleted": deleted}


async def test_what_a_file_says_is_there_once_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        here.write(ONE)
        assert await here.start() == counts(created=1)
        source = (await here.sources())["Plant"]
        traits = source.traits
        assert (source.uid, source.version) == (uid_of_name("Plant"), 1)
        assert (traits.url, traits.user, traits.basic_auth_user) == ("http://localhost:9000", "ann", "ann")
        assert (traits.database, traits.access, traits.type) == ("7", "proxy", "testdata")
        assert (traits.basic_auth, traits.is_default, traits.with_credentials) == (True, True, True)
        assert (traits.read_only, traits.prunable) == (True, False)
        assert traits.json_data == b'{"httpMethod":"POST","nested":[{"deep":"ann","price":"5$"}],"timeout":30}'
        assert here.rooms.registry.reveal(source) == {"password": "ses$USER", "regex": "a$"}
        assert await here.start() == counts(unchanged=1)
        assert (await here.sources())["Plant"] == source
        with pytest.raises(Refusal, match="read-only"):
            await here.rooms.registry.delete(1, by_name("Plant"))


def test_a_uid_that_no_file_names_is_grafanas() -> None:
    assert uid_of_name("Prometheus") == "PBFA97CFB590B2093"


async def test_what_changes_in_a_file_changes_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        here.write(ONE)
        await here.start()
        for text, what in (
            (ONE.replace("$PORT", "1"), counts(changed=1)),
            (ONE.replace("'a$'", "b"), counts(changed=1)),
            (ONE.replace("      regex: 'a$'\n", ""), counts(changed=1)),
            (ONE.replace("      regex: 'a$'\n", "") + "# comment\n", counts(unchanged=1)),
        ):
            here.write(text)
            assert await here.start() == what, text
        source = (await here.sources())["Plant"]
        assert source.version == 4
        assert here.rooms.registry.reveal(source) == {"password": "ses$USER"}


async def test_an_editable_one_keeps_the_secrets_that_were_given_it_and_is_else_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        here.write(f"{HEAD}datasources: [{{name: n, type: t, uid: u, editable: true, secureJsonData: {{a: '1'}}}}]")
        await here.start()
        await here.rooms.registry.update(1, by_uid("u"), order("m", secrets={"a": "2", "b": "3"}))
        assert await here.start() == counts(changed=1)
        source = (await here.sources())["n"]
        assert here.rooms.registry.reveal(source) == {"a": "1", "b": "3"}
        assert await here.start() == counts(unchanged=1)
        await here.rooms.registry.delete(1, by_uid("u"))
        assert await here.start() == counts(created=1)


async def test_what_is_not_to_be_is_deleted_and_what_is_to_be_again_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        await here.rooms.registry.create(1, order("old"))
        kept = await here.rooms.registry.create(1, order("again", uid="kept"))
        await here.rooms.registry.create(1, order("anew", uid="former"))
        await here.rooms.registry.create(2, order("old"))
        here.write(
            f"{HEAD}deleteDatasources: [{{name: old}}, {{name: again}}, {{name: anew}}, {{name: none, orgId: 2}}]\n"
            "datasources: [{name: again, type: x}, {name: anew, type: t, uid: new}]"
        )
        assert await here.start() == counts(deleted=2, changed=1, created=1)
        found = await here.sources()
        assert found.keys() == {"again", "anew"}
        assert (found["again"].datasource_id, found["again"].uid, found["anew"].uid) == (
            kept.datasource_id,
            "kept",
            "new",
        )
        assert list(await here.sources(2)) == ["old"]
        assert await here.start() == counts(unchanged=2)


async def test_only_what_was_to_be_pruned_goes_when_no_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        await here.rooms.registry.create(1, order("by hand"))
        here.write(f"{HEAD}prune: true\ndatasources: [{{name: a, type: t}}, {{name: b, type: t}}]", "pruned.yml")
        here.write(f"{HEAD}datasources: [{{name: c, type: t}}]", "kept.yaml")
        here.write("nothing: at all", "ignored.txt")
        assert await here.start() == counts(created=3)
        here.write(f"{HEAD}prune: true\ndatasources: [{{name: a, type: t}}]", "pruned.yml")
        here.write(HEAD, "kept.yaml")
        assert await here.start() == counts(unchanged=1, deleted=1)
        assert (await here.sources()).keys() == {"a", "by hand", "c"}


async def test_other_orgs_have_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch, {"ORG": "2"}) as here:
        here.write(f"{HEAD}datasources: [{{name: n, type: t, orgId: $ORG}}, {{name: n, type: t}}]")
        [mistake] = await here.refused()
        assert mistake.endswith("one.yaml:2) is of org 2, which is not there")
        for name in ("one", "two"):
            await here.rooms.database.transact(lambda connection, name=name: insert_org(connection, name, 5.0))  # type: ignore[misc] # bound here
        assert await here.start() == counts(created=2)
        assert list(await here.sources(2)) == ["n"]


async def test_nothing_is_done_where_no_path_is_set(tmp_path: Path) -> None:
    async with datasource_desk(tmp_path) as rooms:
        await provision(rooms.database, RING, Settings(), lambda: 5.0)
        assert await rooms.registry.list(1) == []


async def test_a_folder_without_data_sources_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        assert await here.start() == counts()
        here.write("")
        [mistake] = await here.refused()
        assert mistake.endswith("one.yaml:1 has to be a mapping of keys to values")
        (here.folder / "datasources" / "one.yaml").unlink()
        await trio.Path(here.folder / "datasources").rmdir()
        assert await here.start() == counts()


async def test_one_that_is_there_already_by_hand_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        made = await here.rooms.registry.create(1, order("Plant", uid="mine"))
        here.write(ONE)
        assert await here.start() == counts(changed=1)
        source = (await here.sources())["Plant"]
        assert (source.datasource_id, source.uid, source.traits.read_only) == (made.datasource_id, "mine", True)


async def test_all_is_done_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        await here.rooms.registry.create(1, order("x", uid="u"))
        await here.rooms.registry.create(1, order("y", uid="v"))
        here.write(f"{HEAD}datasources:\n- {{name: a, type: t}}\n- {{name: x, type: t, uid: other}}")
        [mistake] = await here.refused()
        assert "datasources[1] (from" in mistake
        assert "one.yaml:4) is to have the uid 'other'" in mistake
        assert "has 'u'" in mistake
        here.write(f"{HEAD}datasources:\n- {{name: a, type: t}}\n- {{name: y, type: t, uid: u}}")
        [mistake] = await here.refused()
        assert "data source with the same name already exists" in mistake


MISTAKES: list[tuple[str, int, str]] = [
    ("datasources: []", 1, "apiVersion (from {}:1) has to be 1"),
    ("apiVersion: 2", 1, "apiVersion (from {}:1) has to be 1"),
    ("apiVersion: one", 1, "apiVersion (from {}:1) has to be a whole number"),
    ("[]", 1, "{}:1 has to be a mapping"),
    (f"{HEAD}datasource: []", 2, "datasource (from {}:2) is unknown; did you mean datasources?"),
    (f"{HEAD}datasources: {{}}", 2, "datasources (from {}:2) has to be a list"),
    (f"{HEAD}datasources:\n- x", 3, "datasources[0] (from {}:3) has to be a mapping"),
    (f"{HEAD}datasources:\n- name: n\n  tpye: t", 4, "datasources[0].tpye (from {}:4) is unknown; did you mean type?"),
    (f"{HEAD}datasources:\n- type: t", 3, "datasources[0].name (from {}:3) must not be empty"),
    (f"{HEAD}datasources:\n- name: n", 3, "datasources[0].type (from {}:3) must not be empty"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  access: server", 5, "datasources[0].access (from {}:5) has to be"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  uid: a b", 5, "datasources[0].uid (from {}:5) uid contains"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  url: [x]", 5, "datasources[0].url (from {}:5) has to be text"),
    (f"{HEAD}datasources:\n- name: true\n  type: t", 3, "datasources[0].name (from {}:3) has to be text"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  orgId: 0", 5, "datasources[0].orgId (from {}:5) has to be a whole"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  orgId: x", 5, "datasources[0].orgId (from {}:5) has to be a whole"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  editable: 1", 5, "datasources[0].editable (from {}:5) has to be"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  isDefault: maybe", 5, "isDefault (from {}:5) has to be true"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  jsonData: [1]", 5, "jsonData (from {}:5) has to be a mapping"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  jsonData: {{a: 1e999}}", 5, "jsonData (from {}:5) holds a number"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  secureJsonData: sesame", 5, "secureJsonData (from {}:5) has to be"),
    (
        f"{HEAD}datasources:\n- name: n\n  type: t\n  secureJsonData:\n    a: [sesame]",
        6,
        "datasources[0].secureJsonData.a (from {}:6) has to be text",
    ),
    (
        f"{HEAD}datasources:\n- name: n\n  type: t\n  secureJsonData:\n    a: sesame$NO_SUCH",
        6,
        "secureJsonData.a (from {}:6) cannot be used: $NO_SUCH names a variable of the environment that is not set",
    ),
    (
        f"{HEAD}datasources:\n- name: n\n  type: t\n  url: ${{__value.raw}}",
        5,
        "url (from {}:5) cannot be used: ${{__value",
    ),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  url: $__vault{{x}}", 5, "only $__env{{}} and $__file{{}} can"),
    (f"{HEAD}datasources:\n- name: n\n  type: t\n  url: $__file{{/no}}", 5, "$__file{{/no}} cannot be read: No such"),
    (
        f"{HEAD}datasources:\n- name: n\n  type: t\n  password: sesame",
        5,
        "is not kept: say it as secureJsonData.password",
    ),
    (f"{HEAD}deleteDatasources:\n- orgId: 1", 3, "deleteDatasources[0].name (from {}:3) is missing"),
    (f"{HEAD}deleteDatasources:\n- name: n\n  uid: u", 4, "deleteDatasources[0].uid (from {}:4) is unknown"),
    (f"{HEAD}prune: sometimes", 2, "prune (from {}:2) has to be true or false"),
    (f"{HEAD}prune: true\nprune: true", 3, "{}:3: the key 'prune' stands twice"),
    (f"{HEAD}datasources: [", 2, "{}:2: no YAML"),
    (
        f"{HEAD}datasources:\n- {{name: n, type: t}}\n- {{name: n, type: t}}",
        4,
        "datasources[1] (from {}:4) has the name of another one of its org, datasources[0] (from {}:3)",
    ),
    (
        f"{HEAD}datasources:\n- {{name: n, type: t, uid: u}}\n- {{name: m, type: t, uid: u}}",
        4,
        "datasources[1] (from {}:4) has the uid of another",
    ),
    (
        f"{HEAD}datasources:\n- {{name: n, type: t, isDefault: true}}\n- {{name: m, type: t, isDefault: true}}",
        4,
        "datasources[1] (from {}:4) has the isDefault of another",
    ),
]


def plan_mistakes(folder: Path, text: str | bytes, **limits: Any) -> tuple[str, ...]:
    (folder / "datasources").mkdir(exist_ok=True)
    file = folder / "datasources" / "a.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError) as caught:
        read_plan(Provisioning(path=str(folder), **limits), DataSources(json_bytes=1_024), {"SET": "x"})
    return caught.value.mistakes


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES)
def test_a_mistake_is_told_with_file_line_and_key(text: str, line: int, words: str, tmp_path: Path) -> None:
    [mistake] = plan_mistakes(tmp_path, text)
    file = tmp_path / "datasources" / "a.yaml"
    assert words.format(file, file) in mistake
    assert f"a.yaml:{line}" in mistake
    assert "sesame" not in mistake


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "datasources").mkdir()
    (tmp_path / "datasources" / "b.yml").write_text("apiVersion: 1\ndatasources: [{name: n, tipe: t, url: $NO}]")
    found = plan_mistakes(tmp_path, f"{HEAD}datasources:\n- {{name: a, type: t, uid: '/'}}\n- {{name: b}}")
    assert [mistake.split(" (from")[0] for mistake in found] == [
        "datasources[0].uid",
        "datasources[1].type",
        "datasources[0].tipe",
        "datasources[0].url",
    ]


@pytest.mark.parametrize(
    ("content", "limits", "words"),
    [
        (b"apiVersion: 1\n# \xff", {}, "a.yaml:2: no UTF-8"),
        (b"#" * 2_000, {"file_bytes": 1_024}, "a.yaml is larger than 1024 bytes (provisioning.file_bytes)"),
        (b"- 1\n" * 20, {"values": 10}, "a.yaml:10: more than 10 values"),
        (b"apiVersion: 1\n", {"files": 1}, "has more than 1 files (provisioning.files)"),
        (
            b"apiVersion: 1\ndatasources: [{name: n, type: t, jsonData: {a: " + b"x" * 1_024 + b"}}]",
            {},
            "datasources[0] (from",
        ),
    ],
)
def test_files_that_cannot_be_taken_are_told(
    content: bytes, limits: dict[str, Any], words: str, tmp_path: Path
) -> None:
    if "files" in limits:
        (tmp_path / "datasources").mkdir()
        (tmp_path / "datasources" / "b.yaml").write_text(HEAD)
    [mistake] = plan_mistakes(tmp_path, content, **limits)
    assert words in mistake


@pytest.mark.parametrize("path", ["/nowhere/at/all", "\0"])
def test_a_folder_that_is_not_there_is_told(path: str) -> None:
    with pytest.raises(ConfigurationError):
        read_plan(Provisioning(path=path), DataSources(), {})


async def test_a_store_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, monkeypatch) as here:
        here.write(ONE)
        await here.rooms.database.transact(_drop)
        with pytest.raises(ConfigurationError, match="cannot be saved: no such table"):
            await provision(here.rooms.database, RING, here.settings, lambda: 5.0)


def _drop(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE datasource_secrets")
