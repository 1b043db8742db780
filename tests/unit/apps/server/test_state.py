"""A state folder that somebody else made is not taken: who made it knows its tokens."""

import os

import pytest

from holdfast.apps.server import state
from holdfast.errors import ConfigInvalid


def test_a_folder_of_ones_own_keeps_its_tokens_over_starts(tmp_path):
    folder = tmp_path / ".holdfast"
    state.prepare(folder)
    first = state.admin_token(folder), state.worker_token(folder)
    state.prepare(folder)
    assert first == (state.admin_token(folder), state.worker_token(folder))
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o711, 0o707])
def test_a_folder_that_is_open_to_others_is_refused_with_the_remedy(tmp_path, mode):
    folder = tmp_path / ".holdfast"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ConfigInvalid, match=f"chmod 700 {folder}"):
        state.prepare(folder)


def test_a_planted_folder_of_another_user_is_refused_whatever_its_mode(tmp_path, monkeypatch):
    folder = tmp_path / ".holdfast"
    folder.mkdir(mode=0o700)
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    with pytest.raises(ConfigInvalid, match="belongs to another user"):
        state.prepare(folder)


def test_a_folder_that_everybody_can_replace_is_refused(tmp_path):
    above = tmp_path / "shared"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(ConfigInvalid, match=f"chmod o-w {above}"):
        state.prepare(above / "project" / ".holdfast")
    above.chmod(0o1777)
    state.prepare(above / "project" / ".holdfast")


def test_a_file_in_its_place_is_named_with_its_path(tmp_path):
    folder = tmp_path / ".holdfast"
    folder.write_text("")
    with pytest.raises(ConfigInvalid, match=str(folder)):
        state.prepare(folder)


@pytest.mark.parametrize("how", ["readable", "link", "folder"])
@pytest.mark.parametrize("name", ["admin.token", "worker.token", "signing.key"])
def test_a_secret_that_others_may_know_is_refused(tmp_path, name, how):
    folder = tmp_path / ".holdfast"
    state.prepare(folder)
    make = {
        "admin.token": state.admin_token,
        "worker.token": state.worker_token,
        "signing.key": state.signing_key,
    }[name]
    make(folder)
    if how == "readable":
        (folder / name).chmod(0o644)
    else:
        (folder / name).rename(tmp_path / "elsewhere")
        if how == "link":
            (folder / name).symlink_to(tmp_path / "elsewhere")
        else:
            (folder / name).mkdir()
    with pytest.raises(ConfigInvalid, match="remove it to make a new one"):
        make(folder)
