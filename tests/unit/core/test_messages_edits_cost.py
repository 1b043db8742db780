"""Replacing results costs what the body holds, however many there are."""

import json

from holdfast.core import messages
from holdfast.core.messages import edited


def test_each_message_is_opened_once_however_many_of_its_results_are_replaced(monkeypatch):
    opened = []
    real = messages._edited_message

    def counting(raw, texts):
        opened.append(len(texts))
        return real(raw, texts)

    monkeypatch.setattr(messages, "_edited_message", counting)
    block = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    told = [{"role": "user", "content": [block] * 40} for _ in range(30)]
    contents = {(m, b): f"{m}.{b}" for m in range(30) for b in range(40)}

    class Walked(dict):
        """Counts how often the whole of it is gone through."""

        walks = 0

        def items(self):
            Walked.walks += 1
            return super().items()

        def __iter__(self):
            Walked.walks += 1
            return super().__iter__()

    body = edited(json.dumps({"messages": told}).encode(), contents=Walked(contents))
    assert opened == [40] * 30
    assert Walked.walks == 1
    read = json.loads(body)["messages"]
    assert read[29]["content"][39]["content"] == "29.39"
    assert read[0]["content"][0]["is_error"] is True
