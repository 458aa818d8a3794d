"""Every technique keeps its promises while things go wrong on the wire; the checker judges that."""

from __future__ import annotations

import pytest

from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from lab.check.judge import judge
from lab.check.recorder import record
from lab.check.script import script
from tests.support.kit import QUICK, Serving


@pytest.fixture(autouse=True)
def _loaded(technique: Technique) -> None:
    """Import off the loop: an import reads files."""
    technique.load_decoder()


@pytest.mark.parametrize("limits", [Limits(burst=0)], ids=[""])
async def test_histories_with_faults_are_valid(technique: Technique, server: Serving) -> None:
    known = {setting.name for setting in technique.settings}
    settings = {name: value for name, value in QUICK.settings.items() if name in known}
    steps = script(1, technique.transport(settings))
    lines = await record(technique, server.address, steps, settings=settings)
    found = judge((line, "") for line in lines)
    assert found.state == "valid", found.line
    assert found.counted["operations"] >= 40
    assert found.counted["fault hits"] > 0
