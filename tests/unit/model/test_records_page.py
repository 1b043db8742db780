"""The page of the journal's records says what the code says."""

from holdfast.model.bodies import BODIES, KINDS
from holdfast.model.events import Kind
from scripts.render_records import MARK, PAGE, page


def test_the_page_shows_the_shapes_as_they_are():
    _, mark, made = PAGE.read_text().partition(MARK)
    assert mark
    assert made == page(), "run `python -m scripts.render_records`"


def test_every_kind_and_shape_is_told_of_in_words():
    made = page()
    assert all(f"\n## `{kind.value}`\n" in made for kind in Kind)
    assert all(shape.__doc__ for shape in (*BODIES.values(), *KINDS))
