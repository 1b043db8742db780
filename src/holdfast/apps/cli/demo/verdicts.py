"""What a scene tells: what was tried, what held, what it cost. And how that is printed."""

import msgspec

from holdfast.apps.cli.printing import amount, emit, say
from holdfast.model.budgets import Dimension


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold, in words, and whether it did."""

    text: str
    held: bool


class Told(msgspec.Struct, kw_only=True):
    """What a scene found; `lines` are shown as they are."""

    tried: str
    checks: list[Check] = []
    lines: list[str] = []
    cost_nusd: int = 0

    def check(self, text: str, held: object) -> None:
        """Note one thing that must hold."""
        self.checks.append(Check(text, bool(held)))

    @property
    def held(self) -> bool:
        """Whether everything held; a scene without a check holds nothing."""
        return bool(self.checks) and all(check.held for check in self.checks)


def show(number: int, title: str, told: Told, seconds: float, *, as_json: bool) -> None:
    """Print one scene."""
    if as_json:
        emit(
            {
                "scene": number,
                "title": title,
                "held": told.held,
                "tried": told.tried,
                "checks": told.checks,
                "lines": told.lines,
                "cost_nusd": told.cost_nusd,
                "seconds": round(seconds, 3),
            }
        )
        return
    say(f"\n{number}  {title}", style="bold")
    say(f"   tried  {told.tried}")
    for line in told.lines:
        say(f"          {line}", style="dim")
    for check in told.checks:
        mark, style = ("✓", "green") if check.held else ("✗", "bold red")
        say(f"   {mark}      {check.text}", style=style)
    say(f"   cost   {amount(Dimension.USD, told.cost_nusd)}, {seconds:.1f} s", style="dim")
