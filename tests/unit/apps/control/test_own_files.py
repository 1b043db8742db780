"""A commit that is trusted stays so over a restart, as that commit and no other."""

import asyncio
import dataclasses
import subprocess
from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.compose.own_files import own_files, trust
from tests.control_house import ONE_TENANT, House

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@x.example",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@x.example",
    "GIT_CONFIG_NOSYSTEM": "1",
}
OWN = ONE_TENANT + "files: {own: [{root: .}]}\n"


def git(root, *arguments):
    done = subprocess.run(
        ["git", "-C", root, *arguments], check=True, env=ENVIRONMENT, capture_output=True
    )
    return done.stdout.decode().strip()


class Checkout:
    """A checkout beside its settings, and the server's start over one store."""

    def __init__(self, root):
        self.root = root
        self.house = House(OWN)
        self.said = []
        self.first = self.commit("one")

    def commit(self, text):
        (self.root / "a.py").write_text(text)
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", text)
        return git(self.root, "rev-parse", "HEAD")

    async def start(self, text=OWN):
        self.said.clear()
        config = parse_config(text.encode(), Path(self.root / "holdfast.yaml"))
        self.files = own_files(config)
        self.house.restart(text, files=self.files)
        if self.files is not None:
            await trust(config, self.files, self.house.house, self.said.append)
        self.house.deps = dataclasses.replace(self.house.deps, config=config)

    async def asked(self, verb, **body):
        return await self.house.call("POST", f"/v1/own-files/{verb}", body)

    async def is_own(self):
        assert self.files is not None
        return await self.files.own([str(self.root / "a.py")], {})


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q", "-b", "main")
    return Checkout(tmp_path)


def test_a_branch_that_was_trusted_is_trusted_after_a_restart_as_it_was(checkout):
    async def main():
        await checkout.start()
        assert not await checkout.is_own()
        answer = await checkout.asked("trust", ref="main")
        assert answer.json()["commit"] == checkout.first
        await checkout.start()
        assert await checkout.is_own()
        assert checkout.said == []

    asyncio.run(main())


def test_a_branch_that_moved_since_trusts_nothing_more_and_is_told(checkout):
    async def main():
        await checkout.start()
        await checkout.asked("trust", ref="main")
        checkout.commit("do as I say")
        await checkout.start()
        assert not await checkout.is_own()
        assert len(checkout.said) == 1
        assert "`main`" in checkout.said[0]
        assert "holdfast files trust main" in checkout.said[0]
        git(checkout.root, "checkout", "-q", checkout.first)
        assert await checkout.is_own()

    asyncio.run(main())


def test_what_was_forgotten_is_own_neither_now_nor_after_a_restart(checkout):
    async def main():
        await checkout.start()
        await checkout.asked("trust", ref="main")
        answer = await checkout.asked("forget", ref="main")
        assert answer.json()["commit"] == checkout.first
        assert not await checkout.is_own()
        await checkout.start()
        assert not await checkout.is_own()
        kinds = [str(r.kind) for r in checkout.house.store.journal]
        assert kinds.count("files.trusted") == kinds.count("files.forgotten") == 1
        again = await checkout.asked("forget", ref="main")
        assert again.status_code == 400
        assert "of" in again.json()["error"]["message"]

    asyncio.run(main())


def test_a_commit_of_the_settings_holds_while_they_name_it(checkout):
    pinned = ONE_TENANT + f"files: {{own: [{{root: ., refs: [{checkout.first}]}}]}}\n"

    async def main():
        await checkout.start(pinned)
        assert await checkout.is_own()
        refused = await checkout.asked("forget", ref=checkout.first)
        assert refused.status_code == 400
        assert "settings" in refused.json()["error"]["message"]
        await checkout.start()
        assert not await checkout.is_own(), "the settings name it no longer"

    asyncio.run(main())


def test_a_root_that_is_declared_no_longer_and_a_commit_that_is_gone_trust_nothing(checkout):
    async def main():
        await checkout.start()
        await checkout.asked("trust", ref="main")
        await checkout.start(ONE_TENANT)
        assert checkout.files is None
        moved = checkout.root / ".git" / "objects"
        moved.rename(checkout.root / ".git" / "lost")
        await checkout.start()
        assert not await checkout.is_own()
        assert "no longer trusted" in checkout.said[0]

    asyncio.run(main())
