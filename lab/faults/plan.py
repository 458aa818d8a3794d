"""The faults that are on at one tap. A seed repeats what they do."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab.wire.passing import Interference, Passing

if TYPE_CHECKING:
    from chat.interfaces.frames import Direction, FrameDecoder
    from lab.faults.fault import Fault
    from lab.wire.capture import Transport
    from lab.wire.tap import Tap


class FaultPlan(Interference):
    """What is wrong on the wire at the moment. Faults are changed by `add` and `clear`, from any thread."""

    def __init__(self, make_decoder: Callable[[Transport], FrameDecoder], seed: int = 1) -> None:
        """Begin without a fault.

        Args:
            make_decoder: for faults that look for messages, see `Technique.decoder`.
            seed: of everything random.
        """
        self.faults: tuple[Fault, ...] = ()
        """Those that are on."""
        self.seed = seed
        self._make_decoder = make_decoder
        self._chance = random.Random(seed)

    @property
    def on(self) -> bool:
        return bool(self.faults)

    def touch(self, passing: Passing) -> None:
        if "decoder" not in passing.shared:
            passing.shared["decoder"] = self._make_decoder(passing.connection.transport)
        for fault in self.faults:
            fault.touch(passing, self._chance)

    def holds(self, direction: Direction) -> bool:
        return any(fault.holds for fault in self.faults)

    def add(self, fault: Fault, tap: Tap) -> None:
        """Begin a fault. Blocks for a moment."""
        self.faults = (*(one for one in self.faults if one.name != fault.name), fault)
        if fault.refuses:
            tap.refuse(True)
            fault.fired += 1
        elif fault.cuts:
            fault.fired += tap.cut()

    def clear(self, tap: Tap | None) -> None:
        """End all faults; what they hold passes. Blocks for a moment."""
        ended, self.faults = self.faults, ()
        if tap is not None:
            if any(fault.refuses for fault in ended):
                tap.refuse(False)
            elif any(fault.spoils and fault.fired for fault in ended):
                tap.cut()
            tap.wake()

    def __str__(self) -> str:
        return ", ".join(f"{fault} ({fault.count})" for fault in self.faults)
