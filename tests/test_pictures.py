"""Pictures of the docs that a script makes are what it makes."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_picture_of_the_flow_is_what_the_flow_does():
    spec = spec_from_file_location("draw_flow", DOCS / "draw_flow.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = module.draw(module.graph_of_a_run())
    assert drawn == module.PICTURE.read_text("utf-8"), "run: python docs/draw_flow.py"
