"""Hooks that a check looks at by their files, loads where it may, and asks about a made-up moment."""

import asyncio
from pathlib import Path

import pytest

from holdfast.compose.config import load_config
from holdfast.compose.config.model import Config
from holdfast.compose.hooks import missing, named, tried, unfit
from holdfast.errors import ConfigInvalid
from holdfast.model.hooks import HookInput, HookPoint, Recovery
from holdfast.model.principals import Principal

SETTINGS = """\
version: 1
policies: policies
upstreams: {anthropic: {api_key_env: KEY}}
agents:
  desk: {model: claude-opus-5-5, tools: [Read]}
  other: {model: claude-opus-5-5, tools: [Read], hooks: {on_error: ["mine:calm"]}}
hooks: {HOOKS}
"""
MODULE = """\
from functools import partial
from holdfast.hooks import HookAnswer, HookInput, deny, recover, rewrite

async def careful(given: HookInput) -> HookAnswer | None:
    return rewrite({"limit": 1}) if given.tool == "search" else deny("no", code="not_today")

async def calm(given):
    return recover("skip")

def plain(given):
    return None

made = partial(careful)
"""
WHO = Principal(tenant="t", project="p", user="u", agent="desk", session="s", task="")


def config(folder: Path, hooks: str, **modules: str) -> Config:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "holdfast.yaml").write_text(SETTINGS.replace("{HOOKS}", "{" + hooks + "}"))
    for name, text in ({"mine": MODULE} | modules).items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return load_config(folder / "holdfast.yaml", imports=False)


@pytest.mark.parametrize(
    "name",
    ["mine:careful", "mine:made", "deep.er:one", "starred:whatever", "asyncio:sleep"],
)
def test_a_hook_that_is_where_it_is_said_to_be_is_no_fault(tmp_path, name):
    found = config(
        tmp_path,
        f"pre_tool: ['{name}']",
        deep__er="from os import getcwd as one\n",
        starred="from os import *\n",
    )
    assert missing(found) == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone:careful", "has no module `gone` here, and none is installed"),
        ("mine:absent", "`mine.py` has no `absent`"),
        ("mine:plain", "must be an `async def` function"),
        ("torn:one", "SyntaxError"),
        ("deep.gone:one", "has no module `deep.gone`"),
    ],
)
def test_a_hook_that_is_not_there_is_found_without_running_any_code(tmp_path, name, says):
    mark = tmp_path / "ran"
    writes = f"open({str(mark)!r}, 'w')\n"
    found = config(tmp_path, f"on_error: ['{name}']", mine=writes + MODULE, torn="def (:\n")
    (fault,) = unfit(found, imports=False)
    assert says in fault
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("import nothing_like_this\nasync def one(given): ...\n", "ModuleNotFoundError"),
        ("one = 7\n", "`async def`"),
        ("import os\nasync def one(given): ...\nos._exit(3)\n", "loaded"),
    ],
)
def test_a_hook_that_does_not_load_is_found_where_code_may_run(tmp_path, module, says):
    found = config(tmp_path, "post_tool: ['late:one']", late=module)
    assert unfit(found, imports=False) == ()
    (fault,) = unfit(found, imports=True)
    assert says in fault


def test_every_hook_is_named_once_those_of_agents_too(tmp_path):
    found = config(tmp_path, "pre_tool: ['mine:careful'], on_error: ['mine:careful']")
    assert named(found) == ("mine:careful", "mine:calm")


def test_hooks_that_are_tried_say_what_they_would_to_a_server(tmp_path):
    found = config(tmp_path, "pre_tool: ['mine:careful'], on_error: ['mine:careful']")

    def ask(point: HookPoint, agent: str = "desk", tool: str = "search"):
        who = Principal(**{**{f: getattr(WHO, f) for f in WHO.__struct_fields__}, "agent": agent})
        return asyncio.run(tried(found, HookInput(point=point, principal=who, tool=tool)))

    result, ran = ask(HookPoint.PRE_TOOL)
    assert result.arguments == {"limit": 1}
    assert [(one.hook, one.rewrote, one.fault) for one in ran] == [("mine:careful", True, "")]
    refused, _ = ask(HookPoint.PRE_TOOL, tool="pay")
    assert [(r.code, r.text) for r in refused.reasons] == [("not_today", "no")]
    own, _ = ask(HookPoint.ON_ERROR, agent="other")
    assert own.recovery is Recovery.SKIP
    misplaced, ran = ask(HookPoint.ON_ERROR)
    assert misplaced.recovery is Recovery.FAIL
    assert "`arguments`, which says nothing at on_error" in ran[0].fault


def test_hooks_that_cannot_be_loaded_cannot_be_tried(tmp_path):
    found = config(tmp_path, "pre_tool: ['gone:one']")
    with pytest.raises(ConfigInvalid, match="gone:one"):
        asyncio.run(tried(found, HookInput(point=HookPoint.PRE_TOOL, principal=WHO)))
