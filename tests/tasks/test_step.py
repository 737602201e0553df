import time
from dataclasses import dataclass
from pathlib import Path

from sortal.configs.schema import Section
from sortal.configs.section import Runtime
from sortal.storage.artifacts import Written
from sortal.tasks.step import optional, step


class Options(Section):
    depth: int = 1
    threads: int = Runtime(2)


@dataclass(frozen=True, kw_only=True)
class CountedInputs:
    name: str
    options: Options
    more: str | None = optional()


@dataclass(frozen=True, kw_only=True)
class FilledInputs:
    mb: int


def _counting(calls, **extra):
    @step("counted", CountedInputs, **extra)
    def counted(folder: Path, workspace, inputs: CountedInputs) -> Written:
        calls.append(inputs.name)
        (folder / "out.txt").write_text(inputs.name)
        return Written(rows=len(calls))

    return counted


def test_a_step_is_built_once_for_the_same_arguments(workspace):
    calls = []
    counted = _counting(calls)
    first = counted(workspace, name="a", options=Options())
    assert counted(workspace, name="a", options=Options()) == first
    assert calls == ["a"]


def test_runtime_settings_do_not_change_the_fingerprint(workspace):
    counted = _counting([])
    one = counted.fingerprint(workspace, name="a", options=Options(threads=1))
    assert one == counted.fingerprint(workspace, name="a", options=Options(threads=64))
    assert one != counted.fingerprint(workspace, name="a", options=Options(depth=2))


def test_an_optional_input_has_no_part_in_the_fingerprint_while_it_is_none(workspace):
    counted = _counting([])
    one = counted.fingerprint(workspace, name="a", options=Options())
    assert one == counted.fingerprint(workspace, name="a", options=Options(), more=None)
    assert one != counted.fingerprint(workspace, name="a", options=Options(), more="b")


def test_a_new_version_is_a_new_fingerprint(workspace):
    old, new = _counting([]), _counting([], version=2)
    arguments = {"name": "a", "options": Options()}
    assert old.fingerprint(workspace, **arguments) != new.fingerprint(workspace, **arguments)


def test_state_makes_a_step_run_again(workspace):
    calls, state = [], ["one"]
    counted = _counting(calls, state=lambda workspace, inputs: state[0])
    counted(workspace, name="a", options=Options())
    state[0] = "two"
    counted(workspace, name="a", options=Options())
    assert len(calls) == 2


def test_a_failed_check_rebuilds(workspace):
    calls, sound = [], [True]
    counted = _counting(calls, check=lambda workspace, artifact: sound[0])
    counted(workspace, name="a", options=Options())
    sound[0] = False
    counted(workspace, name="a", options=Options())
    assert len(calls) == 2


def test_a_damaged_artifact_is_built_again_with_the_same_fingerprint(workspace):
    calls = []
    counted = _counting(calls)
    first = counted(workspace, name="a", options=Options())
    first.file(workspace, "out.txt").write_text("b")
    again = counted(workspace, name="a", options=Options())
    assert again.fingerprint == first.fingerprint and len(calls) == 2


def test_costs_are_recorded(workspace):
    cost = _counting([])(workspace, name="a", options=Options()).facts["cost"]
    assert cost["seconds"] >= 0 and cost["peak_mb"] > 0


def test_the_cost_is_of_the_step_alone(workspace):
    @step("filled", FilledInputs)
    def filled(folder: Path, workspace, inputs: FilledInputs) -> Written:
        block = bytearray(inputs.mb << 20)
        block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
        time.sleep(0.2)  # where the process was larger before, memory is seen now and then only
        return Written(facts={"touched": len(block)})

    large = filled(workspace, mb=256).facts["cost"]["peak_mb"]
    small = filled(workspace, mb=1).facts["cost"]["peak_mb"]
    assert large - small > 200
